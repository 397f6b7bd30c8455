"""Capture levels: what of a span may leave the process at all, before anything is masked.

"metadata" keeps who, when, how long, how many and how much, and drops what was said. It works on
encoded spans, whoever made them, and does not know guards.
"""

import re

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from watchpost import attributes

# What the dialects of this field call their content; the rest is caught by its length.
_CONTENT = re.compile(
    r"gen_ai\.(?:input|output)\.messages|gen_ai\.system_instructions|gen_ai\.tool\.definitions"
    r"|gen_ai\.tool\.call\.(?:arguments|result)|gen_ai\.tool\.description"
    r"|gen_ai\.(?:prompt|completion)(?:\.\d+\..+)?|gen_ai\.(?:event\.)?content(?:\..+)?"
    r"|gen_ai\.(?:choice|request\.messages|response\.message)(?:\..+)?"
    r"|llm\.(?:input_messages|output_messages|prompts|completions|prompt_template|tools)(?:\..+)?"
    r"|llm\.invocation_parameters|(?:input|output)\.value|traceloop\.entity\.(?:input|output)"
    r"|(?:retrieval|reranker|document|message|tool_call|embedding)\..+|tool\.(?:parameters|output)"
    r"|ai\.(?:prompt|response|toolCall|value)(?:\..+)?|langfuse\..*(?:input|output)"
    r"|mlflow\.span(?:Inputs|Outputs)|exception\.(?:message|stacktrace)|error\.message"
    r"|gen_ai\.evaluation\.explanation|gen_ai\.retrieval\.(?:documents|query\.text)"
    r"|(?:db\.(?:statement|query\.text))|(?:url\.(?:full|query)|http\.(?:url|target))"
)
_LONGEST_VALUE = 200
_KEPT_WHOLE = frozenset((attributes.TAGS,))


def keep_metadata(span: Span) -> None:
    """Strip what was said from an encoded span, in place."""
    _strip(span.attributes)
    span.status.message = ""
    for event in span.events:
        _strip(event.attributes)
    for link in span.links:
        _strip(link.attributes)


def keep_event_metadata(request: ExportLogsServiceRequest) -> None:
    """Strip what was said from encoded events, in place."""
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                record.ClearField("body")
                _strip(record.attributes)


def _strip(found: "list[KeyValue]") -> None:
    kept = [pair for pair in found if not _is_content(pair)]
    if len(kept) != len(found):
        copies = [KeyValue.FromString(pair.SerializeToString()) for pair in kept]
        del found[:]
        found.extend(copies)


def _is_content(pair: KeyValue) -> bool:
    if pair.key in _KEPT_WHOLE:
        return False
    if _CONTENT.fullmatch(pair.key):
        # A prompt's name and version are labels although their names begin like content.
        return pair.key not in (attributes.PROMPT_NAME, attributes.PROMPT_VERSION)
    return pair.value.ByteSize() > _LONGEST_VALUE and not pair.value.HasField("array_value")
