"""Whose a call is: how an `Origin` changes as a program says more, and what a span has of it.

Pure functions over the frozen value. It knows prompts by what they say of themselves, and no scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

from watchpost.record import Origin
from watchpost.runtime import SHIELD, active
from watchpost.template import hash_template

ORIGIN = otel.create_key("watchpost-origin")
"""Where a context says whose the calls are that start in it outside of every scope."""

PROMPT_FIELDS = ("prompt", "version", "template")

TURNS = count(1)
"""Which prompt was named or filled in before which: no clock is that fine."""

_EMPTY = Origin()
_FIELDS = (*PROMPT_FIELDS, "session", "user", "tags")


def find_origin(context: Context) -> Origin:
    """Whose a call is that starts in a context without a scope."""
    said = context.get(ORIGIN)
    return said if isinstance(said, Origin) else _EMPTY


def change_origin(origin: Origin, changes: Mapping[str, Any]) -> Origin:
    """The origin with some values replaced; keys that are no field are segments."""
    if not changes:
        return origin
    known: dict[str, Any] = {key: changes[key] for key in _FIELDS if key in changes}
    if any(name in known for name in PROMPT_FIELDS):
        known["said"] = next(TURNS)
    if "prompt" in known:
        # Another prompt: a version or template of the one around does not describe it.
        given = known.pop("prompt")
        known = {"version": "", "template_hash": "", "sizes": {}, **_unfold(given), **known}
    template = known.pop("template", None)
    if template is not None:
        known["template_hash"] = hash_template(template)
        if not known.get("version") and ("prompt" in known or not origin.version):
            known["version"] = known["template_hash"]
    if "tags" in known:
        known["tags"] = tuple(dict.fromkeys((*origin.tags, *known["tags"])))
    strings = ("prompt", "version", "session", "user")
    known.update({key: str(known[key]) for key in strings if known.get(key) is not None})
    extra = {key: str(value) for key, value in changes.items() if key not in _FIELDS}
    if extra:
        _check_segments(extra)
        known["segments"] = {**origin.segments, **extra}
    return replace(origin, **known)


def take_prompt(origin: Origin, other: Origin) -> Origin:
    """The origin with the prompt of another one, named when that one was, if it was."""
    return replace(
        origin,
        said=other.said or origin.said,
        prompt=other.prompt,
        version=other.version,
        template_hash=other.template_hash,
        sizes=other.sizes,
    )


def _unfold(prompt: Any) -> dict[str, Any]:
    """What a prompt says of itself: a `watchpost.Prompt` its version too, a name only that."""
    said = getattr(prompt, "origin", None)
    if not isinstance(said, Origin):
        return {"prompt": prompt}
    return {
        "prompt": said.prompt,
        "version": said.version,
        "template_hash": said.template_hash,
    }


def _check_segments(segments: Mapping[str, str]) -> None:
    declared = active().segments
    for key in segments:
        if declared and key not in declared:
            SHIELD.tell_once(
                f"segment:{key}",
                "segment '%s' is not declared: say configure(segments=%s) to break down by it",
                key,
                (*declared, key),
            )
