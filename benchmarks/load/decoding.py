"""The variant that decodes in Python: `watchpost up` with one function replaced, the insert.

HTTP, admission, spool, exactly-once flush, settling and the tables are the same. A segment's
requests are parsed with upb into a dict a span, the names looked up in a dict, the columns built
as Arrow and inserted a segment at a time. It knows OpenTelemetry's names and watchpost's own and
no other dialect, no indexed keys and no message events: what it leaves out would make it slower.

    python -m load.decoding up --data DIR ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from load.columns import (
    CALL_COLUMNS,
    CONTENT_COLUMNS,
    NAMES,
    SEGMENT_PREFIX,
    SPAN_COLUMNS,
    VERDICT_SCHEMA,
    WORK_SCHEMA,
)
from watchpost_collector.command import main
from watchpost_collector.otlp.envelope import read_envelopes
from watchpost_collector.otlp.signals import TRACES, read_signal
from watchpost_collector.store import client
from watchpost_collector.store.client import Store

_DAY_NS = 86_400 * 10**9
_KINDS = {
    "chat": "generation",
    "generate_content": "generation",
    "text_completion": "generation",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "chain",
    "retrieval": "retriever",
}
_PARAMETERS = (
    *("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty"),
    *("presence_penalty", "stop", "reasoning"),
)
_COUNTS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("cache_write_1h_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens"),
)
_Row = tuple[Any, ...]
INSERT_AS_IT_IS = Store.insert_segment


def insert_decoded(store: Store, body: bytes | Path, segment: str) -> None:
    """What replaces `Store.insert_segment` for spans; the collector's own metrics go as they do."""
    if read_signal(segment) is not TRACES:
        INSERT_AS_IT_IS(store, body, segment)
        return
    content = body.read_bytes() if isinstance(body, Path) else body
    rows: list[_Row] = []
    verdicts: list[_Row] = []
    for envelope in read_envelopes(content):
        request = ExportTraceServiceRequest.FromString(bytes(envelope.body))
        for row, found in _read_spans(request, envelope.project, envelope.received_ns, segment):
            rows.append(row)
            verdicts += found
    work = _to_arrow(rows, WORK_SCHEMA)
    calls = work.filter(pc.field("kind").isin(["generation", "embedding"]))
    inserts = {
        "spans": work.select(SPAN_COLUMNS),
        "content": work.filter(pc.field("has_content")).select(CONTENT_COLUMNS),
        "verdicts": _to_arrow(verdicts, VERDICT_SCHEMA),
        # Where tokens become money, in SQL here as there; from it rows go on into `calls`.
        "to_price": calls.select(CALL_COLUMNS),
    }
    with store._writer.use(segment) as writer:
        for table, block in inserts.items():
            if block.num_rows:
                _insert(writer, table, block, segment)


def _insert(writer: Any, table: str, block: pa.Table, segment: str) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, block.schema) as stream:
        stream.write_table(block)
    writer.raw_insert(
        f"{client.DATABASE}.{table}",
        column_names=block.column_names,
        insert_block=sink.getvalue().to_pybytes(),
        fmt="ArrowStream",
        settings={"insert_deduplication_token": segment},
    )


