"""Traffic for panels to show: the demo's assistant over a day, and a small shop with what the
demo has none of. And what a panel's query answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from running_server import RunningServer

from watchpost_collector.demo.plot import Moment
from watchpost_collector.demo.tickets import make_tickets

HOUR_S = 3600
# What a person finds chosen or written above the panels.
STANDING = {
    "key": ["plan"],
    "budget": ["100"],
    "other": ["openai gpt-4o"],
    "status": ["any"],
    "order": ["newest"],
    "page": ["http://127.0.0.1:4318"],
}
SHOP = {
    "project": ["default"],
    "service": ["dashboard-shop"],
    "environment": ["test"],
    "model": ["gpt-4o-mini", "claude-haiku-4-5"],
    "prompt": ["reply"],
    "version": ["1", "2"],
    "segment": ["plan=free"],
    "guard": ["pii", "injection", "refusal", "unsafe", "grounded"],
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What came back: columns with their types, and rows."""

    types: dict[str, str]
    rows: list[list[object]]

    def column(self, name: str) -> list[object]:
        """The values of a column."""
        place = list(self.types).index(name)
        return [row[place] for row in self.rows]


Ask = Callable[..., Frame]


def plan_demo() -> list[Moment]:
    """Tickets of the last day: the second version of the reply's prompt after the first."""
    now = datetime.now(UTC)
    tickets = make_tickets(24)
    return [
        Moment(now - timedelta(hours=24 - n), ticket, "v1" if n < 12 else "v2", "1.4.0")
        for n, ticket in enumerate(tickets)
    ]


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


def tell_verdict(guard: str, end: int, *, tripped: bool, failed: bool) -> dict[str, object]:
    values: dict[str, object] = {
        "watchpost.guard.name": guard,
        "watchpost.guard.direction": "input" if guard in ("pii", "injection") else "output",
        "watchpost.guard.action": "redact" if guard == "pii" else "flag",
        "watchpost.guard.label": "EMAIL_ADDRESS" if guard == "pii" else guard,
        "watchpost.guard.probability": 1.0,
        "watchpost.guard.threshold": 0.5,
        "watchpost.guard.duration_ms": 0.2,
        "watchpost.guard.tripped": tripped,
        "watchpost.guard.failed": failed,
    }
    return {
        "timeUnixNano": str(end),
        "name": "watchpost.guard.verdict",
        "attributes": attributes(values),
    }


def make_call(model: str, version: str, end: int, *, failed: bool = False) -> dict[str, object]:
    """One generation with a verdict of every kind: some tripped, one failed."""
    longer = 1.25 if model.startswith("claude") else 1.0
    values: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic" if model.startswith("claude") else "openai",
        "gen_ai.request.model": model,
        "gen_ai.prompt.name": "reply",
        "gen_ai.prompt.version": version,
        "watchpost.kind": "generation",
        "watchpost.context.use": 0.85 if version == "2" else 0.4,
        "watchpost.retries": 2 if failed else 0,
        "watchpost.segment.plan": "team" if version == "2" else "free",
        "gen_ai.response.time_to_first_chunk": 0.2,
    }
    if failed:
        values["error.type"] = "RateLimitError"
    else:
        values["gen_ai.usage.input_tokens"] = int(900 * longer) + 40 * int(version)
        values["gen_ai.usage.output_tokens"] = 80 * int(version)
    tripping = {"pii": True, "injection": False, "refusal": version == "2"}
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
            tell_verdict(
                guard, end, tripped=tripping.get(guard, False), failed=guard == "injection"
            )
            for guard in SHOP["guard"]
        ],
    }


def send_shop(server: RunningServer, hours_ago: int) -> None:
    """Seven calls: two prompt versions on two families, a failure, a model without a price."""
    end = time.time_ns() - hours_ago * HOUR_S * 1_000_000_000
    models = ("gpt-4o-mini", "claude-haiku-4-5", "shop-own-model")
    spans = [make_call(model, version, end) for model in models for version in ("1", "2")]
    spans.append(make_call("gpt-4o-mini", "1", end, failed=True))
    resource = {"service.name": "dashboard-shop", "deployment.environment.name": "test"}
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(dict(resource))},
                "scopeSpans": [{"spans": spans}],
            }
        ]
    }
    taken = server.send(json.dumps(body).encode(), "application/json")
    assert taken.status == 200, taken.body
    if hours_ago == 0:
        for span in spans[:3]:
            score = {"trace": span["traceId"], "span": span["spanId"], "name": "helpful"}
            post(server, "/api/v1/scores", {**score, "value": 1})


def push_prompt(server: RunningServer) -> None:
    """A version of a prompt in the library, with a label that moved to it."""
    draft = {"name": "reply", "template": "Answer {{question}}."}
    post(server, "/api/v1/prompts/push", {"prompts": [draft], "label": "production"})


def post(server: RunningServer, path: str, told: dict[str, object]) -> None:
    body = json.dumps(told).encode()
    answer = server.request("POST", path, body, {"content-type": "application/json"})
    assert answer.status < 300, answer.body
