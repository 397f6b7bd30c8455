"""Stored messages as turns a page can show: a role and its parts, whatever dialect wrote them.
Knows no page; every text stays text, and what it cannot read is shown as the JSON it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "reasoning", "tool_call", "tool_result", "media", "json"]

TEXT_LIMIT = 20_000
TURN_LIMIT = 400
INDEX_LIMIT = 1_000
DEPTH_LIMIT = 20
CONTENT_KEYS = ("parts", "content", "contents", "text")
EXTRA_CALLS = ("tool_calls", "function_call")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a turn: what it is, a short title (a tool's name), and its text."""

    kind: Kind
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message."""

    role: str
    parts: tuple[Part, ...]


def read_turns(stored: str, default_role: str) -> list[Turn]:
    """The turns of a stored messages column; text that is not JSON is one turn of it."""
    if not stored.strip():
        return []
    try:
        value: object = json.loads(stored)
    except (ValueError, RecursionError):
        return [Turn(default_role, (_text(stored),))]
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    messages = value if isinstance(value, list) else [value]
    turns = [_read_turn(message, default_role) for message in messages[:TURN_LIMIT]]
    if len(messages) > TURN_LIMIT:
        left = f"{len(messages) - TURN_LIMIT} more messages are stored and not shown"
        turns.append(Turn("watchpost", (Part("text", "", left),)))
    return turns


def nest_dotted(flat: Mapping[str, object]) -> object:
    """Undo dotted, indexed keys: `{"tool_calls.0.name": "x"}` -> `{"tool_calls": [{"name": "x"}]}`.

    A key that is both a value and a prefix keeps its value under the empty name.
    """
    root: dict[str, object] = {}
    for key, value in flat.items():
        place = root
        *above, last = key.split(".", DEPTH_LIMIT)
        for step in above:
            below = place.get(step)
            if not isinstance(below, dict):
                below = {} if below is None else {"": below}
                place[step] = below
            place = below
        if isinstance(place.get(last), dict) and not isinstance(value, dict):
            place[last][""] = value  # type: ignore[index]
        else:
            place[last] = value
    return _list_numbered(root)


def _list_numbered(value: object) -> object:
    if not isinstance(value, dict):
        return value
    named = {key: _list_numbered(below) for key, below in value.items()}
    if named and all(k.isascii() and k.isdigit() and int(k) < INDEX_LIMIT for k in named):
        return [named[key] for key in sorted(named, key=int)]
    return named


def _read_turn(message: object, default_role: str) -> Turn:
    if not isinstance(message, Mapping):
        return Turn(default_role, _read_parts(message))
    nested = nest_dotted(message) if any("." in str(key) for key in message) else message
    if isinstance(nested, Mapping) and isinstance(nested.get("message"), Mapping):
        nested = nested["message"]
    if not isinstance(nested, Mapping):
        return Turn(default_role, (_json(nested),))
    role = str(nested.get("role") or default_role)
    if not any(key in nested for key in (*CONTENT_KEYS, *EXTRA_CALLS)):
        known = "type" in nested
        return Turn(role, (_read_part(nested) if known else _json(nested),))
    parts: list[Part] = []
    for key in CONTENT_KEYS:
        if nested.get(key) is not None:
            parts.extend(_read_parts(nested[key]))
            break
    if role == "tool" and parts and all(part.kind == "text" for part in parts):
        title = str(nested.get("name") or nested.get("tool_call_id") or "")
        parts = [Part("tool_result", title, part.text) for part in parts]
    for key in EXTRA_CALLS:
        calls = nested.get(key)
        for call in calls if isinstance(calls, list) else [calls] if calls else []:
            parts.append(_read_call(call))
    return Turn(role, tuple(parts))


def _read_parts(content: object) -> tuple[Part, ...]:
    if content is None or content == "":
        return ()
    if isinstance(content, list):
        return tuple(_read_part(part) for part in content)
    return (_read_part(content),)


def _read_part(part: object) -> Part:
    if isinstance(part, str):
        return _text(part)
    if not isinstance(part, Mapping):
        return _json(part)
    kind = str(part.get("type") or "text")
    if kind in ("tool_call", "tool_use", "function_call", "function"):
        return _read_call(part)
    if kind in ("tool_call_response", "tool_result", "function_call_output"):
        return _read_result(part)
    texts = (part.get(key) for key in ("content", "text", "thinking"))
    text = next((value for value in texts if isinstance(value, str)), None)
    if text is None and isinstance(part.get("message_content"), Mapping):
        return _read_part(part["message_content"])
    if kind in ("reasoning", "thinking") and text is not None:
        return Part("reasoning", "reasoning", _cut(text))
    if kind in ("text", "input_text", "output_text", "refusal") and text is not None:
        return _text(text)
    if kind in ("blob", "uri", "file", "image", "image_url", "input_image", "audio", "input_audio"):
        return Part("media", kind, _cut(_dump(part), 600))
    return _json(part)


def _read_call(call: object) -> Part:
    if not isinstance(call, Mapping):
        return _json(call)
    inner = call.get("tool_call") if isinstance(call.get("tool_call"), Mapping) else call
    function = inner.get("function") if isinstance(inner, Mapping) else None
    where = function if isinstance(function, Mapping) else inner
    assert isinstance(where, Mapping)
    arguments = next((where[k] for k in ("arguments", "input", "args") if k in where), "")
    return Part("tool_call", str(where.get("name") or "tool"), _pretty(arguments))


def _read_result(part: Mapping[str, object]) -> Part:
    names = ("response", "result", "output", "content")
    result = next((part[name] for name in names if part.get(name) is not None), "")
    titles = (part.get(key) for key in ("name", "id", "tool_use_id", "call_id"))
    return Part("tool_result", str(next(filter(None, titles), "")), _pretty(result))


def _pretty(value: object) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _cut(str(value))
        if isinstance(value, str):
            return _cut(value)
    return _cut(_dump(value))


def _text(text: str) -> Part:
    return Part("text", "", _cut(text))


def _json(value: object) -> Part:
    return Part("json", "", _cut(_dump(value)))


def _dump(value: object) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except RecursionError:
        return "nested too deeply to show"


def _cut(text: str, limit: int = TEXT_LIMIT) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit:,} more characters are stored and not shown"
