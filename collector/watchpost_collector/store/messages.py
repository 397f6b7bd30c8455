"""Messages as they are read: nests the dotted paths that the views leave in `content`.

Indexed attributes (`llm.input_messages.0.message.tool_calls.0...`) are stored as a list of flat
objects with dotted keys, because nesting is cheap for one trace and dear for every span. It knows
paths and JSON; it does not know dialects beyond the wrappers OpenInference puts around things.
"""

from __future__ import annotations

import json
from typing import Any

# OpenInference wraps every list item in an object of its own name.
_WRAPPERS = ("message", "tool_call", "message_content", "document", "tool")
# A list position above this is a hostile key, not a message.
_MOST_ITEMS = 1000


def nest(text: str) -> Any:
    """The JSON value of a content column, with dotted keys turned into lists and objects.

    `[{"role": "user", "contents.0.message_content.text": "hi"}]` becomes
    `[{"role": "user", "contents": [{"text": "hi"}]}]`. Text that is no JSON is returned as it is.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, list):
        return value
    return [_nest_object(item) if isinstance(item, dict) else item for item in value]


def _nest_object(flat: dict[str, Any]) -> Any:
    if not any("." in key for key in flat):
        return flat
    root: dict[str, Any] = {}
    for key, value in flat.items():
        _place(root, key.split("."), value)
    return _collapse(root)


def _place(node: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        below = node.setdefault(name, {})
        if not isinstance(below, dict):
            # A key that is both a leaf and a branch: the leaf came first and keeps its place.
            return
        node = below
    node.setdefault(path[-1], value)


def _collapse(node: Any) -> Any:
    """Objects whose keys are positions become lists; wrapper objects give way to what they hold."""
    if not isinstance(node, dict):
        return node
    if len(node) == 1 and (only := next(iter(node))) in _WRAPPERS and isinstance(node[only], dict):
        return _collapse(node[only])
    if node and all(name.isdecimal() and int(name) < _MOST_ITEMS for name in node):
        return [_collapse(node[name]) for name in sorted(node, key=int)]
    return {name: _collapse(below) for name, below in node.items()}
