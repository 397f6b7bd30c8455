"""Somebody's own traffic as questions: texts taken as benign, each distinct one once.

Lines of plain texts, of any shape labelled data has, or rows of the collector's stored content, as
JSON lines (`watchpost query --format json`) or Parquet (`watchpost export`). A conversation is
stored again with every call of it: a text counts once, or a sample would look larger than it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Direction, Question
from watchpost_guards.harness.sample import read_records, refuse

SHAPES = (
    '{"text"} or {"prompt", "reply"} or {"context", "question", "answer"}, each with a "label" or '
    "without, or a row of the table content with its messages"
)
_COLUMNS: Mapping[Direction, tuple[str, ...]] = {
    "input": ("input_messages",),
    "output": ("output_messages",),
    "document": ("documents",),
}
_PARQUET = b"PAR1"


@dataclass(slots=True)
class Traffic:
    """What was read: benign texts, those labelled otherwise, and how many repeated one before.

    `places` say in which file and line (or row) each benign text stood.
    """

    benign: list[Question] = field(default_factory=list)
    positive: list[Question] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    repeated: int = 0


def read_traffic(paths: Sequence[Path], direction: Direction = "input") -> Traffic:
    """The distinct texts of all files that go in a direction.

    Raises ConfigError for a file or line that cannot be read and where no benign text is found,
    MissingExtra for Parquet without pyarrow.
    """
    traffic = Traffic()
    seen: set[Question] = set()
    for path in paths:
        for line, record in _read_rows(path):
            try:
                label = _read_label(record)
                for question in _read_questions(record, direction):
                    if question in seen:
                        traffic.repeated += 1
                        continue
                    seen.add(question)
                    if label:
                        traffic.positive.append(question)
                    else:
                        traffic.benign.append(question)
                        traffic.places.append(f"{path.name}:{line}")
            except ValueError as error:
                raise refuse(path, line, str(error), SHAPES) from error
    if not traffic.benign:
        cure = f"it holds no benign text going {direction!r}; a line is {SHAPES}"
        raise ConfigError("DATA", ", ".join(map(str, paths)), cure)
    return traffic


def _read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == _PARQUET
    except OSError as error:
        cure = f"name a file that can be read ({error.strerror})"
        raise ConfigError("DATA", str(path), cure) from error
    if not is_parquet:
        yield from read_records(path)
        return
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtra("parquet", f"reading {path.name}") from error
    try:
        row = 0
        for batch in ParquetFile(path).iter_batches(batch_size=1024):
            for record in batch.to_pylist():
                row += 1
                yield row, record
    except (OSError, ArrowException) as error:
        raise ConfigError("DATA", str(path), "it is no whole Parquet file") from error


def _read_label(record: Mapping[str, Any]) -> bool:
    """Whether a record says it is not benign. Unlabelled ones are taken as benign."""
    label = record.get("label")
    if label is None:
        return bool(record.get("spans"))
    if isinstance(label, str) or label not in (0, 1):
        raise ValueError(f"'label' is {str(label)[:20]!r}, neither 0 nor 1")
    return bool(label) != ("answer" in record)


def _read_questions(record: Mapping[str, Any], direction: Direction) -> Iterator[Question]:
    stored = [name for columns in _COLUMNS.values() for name in columns if name in record]
    if stored:
        for column in _COLUMNS.get(direction, ()):
            yield from (Question(text, direction) for text in _read_texts(record.get(column)))
    elif isinstance(record.get("answer"), str):
        context = record.get("context") or ""
        yield Question(record["answer"], "output", context=(context,) if context else ())
    elif isinstance(record.get("reply"), str):
        yield Question(record["reply"], "output")
    elif isinstance(record.get("text"), str):
        yield Question(record["text"], direction)
    else:
        raise ValueError("it holds no text")


def _read_texts(column: Any) -> Iterator[str]:
    """The texts of stored messages or documents, a JSON list; nothing where there are none."""
    if not column:
        return
    try:
        messages = json.loads(column) if isinstance(column, str) else column
    except ValueError as error:
        raise ValueError("its messages are not JSON") from error
    for message in messages if isinstance(messages, list) else [messages]:
        yield from _walk(message)


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        for name in ("parts", "content", "text"):
            if isinstance(value.get(name), str):
                yield value[name]
            else:
                yield from _walk(value.get(name))
