"""Traffic of a small shop, sent as OTLP over a socket, for panels to show."""

import json
import os
import time
import urllib.request

import pytest


def attribute(key: str, value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value}}
    return {"key": key, "value": {"stringValue": value}}


def attributes(values: dict[str, object]) -> list[dict[str, object]]:
    return [attribute(key, value) for key, value in values.items()]


def call(model: str, version: str, *, failed: bool = False) -> dict[str, object]:
    """One generation of ours, with two verdicts: one that tripped and one guard that failed."""
    end = time.time_ns()
    verdict = {
        "watchpost.guard.direction": "input",
        "watchpost.guard.action": "redact",
        "watchpost.guard.label": "EMAIL_ADDRESS",
        "watchpost.guard.probability": 1.0,
        "watchpost.guard.threshold": 0.5,
        "watchpost.guard.duration_ms": 0.2,
    }
    outcomes = (("pii", True, False), ("injection", False, True))
    values: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.prompt.name": "reply",
        "gen_ai.prompt.version": version,
        "watchpost.kind": "generation",
    }
    if failed:
        values["error.type"] = "RateLimitError"
    else:
        values |= {"gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 80}
    return {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": f"chat {model}",
        "kind": 3,
        "startTimeUnixNano": str(end - 700_000_000),
        "endTimeUnixNano": str(end),
        "attributes": attributes(values),
        "status": {"code": 2} if failed else {},
        "events": [
            {
                "timeUnixNano": str(end),
                "name": "watchpost.guard.verdict",
                "attributes": attributes(
                    {
                        **verdict,
                        "watchpost.guard.name": guard,
                        "watchpost.guard.tripped": tripped,
                        "watchpost.guard.failed": broken,
                    }
                ),
            }
            for guard, tripped, broken in outcomes
        ],
    }


@pytest.fixture(scope="session")
def shop_traffic(server) -> None:
    """Six calls: two prompt versions, a failure, a model nobody has a price for."""
    spans = [
        call(model, version)
        for model in ("gpt-4o-mini", "shop-own-model")
        for version in ("1", "2")
    ]
    spans += [call("gpt-4o-mini", "2", failed=True), call("gpt-4o", "2")]
    resource = {"service.name": "dashboard-shop", "deployment.environment.name": "test"}
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(dict(resource))},
                "scopeSpans": [{"spans": spans}],
            }
        ]
    }
    request = urllib.request.Request(
        f"{server.otlp_url.removesuffix('/v1/traces')}/v1/traces",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    server.flush()
