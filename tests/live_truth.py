"""What landed of a recording, held to the truth, fact by fact; and what its emitter never sent.

Reads over the query endpoint only, as anyone would. A fact has landed when its column says what
the stand-in answered. If it has not, the emitter's own words decide: where they hold the value
somewhere the normalisation is wrong, where they hold it nowhere it was not emitted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from emitter_venvs import EMITTERS
from known_calls import list_leaves
from live_emitters import Moment, Recording
from running_server import RunningServer

from watchpost_collector.store.messages import nest

# A text may land in another part than it was asked in: some dialects keep the system's words
# among the messages.
_PARTS = {
    "input": ("input_messages",),
    "output": ("output_messages",),
    "system": ("system_instructions", "input_messages"),
    "tools": ("tool_definitions",),
}
_CONTENT = ("input_messages", "output_messages", "system_instructions", "tool_definitions")
# Worked out from other facts by every reader, so never "not emitted".
_DERIVED = ("operation", "status")


@dataclass(slots=True)
class Landed:
    """What became of one call's facts: names that are right, not emitted, and what is wrong."""

    right: list[str] = field(default_factory=list)
    not_emitted: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.wrong:
            return "; ".join(self.wrong)
        return f"ok, {len(self.right)} facts" if self.right else "the emitter records no such call"


def check(server: RunningServer, recording: Recording) -> dict[str, Landed]:
    """Every call of a recording by name; call it after a flush."""
    known = json.loads((EMITTERS / f"{recording.emitter}.json").read_text())
    found = {}
    for moment in recording.moments:
        name = moment.call.name
        if name in known.get("not_recorded", []):
            found[name] = _check_silence(server, recording, moment)
            continue
        landed = _check_call(server, recording, moment, known.get("instead", {}))
        listed = {
            fact
            for fact, calls in known["not_emitted"].items()
            if calls == "every call" or name in calls
        }
        landed.wrong += [
            f"{fact} is {'listed as not emitted, but it is' if fact in listed else 'not emitted'}"
            for fact in sorted(listed.symmetric_difference(landed.not_emitted))
        ]
        found[name] = landed
    return found


def find_lost(server: RunningServer, recording: Recording) -> list[str]:
    """The attributes of spans that were sent, have no column and cannot be queried: none."""
    rows = server.query(
        f"select attributes from watchpost.spans where service = '{recording.service}'"
    )
    kept = {(key, value) for (attributes,) in rows for key, value in attributes.items()}
    named = {name for (name,) in server.query("select name from watchpost.names")}
    return sorted(
        f"{key} = {value!r}"
        for sent in recording.sent
        for key, value in sent.attributes.items()
        if sent.kind == "span"
        and isinstance(value, str)
        and value
        and key not in named
        and not key.startswith((*_LISTED, "event "))
        and (key, value) not in kept
    )


def compare_metrics(server: RunningServer, recording: Recording) -> list[str]:
    """What is wrong with the sums of an emitter's token metric; [] also where it sends none.

    Its file says which calls its metrics leave out, of which it counts the cache beside, and how
    far `over` the truth it sums up (OpenLLMetry adds both counts of an Anthropic stream).
    """
    rows = server.query(
        f"""
        select token_type, toUInt64(sum(total)) from (
            select token_type, series, argMax(sum, time) as total from watchpost.metrics
            where name = 'gen_ai.client.token.usage' and service = '{recording.service}'
            group by token_type, series)
        group by token_type
        """
    )
    known = json.loads((EMITTERS / f"{recording.emitter}.json").read_text()).get("metrics")
    if known is None:
        return [f"token metrics are not listed: {rows}"] if rows else []
    calls = [one.call for one in recording.moments if one.call.name not in known["without"]]
    beside = known.get("cache_beside", [])
    inputs = [
        _exclusive(call.columns) if call.name in beside else call.columns["input_tokens"]
        for call in calls
    ]
    said = {"input": sum(inputs), "output": sum(call.columns["output_tokens"] for call in calls)}
    said = {kind: total + known.get("over", {}).get(kind, 0) for kind, total in said.items()}
    return [] if dict(rows) == said else [f"token metrics sum up to {dict(rows)}, not {said}"]


# Lists written as keys become messages and tools; events stand beside the attributes.
_LISTED = ("llm.input_messages.", "llm.output_messages.", "llm.tools.")


def _check_silence(server: RunningServer, recording: Recording, moment: Moment) -> Landed:
    """A call that the emitter lets pass: nothing of it left, and nothing is counted."""
    landed = Landed()
    words = _words_of(recording, moment)
    if any(moment.call.question in word for _, word in words):
        landed.wrong.append("listed as not recorded, but it is")
    if rows := _read_rows(server, recording, moment):
        landed.wrong.append(f"{len(rows)} calls counted, none was sent")
    return landed


