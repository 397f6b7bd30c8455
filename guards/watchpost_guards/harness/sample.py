"""Labelled data as samples: JSON lines, plain or gzipped, in one of four shapes.

A line that cannot be used is refused by file and line with the shapes there are; its text is never
quoted. This file does not know any guard, and nothing of what is measured.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from watchpost.errors import ConfigError
from watchpost.screening.guard import Direction, Question

SHAPES = (
    '{"text", "label"} or {"text", "spans": [{"start", "end", "type"}]} or '
    '{"context", "question", "answer", "label"} or {"prompt", "reply", "label"}'
)
# What a record may say about itself beside its shape, each a way to slice the measures.
SLICED_BY = (
    *("category", "categories", "kind", "template", "functionality"),
    *("attack", "group", "language"),
)


@dataclass(frozen=True, slots=True)
class TypedSpan:
    """Characters `start` to `end` (exclusive) of a text and the type its data set gives them."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled question.

    `positive` says whether the guard ought to trip: label 1, but for answers, whose label 1 means
    supported, label 0. `spans` is None in data that labels whole texts. `source` is the text that
    an answer or a reply speaks of, '' where there is none. `slices` are names and values of what
    the record says about itself, `file` and `line` are where it stands.
    """

    question: Question
    positive: bool
    spans: tuple[TypedSpan, ...] | None
    source: str
    slices: tuple[tuple[str, str], ...]
    file: str
    line: int


def read_samples(paths: Sequence[Path], direction: Direction = "input") -> list[Sample]:
    """The samples of all files, in order. `direction` is that of plain texts.

    Raises ConfigError for a file that cannot be read or holds nothing, for the first line that
    has none of the shapes, and where spans are mixed with labels.
    """
    names = _name_files(paths)
    found: list[Sample] = []
    for path in paths:
        before = len(found)
        for line, record in read_records(path):
            found.append(_read_sample(record, direction, path, names[path], line))
            if (found[0].spans is None) != (found[-1].spans is None):
                cure = "measure data with spans and data with labels in two runs"
                raise ConfigError("DATA", f"{path}:{line}", cure)
        if len(found) == before:
            raise ConfigError("DATA", str(path), f"it is empty; write lines of {SHAPES}")
    return found


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and JSON objects of a file, gzipped or not; empty lines are passed over.

    Raises ConfigError for what cannot be read.
    """
    try:
        with _open(path) as file:
            for line, raw in enumerate(file, 1):
                if raw.strip():
                    yield line, _parse(raw, path, line)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is no whole gzip file"
        raise ConfigError("DATA", str(path), f"name a file that can be read ({reason})") from error


def refuse(path: Path, line: int, reason: str, shapes: str = SHAPES) -> ConfigError:
    """The error for one line: where it is, what is wrong, what may stand there."""
    return ConfigError("DATA", f"{path}:{line}", f"{reason}; a line is {shapes}")


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")  # type: ignore[return-value]


def _parse(raw: bytes, path: Path, line: int) -> dict[str, Any]:
    try:
        record = json.loads(raw)
    except ValueError as error:
        raise refuse(path, line, "it is not JSON") from error
    if not isinstance(record, dict):
        raise refuse(path, line, f"it is a JSON {type(record).__name__}, not an object")
    return record


def _name_files(paths: Sequence[Path]) -> dict[Path, str]:
    """Each file's short name, or its whole path where two share one."""
    names = [path.name for path in paths]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in paths}


def _read_sample(
    record: Mapping[str, Any], direction: Direction, path: Path, name: str, line: int
) -> Sample:
    try:
        question, source = _read_question(record, direction)
        spans = _read_spans(record["spans"], question.text) if "spans" in record else None
        positive = bool(spans) if spans is not None else _read_label(record) != ("answer" in record)
    except ValueError as error:
        raise refuse(path, line, str(error)) from error
    return Sample(question, positive, spans, source, tuple(_read_slices(record)), name, line)


def _read_question(record: Mapping[str, Any], direction: Direction) -> tuple[Question, str]:
    if "reply" in record:
        prompt = _read_text(record, "prompt", default="")
        return Question(_read_text(record, "reply"), "output"), prompt
    if "answer" in record:
        context = _read_text(record, "context", default="")
        documents = (context,) if context else ()
        source = context or _read_text(record, "question", default="")
        return Question(_read_text(record, "answer"), "output", context=documents), source
    if "spans" in record and "label" in record:
        raise ValueError("it has both 'spans' and 'label'")
    return Question(_read_text(record, "text"), direction), ""


def _read_text(record: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = record.get(name, default)
    if value is None and name not in record:
        raise ValueError(f"it has no {name!r} (but {', '.join(sorted(record)) or 'nothing'})")
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is a {type(value).__name__}, not a text")
    return value


def _read_label(record: Mapping[str, Any]) -> bool:
    if "label" not in record:
        raise ValueError("it has no 'label'")
    label = record["label"]
    if isinstance(label, str) or label not in (0, 1):
        raise ValueError(f"'label' is {str(label)[:20]!r}, neither 0 nor 1")
    return bool(label)


def _read_spans(value: Any, text: str) -> tuple[TypedSpan, ...]:
    if not isinstance(value, list):
        raise ValueError(f"'spans' is a {type(value).__name__}, not a list")
    spans = []
    for item in value:
        try:
            start, end, kind = item["start"], item["end"], item["type"]
        except (TypeError, KeyError) as error:
            raise ValueError("a span lacks 'start', 'end' or 'type'") from error
        if not (type(start) is type(end) is int and isinstance(kind, str)):
            raise ValueError("a span's 'start' and 'end' are not whole numbers, or 'type' no text")
        if not 0 <= start < end <= len(text):
            raise ValueError(f"a span reaches from {start} to {end} in {len(text)} characters")
        spans.append(TypedSpan(start, end, kind))
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def _read_slices(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in SLICED_BY:
        value = record.get(name)
        if isinstance(value, Mapping):
            yield from ((name, str(key)) for key, on in value.items() if on)
        elif isinstance(value, list):
            yield from ((name, str(item)) for item in value)
        elif value is not None and value != "":
            yield name, str(value)
