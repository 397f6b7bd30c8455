"""Traffic for the page: OTLP spans of a service that no other test uses, as an SDK sends them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from running_server import RunningServer

MINUTE_NS = 60_000_000_000
Event = tuple[str, dict[str, object]]
MODELS = (
    ("gpt-4o-mini", "openai"),
    ("claude-3-5-haiku-20241022", "anthropic"),
    ("homegrown-1", "local"),
)


def wrap(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[wrap(item) for item in value]))
    return AnyValue(string_value=str(value))


def pairs(values: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=wrap(value)) for key, value in values.items()]


@dataclass
class Sender:
    """Builds OTLP spans of one service and sends them."""

    server: RunningServer
    service: str = field(default_factory=lambda: f"shop-{uuid.uuid4().hex[:10]}")
    environment: str = "production"
    headers: dict[str, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)

    def add(
        self,
        trace: bytes,
        name: str,
        attributes: dict[str, object],
        *,
        parent: bytes = b"",
        minutes_ago: float = 5,
        duration_ms: float = 1000,
        error: str = "",
        events: tuple[Event, ...] = (),
    ) -> bytes:
        start = time.time_ns() - int(minutes_ago * MINUTE_NS)
        span_id = uuid.uuid4().bytes[:8]
        self.spans.append(
            Span(
                trace_id=trace,
                span_id=span_id,
                parent_span_id=parent,
                name=name,
                start_time_unix_nano=start,
                end_time_unix_nano=start + int(duration_ms * 1e6),
                attributes=pairs(attributes),
                status=Status(code=Status.STATUS_CODE_ERROR, message=error) if error else None,
                events=[
                    Span.Event(name=label, time_unix_nano=start, attributes=pairs(values))
                    for label, values in events
                ],
            )
        )
        return span_id

    def send(self) -> None:
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(
            pairs(
                {
                    "service.name": self.service,
                    "service.version": "1.2.3",
                    "deployment.environment.name": self.environment,
                }
            )
        )
        resource.scope_spans.add().spans.extend(self.spans)
        assert self.server.send(request.SerializeToString(), **self.headers).status == 200
        self.spans.clear()
        assert self.server.request("POST", "/api/flush", headers=self.headers).status == 200


def describe_call(place: int) -> dict[str, object]:
    """The attributes of the place-th call: models, prompts, users and gaps in turn."""
    model, provider = MODELS[place % len(MODELS)]
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": uuid.uuid4().hex,
        "gen_ai.prompt.name": "answer" if place % 2 else "summarise",
        "gen_ai.prompt.version": str(1 + place % 3),
        "user.id": f"user-{place % 5}",
        "session.id": f"session-{place % 7}",
        "watchpost.kind": "generation",
    }
    if place % 8 != 3:
        attributes["gen_ai.usage.input_tokens"] = 1000 + 37 * place
        attributes["gen_ai.usage.output_tokens"] = 100 + 11 * place
    if place % 4 == 0:
        attributes["gen_ai.response.time_to_first_chunk"] = 0.2 + place / 100
    if place % 12 == 5:
        attributes["watchpost.blocked"] = True
    return attributes


def judge(place: int) -> Event:
    """The verdict of a guard about the place-th call."""
    tripped = place % 6 == 1
    return (
        "watchpost.guard.verdict",
        {
            "watchpost.guard.name": "pii",
            "watchpost.guard.label": "EMAIL_ADDRESS",
            "watchpost.guard.direction": "input",
            "watchpost.guard.action": "redact" if tripped else "allow",
            "watchpost.guard.tripped": tripped,
            "watchpost.guard.failed": place % 13 == 4,
            "watchpost.guard.probability": 0.97 if tripped else 0.02,
            "watchpost.guard.threshold": 0.5,
            "watchpost.guard.duration_ms": 0.75,
        },
    )


def send_shop(server: RunningServer, traces: int = 30) -> str:
    """Send `traces` traces of two spans, the last hours of a shop; the name of its service."""
    sender = Sender(server)
    for place in range(traces):
        trace = uuid.uuid4().bytes
        failed = "the provider is overloaded" if place % 8 == 3 else ""
        age = 3 + 20 * place
        root = sender.add(trace, "handle", {}, minutes_ago=age, duration_ms=900 + 31 * place)
        sender.add(
            trace,
            f"chat {place}",
            describe_call(place),
            parent=root,
            minutes_ago=age,
            duration_ms=800 + 31 * place,
            error=failed,
            events=(judge(place),),
        )
    sender.send()
    return sender.service
