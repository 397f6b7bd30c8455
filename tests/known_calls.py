"""Known-truth calls: spans of every dialect with what they must become, sent and read over sockets.

The truth stands in `fixtures/known-calls/DIALECT.json` and nowhere else; this file builds OTLP
requests from the spans there, sends them to a running server and says how what was read back
differs. Dialect tests and `benchmarks/conformance.py` both use it. It knows no dialect.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running_server import RunningServer

from watchpost_collector.store.messages import nest

FIXTURES = Path(__file__).parent / "fixtures"
_STATUS = {"OK": 1, "ERROR": 2}


@dataclass(frozen=True, slots=True)
class KnownCall:
    """One case: where its spans are, and the truth about them."""

    dialect: str
    name: str
    case: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class PlainSpan:
    """A span as the fixtures hold it, whatever file it came from."""

    name: str
    attributes: Mapping[str, Any]
    span_id: str
    parent_span_id: str = ""
    trace_id: str = ""
    start_ns: int = 0
    end_ns: int = 0
    status: str = ""
    status_message: str = ""
    scope: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    trace_state: str = ""


def list_dialects() -> list[str]:
    """The names of the dialects that have known calls."""
    return sorted(path.stem for path in (FIXTURES / "known-calls").glob("*.json"))


def list_calls(dialect: str) -> list[KnownCall]:
    """The cases of a dialect, in the order of its file."""
    cases = _load(f"known-calls/{dialect}.json")["cases"]
    return [KnownCall(dialect, name, case) for name, case in cases.items()]


def send_call(server: RunningServer, call: KnownCall) -> str:
    """Send a case's spans over OTLP as a project of its own; the condition that finds its rows."""
    project = f"{call.dialect}-{call.name}-{secrets.token_hex(4)}".replace("_", "-")
    for request in _requests(call.case):
        answer = server.send(
            request.SerializeToString(),
            X_Watchpost_Backfill="1",
            X_Watchpost_Project=project,
        )
        assert (answer.status, answer.body) == (200, b""), answer.body
    return f"project = '{project}'"


def compare_call(server: RunningServer, call: KnownCall, where: str) -> list[str]:
    """What is wrong with a case as read back over the query port; [] when all is right.

    `where` is a condition on `project` or `trace_id`, which every table has.
    """
    wrong = list(_compare_rows("call", call.case["calls"], _read_calls(server, call, where)))
    for expected in call.case.get("spans", []):
        wrong.extend(_compare_span(server, expected, where))
    wrong.extend(_compare_content(server, call.case, where))
    for expected in call.case.get("verdicts", []):
        columns = ", ".join(expected)
        rows = server.query(f"select {columns} from watchpost.verdicts where {where}")
        if tuple(expected.values()) not in rows:
            wrong.append(f"verdict {expected} is not among {rows}")
    return wrong


def build_request(spans: list[PlainSpan]) -> ExportTraceServiceRequest:
    """An OTLP request of plain spans, one scope each."""
    request = ExportTraceServiceRequest()
    for span in spans:
        resource = request.resource_spans.add()
        _put_all(resource.resource.attributes, {"service.name": "known-calls", **span.resource})
        scope = resource.scope_spans.add()
        scope.scope.name = span.scope
        out = scope.spans.add(
            name=span.name,
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent_span_id),
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=span.end_ns,
            trace_state=span.trace_state,
        )
        out.status.code = _STATUS.get(span.status, 0)
        out.status.message = span.status_message
        _put_all(out.attributes, span.attributes)
        for event in span.events:
            added = out.events.add(name=event["name"])
            _put_all(added.attributes, event.get("attributes", {}))
    return request


def _requests(case: Mapping[str, Any]) -> Iterator[ExportTraceServiceRequest]:
    if "otlp" in case:
        for sent in _load(case["otlp"]):
            if sent["path"] == "/v1/traces":
                yield ParseDict(sent["body"], ExportTraceServiceRequest())
        return
    yield build_request(list(_spans(case)))


def _spans(case: Mapping[str, Any]) -> Iterator[PlainSpan]:
    if "golden" in case:
        file, name = case["golden"]
        yield from map(_from_golden, _load(file)["cases"][name]["spans"])
    elif "vercel" in case:
        yield from map(_from_vercel, _load(case["vercel"]))
    elif "trace" in case:
        yield from _from_export(_load(case["trace"])["observations"])
    elif "attributes" in case:
        yield _handmade({"attributes": _load(case["attributes"])}, secrets.token_hex(16), 0)
    else:
        trace_id = secrets.token_hex(16)
        for number, span in enumerate(case["sent"]):
            yield _handmade(span, trace_id, number)


def _from_golden(span: Mapping[str, Any]) -> PlainSpan:
    return PlainSpan(
        span["name"],
        span["attributes"],
        span["span_id"],
        span["parent_span_id"] or "",
        span["trace_id"],
        span["start_time_unix_nano"],
        span["end_time_unix_nano"],
        span["status"],
        span["status_message"] or "",
        span["scope"]["name"],
        events=span["events"],
    )


