"""Provider messages, requests and responses into messages in parts, whichever provider's they are.

Reads the JSON of OpenAI chat completions, OpenAI responses and Anthropic messages as logs hold it.
It does not know where in a line they stood.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from watchpost.record import Message, Part
from watchpost_collector.importing.row import BadLine, make_message, text_part, texts_of

_TEXT_PARTS = ("text", "input_text", "output_text")


def read_messages(value: Any) -> tuple[tuple[Part, ...], tuple[Message, ...]]:
    """System instructions and the other messages of a `messages` or `input` value."""
    if isinstance(value, str):
        return (), (make_message("user", [text_part(value)]),)
    if not isinstance(value, Sequence):
        raise BadLine("messages are neither a text nor a list")
    system: list[Part] = []
    messages: list[Message] = []
    for item in value:
        message = _read_message(item)
        if message["role"] in ("system", "developer"):
            system += [text_part(text) for text in texts_of(message)]
        else:
            messages.append(message)
    return tuple(system), tuple(messages)


def read_system(value: Any) -> tuple[Part, ...]:
    """System instructions given beside the messages: a text, or a list of text blocks."""
    if not value:
        return ()
    return _read_content(value)


def read_output(response: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages a response carries; raises BadLine when it is nobody's response."""
    if isinstance(choices := response.get("choices"), list):
        return tuple(_read_choice(choice) for choice in choices)
    if isinstance(output := response.get("output"), list):
        parts = [part for item in output for part in _read_item(item)]
        return (make_message("assistant", parts, str(response.get("status") or "")),)
    if isinstance(content := response.get("content"), list | str):
        reason = response.get("stop_reason")
        return (make_message("assistant", _read_content(content), str(reason or "")),)
    raise BadLine("the response has no choices, output or content")


def _read_choice(choice: Any) -> Message:
    if not isinstance(choice, Mapping):
        raise BadLine("a choice is not an object")
    reason = choice.get("finish_reason")
    finish = str(reason or "")
    if isinstance(said := choice.get("message"), Mapping):
        message = _read_message({"role": "assistant", **said})
        return make_message(message["role"], message["parts"], finish)
    return make_message("assistant", _read_content(choice.get("text") or ""), finish)


def _read_message(item: Any) -> Message:
    if isinstance(item, str):
        return make_message("user", [text_part(item)])
    if not isinstance(item, Mapping):
        raise BadLine("a message is not an object")
    if "role" not in item:
        role = "tool" if str(item.get("type", "")).endswith("_output") else "assistant"
        return make_message(role, _read_item(item))
    role = str(item["role"])
    if role == "tool":
        response = {
            "type": "tool_call_response",
            "id": item.get("tool_call_id"),
            "response": item.get("content"),
        }
        return make_message(role, [response])
    parts = _read_content(item.get("content"))
    parts += tuple(_read_call(call) for call in item.get("tool_calls") or ())
    if not parts and isinstance(refusal := item.get("refusal"), str):
        parts = (text_part(refusal),)
    return make_message(role, parts)


def _read_content(content: Any) -> tuple[Part, ...]:
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (text_part(content),)
    if not isinstance(content, Sequence):
        raise BadLine("a message's content is neither a text nor a list")
    return tuple(_read_block(block) for block in content)


def _read_block(block: Any) -> Part:
    if isinstance(block, str):
        return text_part(block)
    if not isinstance(block, Mapping):
        raise BadLine("a content block is not an object")
    kind = block.get("type")
    if kind in _TEXT_PARTS:
        return text_part(str(block.get("text", "")))
    if kind == "refusal":
        return text_part(str(block.get("refusal", "")))
    if kind == "thinking":
        return {"type": "reasoning", "content": str(block.get("thinking", ""))}
    if kind == "tool_use":
        return _call_part(block.get("id"), block.get("name"), block.get("input"))
    if kind == "tool_result":
        return _response_part(block.get("tool_use_id"), block.get("content"))
    return dict(block)


def _read_item(item: Any) -> tuple[Part, ...]:
    """An item of an OpenAI `responses` input or output that is no plain message."""
    if not isinstance(item, Mapping):
        raise BadLine("an output item is not an object")
    kind = item.get("type")
    if kind == "function_call":
        return (_call_part(item.get("call_id"), item.get("name"), item.get("arguments")),)
    if kind == "function_call_output":
        return (_response_part(item.get("call_id"), item.get("output")),)
    if kind == "message" or "content" in item:
        return _read_content(item.get("content"))
    return (dict(item),)


def _read_call(call: Any) -> Part:
    if not isinstance(call, Mapping):
        raise BadLine("a tool call is not an object")
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    return _call_part(call.get("id"), function.get("name"), function.get("arguments"))


def _call_part(identifier: Any, name: Any, arguments: Any) -> Part:
    if isinstance(arguments, str):
        # Arguments a model wrote may be broken JSON; they are kept as they are.
        with contextlib.suppress(ValueError):
            arguments = json.loads(arguments)
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}


def _response_part(identifier: Any, response: Any) -> Part:
    return {"type": "tool_call_response", "id": identifier, "response": response}
