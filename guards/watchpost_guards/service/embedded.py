"""The guards that come with the package, their shared encoder run in batches of many callers.

The guards stay as they are: what they read goes through a session that hands rows to the batcher.
It knows no guard by name.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

import numpy

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.factory import GROUP, find_guard
from watchpost.screening.guard import Guard
from watchpost_guards.models.folder import find_folder
from watchpost_guards.models.reader import share_reader
from watchpost_guards.service.batcher import Batcher

EMBEDDED = "embedded"


def open_embedded(batcher: Batcher) -> tuple[dict[str, Guard], dict[str, str]]:
    """Every guard that is installed and needs nothing else, and why the others are left out."""
    with suppress(ConfigError):  # Without an encoder the guards that need one say so below.
        share_reader(find_folder()).run_through(
            lambda session, graph: BatchedSession(batcher, session, f"{EMBEDDED}/{graph}")
        )
    guards: dict[str, Guard] = {}
    absent: dict[str, str] = {}
    for name in sorted({entry.name for entry in entry_points(group=GROUP)}):
        try:
            guards[name] = find_guard(name)
        except (ConfigError, MissingExtra) as error:
            absent[name] = str(error)
    return guards, absent


class BatchedSession:
    """In place of an ONNX session: rows of whoever calls `run` go through it with others'.

    Inputs have a row for each text and a column for each token, and one of them is the mask.
    """

    def __init__(self, batcher: Batcher, session: Any, lane: str) -> None:
        self.lane = lane
        self._batcher = batcher
        self._engine = _SessionEngine(session, lane)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """As the session's. Raises TimeoutError or Full too, as `Batcher.run` does."""
        sizes = inputs["attention_mask"].sum(axis=1).tolist()
        rows = [
            (tuple(outputs), {name: values[number, :size] for name, values in inputs.items()})
            for number, size in enumerate(sizes)
        ]
        answers = self._batcher.run(self._engine, rows, sizes)
        longest = inputs["attention_mask"].shape[1]
        return [
            numpy.stack([_fit(answer[place], longest) for answer in answers])
            for place in range(len(outputs))
        ]


class _SessionEngine:
    """An ONNX session as an engine."""

    def __init__(self, session: Any, lane: str) -> None:
        self.lane = lane
        self._session = session

    def run(self, rows: Sequence[Any], length: int) -> Sequence[Any]:
        """Each row's outputs. All rows want the same ones: they come from one kind of caller."""
        outputs = rows[0][0]
        inputs = {
            name: numpy.stack([_fit(values[name], length) for _, values in rows])
            for name in rows[0][1]
        }
        answers = self._session.run(list(outputs), inputs)
        return list(zip(*answers, strict=True))


def _fit(values: Any, length: int) -> Any:
    """One row with so many tokens: cut, or filled with zeros. One without tokens is left alone."""
    is_tokens = values.ndim > 1 or values.dtype.kind == "i"
    if not is_tokens or len(values) == length:
        return values
    fitted = numpy.zeros((length, *values.shape[1:]), dtype=values.dtype)
    kept = min(length, len(values))
    fitted[:kept] = values[:kept]
    return fitted