def _check_call(
    server: RunningServer, recording: Recording, moment: Moment, instead: Mapping[str, Any]
) -> Landed:
    landed = Landed()
    words = list(_words_of(recording, moment))
    rows = _read_rows(server, recording, moment)
    if len(rows) != 1:
        landed.wrong.append(f"{len(rows)} calls counted, 1 was made")
        return landed
    [row] = rows
    for name, wanted in moment.call.columns.items():
        if row[name] == wanted or (name == "finish_reasons" and _ends(row, wanted)):
            landed.right.append(name)
        elif _says(words, name, wanted, moment):
            landed.wrong.append(f"{name} is {row[name]!r}, not {wanted!r}")
        else:
            landed.not_emitted.append(name)
            # One model stands for both where only one was said.
            other = {"model": "request_model", "request_model": "model"}.get(name)
            empty = row[other] if other else type(wanted)()
            stands = instead.get(f"{moment.call.name}.{name}", empty)
            if row[name] != stands:
                landed.wrong.append(f"{name} is {row[name]!r}, which nobody sent")
    for part, texts in moment.call.texts.items():
        held = [text for column in _PARTS[part] for text in list_leaves(nest(row[column]))]
        missing = [text for text in texts if not any(text in one for one in held)]
        if not missing:
            landed.right.append(part)
        elif all(any(text in word for _, word in words) for text in missing):
            landed.wrong.append(f"{part} does not hold {missing}")
        else:
            landed.not_emitted.append(part)
    return landed


def _ends(row: Mapping[str, Any], reasons: list[str]) -> bool:
    """Whether the answer says itself why it ended: events say it there and nowhere else."""
    answers = nest(row["output_messages"])
    ended = [one.get("finish_reason") for one in answers if isinstance(one, dict)]
    return not row["finish_reasons"] and ended == reasons


def _read_rows(server: RunningServer, recording: Recording, moment: Moment) -> list[dict[str, Any]]:
    """The counted calls that began within the moment, each with its content."""
    columns = [*moment.call.columns]
    selected = ", ".join([*(f"g.{name}" for name in columns), *(f"c.{n}" for n in _CONTENT)])
    rows = server.query(
        f"""
        select {selected}
        from watchpost.generations as g
        left join watchpost.messages as c
            on c.project = g.project
            and c.trace_id = g.content_trace_id and c.span_id = g.content_span_id
        where g.service = '{recording.service}'
            and toUnixTimestamp64Nano(g.start) between {moment.began_ns} and {moment.ended_ns}
        """
    )
    return [dict(zip([*columns, *_CONTENT], row, strict=True)) for row in rows]


def _words_of(recording: Recording, moment: Moment) -> Iterator[tuple[str, str]]:
    """Every key and value, as texts, that left the emitter about this moment."""
    for sent in recording.sent:
        if moment.began_ns <= sent.time_ns <= moment.ended_ns:
            yield from _flatten("", sent.attributes)


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from _flatten(f"{path}.{key}" if path else str(key), below)
        case list():
            for below in value:
                yield from _flatten(path, below)
        case None:
            return
        case _:
            yield path, value if isinstance(value, str) else json.dumps(value)


def _says(words: list[tuple[str, str]], name: str, wanted: Any, moment: Moment) -> bool:
    """Whether the emitter's words hold a fact anywhere, under whatever key."""
    columns = moment.call.columns
    if name in _DERIVED:
        return True
    if name == "provider":
        return any(word == wanted for _, word in words)
    if name == "usage_source":
        return any(_says(words, part, columns[part], moment) for part in _TOTALS)
    if name == "finish_reasons":
        pattern = rf"(finish_reason|stop_reason).*?\b{wanted[0]}\b"
        return any(re.search(pattern, f"{key} {word}") for key, word in words)
    if name == "streaming":
        pattern = r"stream(ing)?\W{1,4}true\b"
        return any(re.search(pattern, f"{key} {word}", re.IGNORECASE) for key, word in words)
    if name == "input_tokens" and _holds(words, _exclusive(columns)):
        parts = [columns[part] for part in _CACHED if columns.get(part)]
        return all(_holds(words, part) for part in parts)
    return _holds(words, wanted)


_TOTALS = ("input_tokens", "output_tokens")
_CACHED = ("cache_read_tokens", "cache_write_tokens")


def _exclusive(columns: Mapping[str, Any]) -> int:
    """The input as a provider says it that counts cached tokens beside it."""
    return int(columns["input_tokens"]) - sum(columns.get(part, 0) for part in _CACHED)


def _holds(words: list[tuple[str, str]], wanted: Any) -> bool:
    pattern = re.compile(rf"(?<![\w.-]){re.escape(str(wanted))}(?![\w-]|\.\d)")
    return any(pattern.search(word) for _, word in words)
