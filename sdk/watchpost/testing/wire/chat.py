"""OpenAI chat completions as JSON: what one answer looks like whole and as a stream.

Knows the shapes only; nothing about HTTP or about who answers.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from watchpost.testing.exchange import Answer, Failure, ProviderRequest, Usage, new_id

FINGERPRINT = "fp_5a1e0d3c"
PIECE_LOGPROB = -0.105

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "refusal": "stop"}


def refusal_of(request: ProviderRequest) -> Failure | None:
    """The error of a request the real service would not accept, if any."""
    for required in ("model", "messages"):
        if not request.body.get(required):
            return Failure(
                400, f"you must provide a {required} parameter", code="missing_required_parameter"
            )
    return None


def whole(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    """The body of a plain answer."""
    tool_calls = _tool_calls(answer)
    choices = [
        {
            "index": index,
            "message": {
                "role": "assistant",
                "content": answer.text_of(index) or (None if tool_calls else ""),
                "refusal": answer.text_of(index) if answer.finish == "refusal" else None,
                "annotations": [],
                **({"tool_calls": tool_calls} if tool_calls else {}),
            },
            "logprobs": _logprobs(request, answer.pieces_of(index)),
            "finish_reason": _FINISH[answer.finish_of()],
        }
        for index in range(request.choices)
    ]
    body = _head(request, answer, "chat.completion")
    body["choices"] = choices
    if answer.usage_reported:
        body["usage"] = _usage(answer.usage_for(request))
    return body


def events(request: ProviderRequest, answer: Answer) -> Iterator[str]:
    """The server-sent events of a streamed answer."""
    with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
    head = _head(request, answer, "chat.completion.chunk")
    if with_usage:
        head["usage"] = None
    breaks_at = answer.failure.after_pieces if answer.failure else None
    sent = itertools.count(1)
    for index in range(request.choices):
        yield _data(head, _choice(index, {"role": "assistant", "content": "", "refusal": None}))
        for piece in answer.pieces_of(index):
            yield _data(
                head, _choice(index, {"content": piece}, logprobs=_logprobs(request, [piece]))
            )
            if breaks_at is not None and next(sent) >= breaks_at:
                return
        for delta in _tool_deltas(answer):
            yield _data(head, _choice(index, delta))
        yield _data(head, _choice(index, {}, finish=_FINISH[answer.finish_of()]))
    if with_usage and answer.usage_reported:
        usage = _usage(answer.usage_for(request))
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def error(failure: Failure) -> dict[str, Any]:
    """The body of a failed request."""
    kinds = {
        400: "invalid_request_error",
        401: "invalid_request_error",
        404: "invalid_request_error",
        429: "requests",
    }
    codes = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
    return {
        "error": {
            "message": failure.message or f"The request failed with status {failure.status}.",
            "type": kinds.get(failure.status, "server_error"),
            "param": None,
            "code": failure.code or codes.get(failure.status),
        }
    }


def error_event(failure: Failure) -> str:
    """The event that ends a stream which breaks."""
    return f"data: {json.dumps(error(failure))}\n\n"


def _head(request: ProviderRequest, answer: Answer, kind: str) -> dict[str, Any]:
    return {
        "id": answer.response_id or new_id("chatcmpl-"),
        "object": kind,
        "created": int(time.time()),
        "model": answer.model or request.model,
        "service_tier": answer.service_tier,
        "system_fingerprint": FINGERPRINT,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tool_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
        }
        for call in answer.tool_calls
    ]


def _tool_deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    """Each tool call opens with its name; its arguments follow in halves."""
    for index, call in enumerate(_tool_calls(answer)):
        arguments = call["function"]["arguments"]
        opening = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [opening]}
        middle = len(arguments) // 2
        for half in (arguments[:middle], arguments[middle:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": half}}]}


def _logprobs(request: ProviderRequest, pieces: Any) -> dict[str, Any] | None:
    if not request.body.get("logprobs"):
        return None
    content = [
        {
            "token": piece,
            "logprob": PIECE_LOGPROB,
            "bytes": list(piece.encode()),
            "top_logprobs": [],
        }
        for piece in pieces
    ]
    return {"content": content, "refusal": None}


def _choice(
    index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _data(head: dict[str, Any], choice: dict[str, Any]) -> str:
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
