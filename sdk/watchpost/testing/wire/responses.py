"""OpenAI responses as JSON: what one answer looks like whole and as a stream.

Knows the shapes only; errors have the shape of chat completions and are spelled there.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from watchpost.testing.exchange import Answer, Failure, ProviderRequest, Usage, new_id


def refusal_of(request: ProviderRequest) -> Failure | None:
    """The error of a request the real service would not accept, if any."""
    for required in ("model", "input"):
        if not request.body.get(required):
            return Failure(
                400,
                f"Missing required parameter: '{required}'.",
                code="missing_required_parameter",
            )
    return None


def whole(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    """The body of a plain answer."""
    body = _head(request, answer)
    finish = answer.finish_of()
    body["status"] = "incomplete" if finish == "length" else "completed"
    body["incomplete_details"] = {"reason": "max_output_tokens"} if finish == "length" else None
    body["output"] = list(_items(answer))
    body["usage"] = _usage(answer.usage_for(request)) if answer.usage_reported else None
    return body


def events(request: ProviderRequest, answer: Answer) -> Iterator[str]:
    """The server-sent events of a streamed answer."""
    final = whole(request, answer)
    opening = {
        **final,
        "status": "in_progress",
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    number = itertools.count()
    breaks_at = answer.failure.after_pieces if answer.failure else None

    def event(kind: str, **fields: Any) -> str:
        body = {"type": kind, "sequence_number": next(number), **fields}
        return f"event: {kind}\ndata: {json.dumps(body)}\n\n"

    yield event("response.created", response=opening)
    yield event("response.in_progress", response=opening)
    for index, item in enumerate(final["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        yield event("response.output_item.added", output_index=index, item=_started(item))
        steps = _text_steps(item, answer) if "content" in item else _call_steps(item)
        for count, (kind, fields) in enumerate(steps):
            yield event(kind, **at, **fields)
            if breaks_at is not None and count >= breaks_at:
                return
        yield event("response.output_item.done", output_index=index, item=item)
    ended = "response.incomplete" if final["status"] == "incomplete" else "response.completed"
    yield event(ended, response=final)


Step = tuple[str, dict[str, Any]]


def _started(item: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
    return {**item, **empty, "status": "in_progress"}


def _text_steps(item: dict[str, Any], answer: Answer) -> Iterator[Step]:
    part = item["content"][0]
    where = {"content_index": 0}
    yield "response.content_part.added", {**where, "part": {**part, "text": ""}}
    for piece in answer.pieces_of(0):
        yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**where, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**where, "part": part}


def _call_steps(item: dict[str, Any]) -> Iterator[Step]:
    arguments = item["arguments"]
    yield "response.function_call_arguments.delta", {"delta": arguments}
    yield (
        "response.function_call_arguments.done",
        {"arguments": arguments, "name": item["name"]},
    )


def error_event(failure: Failure) -> str:
    """The event that ends a stream which breaks."""
    body = {
        "type": "error",
        "code": failure.code or "server_error",
        "message": failure.message or "The server had an error while processing the request.",
        "param": None,
        "sequence_number": 10_000,
    }
    return f"event: error\ndata: {json.dumps(body)}\n\n"


def _head(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    body = request.body
    return {
        "id": answer.response_id or new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": answer.model or request.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": answer.service_tier,
        "store": True,
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
    }


def _items(answer: Answer) -> Iterator[dict[str, Any]]:
    """Output items: the message, when there is text, then the function calls."""
    status = "incomplete" if answer.finish_of() == "length" else "completed"
    if answer.text_of(0) or not answer.tool_calls:
        text = {"type": "output_text", "text": answer.text_of(0), "annotations": [], "logprobs": []}
        yield {
            "type": "message",
            "id": new_id("msg_"),
            "status": status,
            "role": "assistant",
            "content": [text],
        }
    for call in answer.tool_calls:
        yield {
            "type": "function_call",
            "id": new_id("fc_"),
            "call_id": new_id("call_"),
            "name": call.name,
            "arguments": json.dumps(dict(call.arguments)),
            "status": status,
        }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
