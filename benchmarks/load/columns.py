"""The columns of the stored tables and the names that fill them, for the variant in Python.

The names are OpenTelemetry's and watchpost's own. This file is tables and knows no rule.
"""

from __future__ import annotations

import pyarrow as pa

SEGMENT_PREFIX = "watchpost.segment."
_TEXT, _LIST, _MAP = pa.string(), pa.list_(pa.string()), pa.map_(pa.string(), pa.string())
_COUNT, _FLAG, _FLOAT = pa.uint64(), pa.bool_(), pa.float64()
_TIME = pa.timestamp("ns", "UTC")

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("project", "spool_segment", "trace_id", "span_id", "parent_span_id"), _TEXT),
    "start": _TIME,
    "duration_ms": _FLOAT,
    **dict.fromkeys(("name", "kind", "status", "status_message", "error_type", "service"), _TEXT),
    **dict.fromkeys(("service_version", "environment", "vcs_revision", "scope_name"), _TEXT),
    **dict.fromkeys(("operation", "provider", "request_model", "response_model", "model"), _TEXT),
    **dict.fromkeys(("response_id", "prompt_name", "prompt_version", "template_hash"), _TEXT),
    **dict.fromkeys(("session_id", "user_id", "agent_name", "workflow_name"), _TEXT),
    "finish_reasons": _LIST,
    **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens"), _COUNT),
    **dict.fromkeys(("cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens"), _COUNT),
    **dict.fromkeys(("audio_input_tokens", "audio_output_tokens"), _COUNT),
    "usage_source": _TEXT,
    "cost_reported": _FLOAT,
    "ttft_ms": _FLOAT,
    "streaming": _FLAG,
    "context_use": _FLOAT,
    "retries": pa.uint32(),
    "blocked": _FLAG,
    "guard_action": _TEXT,
    "service_tier": _TEXT,
    "system_fingerprint": _TEXT,
    "parameters": _MAP,
    "tags": _LIST,
    "segments": _MAP,
    **dict.fromkeys(("tool_name", "tool_call_id", "tool_arguments", "tool_result"), _TEXT),
    **dict.fromkeys(("input_messages", "output_messages"), _TEXT),
    **dict.fromkeys(("system_instructions", "tool_definitions"), _TEXT),
    "has_content": _FLAG,
    "verdict_count": pa.uint16(),
    "events": _TEXT,
    "links": _LIST,
    "attributes": _MAP,
    "resource": _MAP,
    "counted": _FLAG,
    "version": _COUNT,
}
WORK_SCHEMA = pa.schema(list(_TYPES.items()))

_MESSAGES = ("input_messages", "output_messages", "system_instructions", "tool_definitions")
_KEY = ("project", "trace_id", "span_id", "start")
_CALL_ONLY = (
    *("template_hash", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "cost_reported"),
    *("context_use", "retries", "blocked", "guard_action", "counted", "version"),
)
SPAN_COLUMNS = [name for name in _TYPES if name not in (*_MESSAGES, *_CALL_ONLY)]
CONTENT_COLUMNS = [*_KEY, *_MESSAGES, "spool_segment"]
_SPAN_ONLY = (
    *("vcs_revision", "agent_name", "workflow_name", "service_tier"),
    *("system_fingerprint", "parameters", "tool_name", "tool_call_id", "tool_arguments"),
    *("tool_result", "verdict_count", "events", "links", "attributes"),
    *("resource", "status_message"),
)
CALL_COLUMNS = [name for name in _TYPES if name not in (*_MESSAGES, *_SPAN_ONLY)]
VERDICT_SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in ("project", "trace_id", "span_id")),
        ("start", _TIME),
        *((name, _TEXT) for name in ("service", "environment", "model")),
        *((name, _TEXT) for name in ("prompt_name", "prompt_version")),
        *((name, _TEXT) for name in ("guard", "label", "direction", "action")),
        *(("tripped", _FLAG), ("failed", _FLAG)),
        *(("probability", pa.float32()), ("threshold", pa.float32())),
        *(("duration_ms", _FLOAT), ("revision", _TEXT), ("spool_segment", _TEXT)),
        ("segments", _MAP),
    ]
)

NAMES = {
    "watchpost.kind": "kind",
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.system": "provider",
    "gen_ai.request.model": "request_model",
    "gen_ai.response.model": "response_model",
    "gen_ai.response.id": "response_id",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "gen_ai.usage.cache_write.input_tokens": "cache_write_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "gen_ai.usage.audio.input_tokens": "audio_input_tokens",
    "gen_ai.usage.audio.output_tokens": "audio_output_tokens",
    "watchpost.usage.source": "usage_source",
    "watchpost.cost.usd": "cost_reported",
    "gen_ai.input.messages": "input_messages",
    "gen_ai.output.messages": "output_messages",
    "gen_ai.system_instructions": "system_instructions",
    "gen_ai.tool.definitions": "tool_definitions",
    "gen_ai.tool.name": "tool_name",
    "gen_ai.tool.call.id": "tool_call_id",
    "gen_ai.tool.call.arguments": "tool_arguments",
    "gen_ai.tool.call.result": "tool_result",
    "gen_ai.response.finish_reasons": "finish_reasons",
    "gen_ai.response.time_to_first_chunk": "ttft_s",
    "gen_ai.request.stream": "streaming",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.reasoning.level": "reasoning",
    "openai.response.service_tier": "service_tier",
    "openai.response.system_fingerprint": "system_fingerprint",
    "session.id": "session_id",
    "gen_ai.conversation.id": "session_id",
    "user.id": "user_id",
    "enduser.id": "user_id",
    "watchpost.tags": "tags",
    "gen_ai.prompt.name": "prompt_name",
    "gen_ai.prompt.version": "prompt_version",
    "watchpost.prompt.template_hash": "template_hash",
    "gen_ai.agent.name": "agent_name",
    "gen_ai.workflow.name": "workflow_name",
    "deployment.environment.name": "environment",
    "error.type": "error_type",
    "watchpost.context.use": "context_use",
    "watchpost.retries": "retries",
    "watchpost.blocked": "blocked",
    "watchpost.guard.action": "guard_action",
    "watchpost.vcs.revision": "vcs_revision",
}
