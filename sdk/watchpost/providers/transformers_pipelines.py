"""transformers' text-generation pipelines: what a model in this very process said.

An output repeats what was asked before what was answered, unless it was told not to; only a
conversation tells one from the other. Nobody counts tokens here: they are estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers import openai_chat
from watchpost.providers.provider import (
    PARAMETERS,
    Provider,
    get,
    message,
    read_parameters,
    text_part,
    visit_field,
)
from watchpost.providers.stages import Visit
from watchpost.record import Message, Request, Result

GENERATED = "generated_text"


def owns_result(result: Any) -> bool:
    """Whether these are a pipeline's outputs, for one prompt or for several."""
    outputs = _flatten(result)
    return bool(outputs) and all(
        type(output) is dict and isinstance(output.get(GENERATED), str | list) for output in outputs
    )


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked: a text, several, or a conversation."""
    asked = body.get("text_inputs", body.get("messages"))
    model = str(body.get("model") or "")
    settings = {key: body.get(key) for key in PARAMETERS}
    parameters = read_parameters({**settings, "n": body.get("num_return_sequences")})
    if isinstance(limit := body.get("max_new_tokens"), int):
        parameters[names.REQUEST_MAX_TOKENS] = limit
    if _is_conversation(asked):
        found = openai_chat.read_request({"messages": asked})
        return Request(model, parameters, found.messages, found.system)
    texts = [asked] if isinstance(asked, str) else asked or ()
    messages: list[Message] = []
    for text in texts:
        if isinstance(text, str):
            messages.append(message("user", [text_part(text)]))
        elif _is_conversation(text):
            messages.extend(openai_chat.read_request({"messages": text}).messages)
    return Request(model, parameters, messages)


def read_result(result: Any) -> Result:
    """What was answered: of a conversation its last message."""
    messages: list[Message] = []
    for output in _flatten(result):
        generated = output[GENERATED]
        said = (
            {"role": "assistant", "content": generated}
            if isinstance(generated, str)
            else (generated[-1] if generated else {})
        )
        messages.extend(openai_chat.read_request({"messages": [said]}).messages)
    return Result(messages=messages)


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for output in _flatten(result):
        generated = output[GENERATED]
        if isinstance(generated, str):
            visit_field(output, GENERATED, visit)
        elif generated:
            visit_field(generated[-1], "content", visit)


def _flatten(result: Any) -> Sequence[Any]:
    if isinstance(result, dict):
        return [result]
    if not isinstance(result, list):
        return []
    return [each for item in result for each in (item if isinstance(item, list) else [item])]


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and get(value[0], "role") is not None


PROVIDER = Provider(
    name="transformers",
    operation=names.COMPLETION,
    paths=(),
    roots=("text_inputs",),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
    visit_result=visit_result,
)
