"""The texts of stored messages, whatever dialect wrote them, and the calls they belong to.

A call's messages may lie under another span of its stack, or have come as events of the logs. This
file knows where dialects put what a model reads and writes; it neither counts nor judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watchpost.providers.stages import find_stage, find_stage_below
from watchpost_collector.store.client import Store
from watchpost_collector.store.messages import nest

if TYPE_CHECKING:
    from watchpost.screening.guard import Direction

Place = tuple[str, int, str, str]
"""A call: its project, the hour it started in (Unix seconds), its trace and its span."""

_MOST_DEPTH = 20

# All else (ids, types, URLs, bytes) a model neither reads nor writes.
SAID = frozenset(
    {
        *("content", "contents", "text", "parts", "message", "messages", "value", "prompt"),
        *("thinking", "reasoning", "refusal", "arguments", "args", "input", "output"),
        *("response", "result", "tool_calls", "function", "function_call", "tool_call"),
        *("message_content", "choices", "candidates"),
    }
)
# What a model gives a tool, as it stands in an answer.
_GIVEN = frozenset({"arguments", "args", "input"})
# Below these are somebody's data, whose own keys nobody knows.
_FREE = frozenset({"arguments", "args", "response"})


def list_texts(
    stored: str, stage: Direction = "input", *, keys: frozenset[str] = SAID
) -> Iterator[tuple[str, Direction]]:
    """The texts in a column of messages and what each is to guards; a bare text is one.

    `stage` is "input" for what was asked and "output" for what was answered.
    """
    if not stored:
        return
    value = nest(stored)
    if isinstance(value, str):
        yield value, stage
    else:
        yield from _walk(value, stage, keys, 0)


def _walk(
    value: Any, stage: Direction, keys: frozenset[str] | None, depth: int
) -> Iterator[tuple[str, Direction]]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, str):
        if value:
            yield value, stage
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, stage, keys, depth + 1)
    elif isinstance(value, Mapping):
        # What a tool returned stays that, also where it is a document.
        is_open = stage in ("input", "output")
        stage = (find_stage(value) if is_open else None) or stage
        for key, item in value.items():
            if keys is None or key in keys:
                below = None if key in _FREE else keys
                yield from _walk(item, _step(stage, key), below, depth + 1)


def _step(stage: Direction, key: str) -> Direction:
    if stage == "output" and key in _GIVEN:
        return "tool_argument"
    return (find_stage_below(key) if stage == "input" else None) or stage


def read_calls(store: Store, places: Sequence[Place], wanted: str) -> list[dict[str, Any]]:
    """The calls at these places of which `wanted` is true, a condition on columns of `calls`.

    Beside what they are, `held_trace` and `held_span` say under which span their messages lie.
    """
    return store.query(_CALLS.format(wanted=wanted), {"places": places}).as_dicts()


def read_messages(
    store: Store, calls: Sequence[Mapping[str, Any]], most_characters: int
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The rows of `messages` of these calls, by project, trace and span.

    Of what is longer only `is_long` is told, and no text.
    """
    held = {(call["project"], call["held_trace"], call["held_span"]) for call in calls}
    if not held:
        return {}
    bound = {"keys": sorted(held), "most": most_characters}
    return {
        (row["project"], row["trace_id"], row["span_id"]): row
        for row in store.query(_MESSAGES, bound).as_dicts()
    }


PLACE = "Tuple(String, DateTime, String, String)"
HERE = "(project, toStartOfHour(start), trace_id, span_id)"
_CALLS = f"""
select
    toString(project) as project, toUnixTimestamp(toStartOfHour(start)) as hour, trace_id, span_id,
    toString(model) as model, toString(kind) as kind,
    if(not has_content and other_trace_id != '', other_trace_id, trace_id) as held_trace,
    if(not has_content and other_span_id != '', other_span_id, span_id) as held_span
from watchpost.calls final
where {{wanted}} and {HERE} in {{{{places:Array({PLACE})}}}}
"""  # noqa: S608
_COLUMNS = ("input_messages", "system_instructions", "tool_definitions", "output_messages")
_MESSAGES = f"""
select toString(project) as project, trace_id, span_id,
    length(m.input_messages) + length(m.output_messages) > {{most:UInt64}} as is_long,
    {", ".join(f"if(is_long, '', m.{name}) as {name}" for name in _COLUMNS)}
from watchpost.messages as m
where (project, trace_id, span_id) in {{keys:Array(Tuple(String, String, String))}}
"""  # noqa: S608