def _from_vercel(span: Mapping[str, Any]) -> PlainSpan:
    context = span["spanContext"]
    start, end = (second * 10**9 + nano for second, nano in (span["startTime"], span["endTime"]))
    return PlainSpan(
        span["name"],
        span["attributes"],
        context["spanId"],
        "",
        context["traceId"],
        start,
        end,
        scope="ai",
    )


def _from_export(observations: list[Mapping[str, Any]]) -> Iterator[PlainSpan]:
    """Spans of a Langfuse export: those whose original attributes are in the metadata."""
    for observation in observations:
        metadata = observation["metadata"]
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
        if "attributes" not in metadata:
            continue
        start, end = (_nanoseconds(observation[key]) for key in ("startTime", "endTime"))
        scope = metadata.get("scope", {})
        yield PlainSpan(
            observation["name"],
            metadata["attributes"],
            observation["id"],
            observation.get("parentObservationId") or "",
            observation["traceId"].replace("-", ""),
            start,
            end,
            scope=scope.get("name", "") if isinstance(scope, dict) else "",
        )


def _handmade(span: Mapping[str, Any], trace_id: str, number: int) -> PlainSpan:
    """A span written for a test: ids by its `id` and `parent`, times a second apart."""
    own, parent = span.get("id", f"s{number}"), span.get("parent")
    start = 1_790_000_000_000_000_000 + number * 10**9
    return PlainSpan(
        span.get("name", "call"),
        span["attributes"],
        _span_id(trace_id, own),
        _span_id(trace_id, parent) if parent else "",
        trace_id,
        start,
        start + span.get("duration_ms", 500) * 10**6,
        span.get("status", ""),
        span.get("status_message", ""),
        span.get("scope", ""),
        span.get("resource", {}),
        span.get("events", []),
    )


def _span_id(trace_id: str, name: str) -> str:
    return (name.encode().hex() + trace_id)[:16]


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) * 10**6


def _put_all(target: Any, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        _put(target.add(key=key).value, value)


def _put(target: Any, value: Any) -> None:
    match value:
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                _put(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            _put_all(target.kvlist_value.values, value)


def _read_calls(server: RunningServer, call: KnownCall, where: str) -> list[dict[str, Any]]:
    columns = sorted({name for expected in call.case["calls"] for name in expected})
    shown = ", ".join(["span_id", *(f"toString({c})" if c in _AS_TEXT else c for c in columns)])
    rows = server.query(f"select {shown} from watchpost.generations where {where} order by start")
    return [dict(zip(["span_id", *columns], row, strict=True)) for row in rows]


_AS_TEXT = ("cost", "cost_reported")


def _compare_rows(
    what: str, expected: list[Mapping[str, Any]], found: list[dict[str, Any]]
) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{len(found)} {what}s counted, {len(expected)} were made"
        return
    for number, (wanted, row) in enumerate(zip(expected, found, strict=True)):
        for name, value in wanted.items():
            if not _same(row[name], value):
                yield f"{what} {number}: {name} is {row[name]!r}, not {value!r}"


def _compare_span(server: RunningServer, expected: Mapping[str, Any], where: str) -> Iterator[str]:
    columns = ", ".join(expected)
    rows = server.query(f"select {columns} from watchpost.spans where {where}")
    if not any(
        all(_same(found, value) for found, value in zip(row, expected.values(), strict=True))
        for row in rows
    ):
        yield f"no span is {dict(expected)}; there are {rows}"


def _compare_content(server: RunningServer, case: Mapping[str, Any], where: str) -> Iterator[str]:
    columns = {
        "input": "input_messages",
        "output": "output_messages",
        "system": "system_instructions",
        "tools": "tool_definitions",
        "documents": "documents",
    }
    for part, column in columns.items():
        if part not in case:
            continue
        rows = server.query(f"select {column} from watchpost.content where {where}")
        texts = [text for (value,) in rows for text in list_leaves(nest(value))]
        for wanted in case[part]:
            if not any(wanted in text for text in texts):
                yield f"{column} does not hold {wanted!r}"


def list_leaves(value: Any) -> Iterator[str]:
    """Every text and every key in a JSON value."""
    match value:
        case dict():
            for key, below in value.items():
                yield str(key)
                yield from list_leaves(below)
        case list():
            for below in value:
                yield from list_leaves(below)
        case str():
            yield value


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(found, str) and found != wanted:
        try:
            return Decimal(found) == Decimal(wanted)
        except ArithmeticError:
            return False
    if isinstance(wanted, float):
        return found is not None and abs(float(found) - wanted) < 1e-6
    return bool(found == wanted)


def _load(path: str) -> Any:
    return json.loads((FIXTURES / path).read_text("utf-8"))
