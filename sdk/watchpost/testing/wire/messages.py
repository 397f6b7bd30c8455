"""Anthropic messages as JSON: what one answer looks like whole and as a stream.

Knows the shapes only. Anthropic counts cached tokens beside `input_tokens`, not inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from watchpost.testing.exchange import Answer, Failure, ProviderRequest, Usage, new_id

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def refusal_of(request: ProviderRequest) -> Failure | None:
    """The error of a request the real service would not accept, if any."""
    for required in ("model", "max_tokens", "messages"):
        if not request.body.get(required):
            return Failure(400, f"{required}: Field required")
    return None


def whole(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    """The body of a plain answer."""
    return {
        **_head(request, answer),
        "content": list(_blocks(answer)),
        "stop_reason": _FINISH[answer.finish_of()],
        "usage": _usage(answer.usage_for(request)),
    }


def events(request: ProviderRequest, answer: Answer) -> Iterator[str]:
    """The server-sent events of a streamed answer."""
    usage = _usage(answer.usage_for(request))
    opening = {**_head(request, answer), "usage": {**usage, "output_tokens": 1}}
    breaks_at = answer.failure.after_pieces if answer.failure else None
    yield _event("message_start", message=opening)
    yield _event("ping")
    for index, block in enumerate(_blocks(answer)):
        yield _event("content_block_start", index=index, content_block=_emptied(block))
        for count, delta in enumerate(_deltas(block, answer), start=1):
            yield _event("content_block_delta", index=index, delta=delta)
            if block["type"] == "text" and breaks_at is not None and count >= breaks_at:
                return
        yield _event("content_block_stop", index=index)
    ending = {"stop_reason": _FINISH[answer.finish_of()], "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage=usage)
    yield _event("message_stop")


def error(failure: Failure) -> dict[str, Any]:
    """The body of a failed request."""
    kind = _ERRORS.get(failure.status, "api_error")
    message = failure.message or kind.removesuffix("_error").replace("_", " ").capitalize()
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": new_id("req_"),
    }


def error_event(failure: Failure) -> str:
    """The event that ends a stream which breaks."""
    return f"event: error\ndata: {json.dumps(error(failure))}\n\n"


def _head(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.response_id or new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": answer.model or request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def _blocks(answer: Answer) -> Iterator[dict[str, Any]]:
    if answer.thinking:
        yield {"type": "thinking", "thinking": answer.thinking, "signature": "c2lnbmVk"}
    if answer.text_of(0) or not answer.tool_calls:
        yield {"type": "text", "text": answer.text_of(0)}
    for call in answer.tool_calls:
        yield {
            "type": "tool_use",
            "id": new_id("toolu_"),
            "name": call.name,
            "input": dict(call.arguments),
        }


def _emptied(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}


def _deltas(block: dict[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        for piece in answer.pieces_of(0):
            yield {"type": "text_delta", "text": piece}
    else:
        arguments = json.dumps(block["input"])
        middle = len(arguments) // 2
        for half in ("", arguments[:middle], arguments[middle:]):
            yield {"type": "input_json_delta", "partial_json": half}


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