def _to_arrow(rows: Sequence[_Row], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _read_spans(
    request: Any, project: str, received_ns: int, segment: str
) -> Iterator[tuple[_Row, list[_Row]]]:
    project = project or "default"
    for resource_spans in request.resource_spans:
        resource = _read_attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                yield _read_span(span, resource, scope, project, received_ns, segment)


def _read_span(
    span: Any, resource: dict[str, str], scope: str, project: str, received_ns: int, segment: str
) -> tuple[_Row, list[_Row]]:
    named, segments, attributes = _sort_attributes(_read_attributes(span.attributes))
    get = named.get
    trace_id, span_id = span.trace_id.hex(), span.span_id.hex()
    begun = span.start_time_unix_nano
    sane = received_ns - 31 * _DAY_NS <= begun <= received_ns + 3600 * 10**9
    start = begun if sane else received_ns
    took_ns = max(min(span.end_time_unix_nano - begun, 31 * _DAY_NS), 0)
    said = get("kind", "")
    kind = said or _KINDS.get(get("operation", "").lower(), "other")
    counts = _count_tokens(named)
    model, asked = get("response_model", ""), get("request_model", "")
    failed = span.status.code == 2
    guards, events = _read_events(span.events)
    environment = get("environment") or resource.get("deployment.environment.name", "")
    service, prompt, version = resource.get("service.name", ""), *_prompt(named)
    inputs, outputs = get("input_messages", ""), get("output_messages", "")
    system, tools = get("system_instructions", ""), get("tool_definitions", "")
    duration_ms = took_ns / 1e6
    row = (
        *(project, segment, trace_id, span_id, span.parent_span_id.hex(), start, duration_ms),
        *(span.name, kind, "error" if failed else "ok", span.status.message),
        *(get("error_type", ""), service, resource.get("service.version", ""), environment),
        *(get("vcs_revision", ""), scope, get("operation", ""), get("provider", "").lower()),
        *(asked, model or asked, model or asked, get("response_id", ""), prompt, version),
        *(get("template_hash", ""), get("session_id", ""), get("user_id", "")),
        *(get("agent_name", ""), get("workflow_name", ""), _read_list(get("finish_reasons", ""))),
        *counts,
        *_read_facts(named, counts),
        [(key, named[key]) for key in _PARAMETERS if key in named],
        _read_list(get("tags", "")),
        list(segments.items()),
        *(get("tool_name", ""), get("tool_call_id", "")),
        *(get("tool_arguments", ""), get("tool_result", "")),
        *(inputs, outputs, system, tools, bool(inputs or outputs or system or tools), len(guards)),
        *(events, [f"{link.trace_id.hex()}:{link.span_id.hex()}" for link in span.links]),
        *(list(attributes.items()), list(resource.items())),
        *(True, 1),
    )
    place = (project, trace_id, span_id, start, service, environment, model or asked)
    return row, [
        (*place, prompt, version, *_verdict(guard), segment, list(segments.items()))
        for guard in guards
    ]


def _read_facts(named: dict[str, str], counts: Sequence[int]) -> _Row:
    """What a call says of itself beside its names and texts."""
    get = named.get
    first_s, cost = get("ttft_s"), get("cost_reported")
    return (
        get("usage_source") or ("provider" if counts[0] + counts[1] else "none"),
        float(cost) if cost else None,
        float(first_s) * 1000 if first_s else None,
        get("streaming", "") == "true",
        *(float(get("context_use", 0.0)), int(get("retries", 0)), get("blocked") == "true"),
        *(get("guard_action", ""), get("service_tier", ""), get("system_fingerprint", "")),
    )


def _sort_attributes(
    attributes: dict[str, str],
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """What has a name of ours, what is a declared segment, and the rest."""
    named: dict[str, str] = {}
    segments: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key, value in attributes.items():
        if not value:
            continue
        name = NAMES.get(key)
        if name is not None:
            named.setdefault(name, value)
        elif key.startswith(SEGMENT_PREFIX):
            segments[key[len(SEGMENT_PREFIX) :]] = value
        else:
            rest[key] = value
    return named, segments, rest


def _prompt(named: dict[str, str]) -> tuple[str, str]:
    return named.get("prompt_name", ""), named.get("prompt_version", "")


def _count_tokens(named: dict[str, str]) -> tuple[int, ...]:
    """Input (inclusive), output, cache read, write, one-hour write, reasoning, audio in and out."""
    asked, out, read, write, *rest = (_count(named.get(name)) for name in _COUNTS)
    return asked + read + write if read + write > asked else asked, out, read, write, *rest


def _count(text: str | None) -> int:
    return min(max(int(float(text)), 0), 10**9) if text else 0


def _read_attributes(pairs: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value or _to_text(pair.value) for pair in pairs}


def _to_text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind in ("int_value", "double_value"):
        return repr(getattr(value, kind))
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "array_value":
        return orjson.dumps([_to_text(item) for item in value.array_value.values]).decode()
    return ""


def _read_list(text: str) -> list[str]:
    if not text:
        return []
    return orjson.loads(text) if text.startswith("[") else [text]


def _read_events(events: Any) -> tuple[list[dict[str, str]], str]:
    """The verdicts, and all other events as JSON."""
    if not events:
        return [], ""
    guards, rest = [], []
    for event in events:
        attributes = _read_attributes(event.attributes)
        if event.name == "watchpost.guard.verdict":
            guards.append(attributes)
        else:
            time_ns = event.time_unix_nano
            rest.append({"name": event.name, "time_ns": time_ns, "attributes": attributes})
    return guards, orjson.dumps(rest).decode()


def _verdict(guard: dict[str, str]) -> _Row:
    def get(name: str, default: str = "") -> str:
        return guard.get(f"watchpost.guard.{name}", default)

    return (
        *(get("name"), get("label"), get("direction"), get("action")),
        *(get("tripped") == "true", get("failed") == "true"),
        *(float(get("probability", "0")), float(get("threshold", "0"))),
        *(float(get("duration_ms", "0")), get("revision")),
    )


def _hash_in_sql(store: Store) -> None:
    """A key of `calls` that only the engine can compute gets the default it computes it by."""
    store.command(
        f"alter table {client.DATABASE}.to_price modify column response_key UInt32 "
        "default if(response_id = '', 0, xxHash32(project, response_id))"
    )


def _insert_first(store: Store, body: bytes | Path, segment: str) -> None:
    if read_signal(segment) is not TRACES:
        INSERT_AS_IT_IS(store, body, segment)
        return
    _hash_in_sql(store)
    Store.insert_segment = insert_decoded  # type: ignore[method-assign]
    store.insert_segment(body, segment)


if __name__ == "__main__":
    Store.insert_segment = _insert_first  # type: ignore[method-assign]
    sys.exit(main())
