"""OTLP JSON in a log: the spans of one line, kept as they are, with verdicts added.

Their ids, times and parents are their own. It knows which attributes hold what was asked and what
was answered, to put them before the guards; nothing about files or sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from watchpost import attributes
from watchpost.errors import BadPayload
from watchpost.screening.decision import Ruling, worst_action
from watchpost.screening.policy import Policy
from watchpost_collector.importing.row import BadLine
from watchpost_collector.importing.screened import screen_texts
from watchpost_collector.importing.spans import DIGEST, LINE, write_attributes
from watchpost_collector.otlp.json_form import translate_json

_ASKED = (
    attributes.INPUT_MESSAGES,
    attributes.SYSTEM_INSTRUCTIONS,
    "gen_ai.prompt",
    "llm.input_messages.",
    "input.value",
    "traceloop.entity.input",
    "ai.prompt",
)
_SAID = (
    attributes.OUTPUT_MESSAGES,
    "gen_ai.completion",
    "llm.output_messages.",
    "output.value",
    "traceloop.entity.output",
    "ai.response.text",
)
_NOT_CONTENT = (attributes.PROMPT_NAME, attributes.PROMPT_VERSION)


def read_spans(line: Mapping[str, Any], digest: str, number: int) -> list[ResourceSpans]:
    """The spans of one OTLP line or document, one frame each, marked with where they stood."""
    try:
        content = json.dumps(line).encode()
        request = ExportTraceServiceRequest.FromString(translate_json(content))
    except BadPayload as error:
        raise BadLine(f"not OTLP: {error.reason}") from error
    frames = list(_one_each(request))
    if not frames:
        raise BadLine("OTLP without a span")
    for framed in frames:
        span = framed.scope_spans[0].spans[0]
        if len(span.trace_id) != 16 or len(span.span_id) != 8:
            raise BadLine("OTLP with a span that has no trace id or no span id")
        span.attributes.extend(write_attributes({DIGEST: digest, LINE: number}))
    return frames


def screen_span(span: Span, policy: Policy) -> tuple[Ruling, ...]:
    """The rulings on the span's content; the worst action is noted on it."""
    rulings = (
        *screen_texts(_texts_in(span, _ASKED), "input", policy),
        *screen_texts(_texts_in(span, _SAID), "output", policy),
    )
    if rulings:
        worst = worst_action(ruling.action for ruling in rulings)
        span.attributes.extend(write_attributes({attributes.GUARD_ACTION: worst}))
    return rulings


def drop_content(span: Span) -> None:
    """Leaves of the span what is not content."""
    kept = [item for item in span.attributes if not _is_content(item, (*_ASKED, *_SAID))]
    del span.attributes[:]
    span.attributes.extend(kept)
    del span.events[:]


def _texts_in(span: Span, names: tuple[str, ...]) -> list[str]:
    return [item.value.string_value for item in span.attributes if _is_content(item, names)]


def _is_content(attribute: KeyValue, names: tuple[str, ...]) -> bool:
    return attribute.key.startswith(names) and attribute.key not in _NOT_CONTENT


def _one_each(request: ExportTraceServiceRequest) -> Iterator[ResourceSpans]:
    """Each span under a copy of its resource and scope, so that any of them can be left out."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                framed = ResourceSpans(schema_url=resource_spans.schema_url)
                framed.resource.CopyFrom(resource_spans.resource)
                scoped = framed.scope_spans.add(schema_url=scope_spans.schema_url)
                scoped.scope.CopyFrom(scope_spans.scope)
                scoped.spans.append(span)
                yield framed
