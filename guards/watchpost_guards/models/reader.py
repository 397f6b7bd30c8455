"""One text read once by the shared encoder, for every guard that asks about it.

The first guard to ask pays; the others of the same check wait for that reading or find it among
the last ones, kept under a digest of the text so that no text is. Who builds on the frozen layers
gets their states, and only who asks for the heads pays for the layers above. It does not know what
a head's numbers lead to.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost_guards.models.bundle import (
    HEADS_GRAPH,
    STATES_GRAPH,
    TOKENIZER,
    Bundle,
    Head,
    open_bundle,
)
from watchpost_guards.models.remembered import Remembered
from watchpost_guards.models.session import open_session
from watchpost_guards.models.windows import Window, see

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

REMEMBERED_READINGS = 256
# Of the states below the heads, so many bytes are remembered: about 160 windows of 128 tokens.
REMEMBERED_STATES = 32 << 20
# Windows that go through the encoder together: more gain nothing on a few cores.
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What the encoder said: for each window its characters and one logit a column."""

    places: tuple[tuple[int, int], ...]
    logits: tuple[tuple[float, ...], ...]

    def strongest(self, column: int) -> float:
        """The highest logit of a column: a text is as bad as its worst window."""
        return max(row[column] for row in self.logits)


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """One window with the frozen layers' output for it: a row of floats for each token."""

    window: Window
    states: "NDArray[numpy.float32]"


class Reader:
    """A loaded model and its last readings. Loads what it needs when it is asked; thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._loading = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._sessions: dict[str, Any] = {}
        self._wrap: Callable[[Any, str], Any] | None = None
        self._readings: Remembered[Reading] = Remembered(
            REMEMBERED_READINGS, REMEMBERED_READINGS, lambda _: 1
        )
        self._states: Remembered[tuple[SeenWindow, ...] | None] = Remembered(
            REMEMBERED_READINGS, REMEMBERED_STATES, _weigh
        )

    def head(self, name: str) -> Head | None:
        """One of the model's heads, None when it has none of that name."""
        return self.bundle.heads.get(name)

    def run_through(self, wrap: Callable[[Any, str], Any]) -> None:
        """Have `wrap(session, graph)` run what the session would: batches of several callers, say.

        Before the first reading. What it returns has the session's `run`.
        """
        self._wrap = wrap

    def warm(self) -> None:
        """Load the model, and read one text: the first reading is slower than the next."""
        self.read("warm")

    def read(self, text: str) -> Reading:
        """Read a text, or give the reading another guard asked for. Raises what loading raises."""
        return self._readings.ask(_digest(text), lambda: self._read(text))

    def read_states(self, text: str) -> Iterator[SeenWindow]:
        """Every window of a text with its tokens' places and their states, in order.

        A text whose states are more than what is remembered is read window by window, each time
        anew. Raises what loading raises.
        """
        held = self._states.ask(_digest(text), lambda: self._hold(text))
        yield from self._see(text) if held is None else held

    def _read(self, text: str) -> Reading:
        places: list[tuple[int, int]] = []
        logits: list[tuple[float, ...]] = []
        seen = self.read_states(text)
        while batch := list(islice(seen, _BATCH)):
            places += [(one.window.start, one.window.end) for one in batch]
            logits += _ask_heads(self._open(HEADS_GRAPH), batch)
        return Reading(tuple(places), tuple(logits))

    def _hold(self, text: str) -> tuple[SeenWindow, ...] | None:
        """A text's windows; None as soon as they are too many to be remembered."""
        held: list[SeenWindow] = []
        size = 0
        for seen in self._see(text):
            held.append(seen)
            size += seen.states.nbytes
            if size > REMEMBERED_STATES:
                return None
        return tuple(held)

    def _see(self, text: str) -> Iterator[SeenWindow]:
        session = self._open(STATES_GRAPH)
        windows = see(self._open_tokenizer(), text, self.bundle.width)
        while batch := list(islice(windows, _BATCH)):
            yield from _ask_states(session, batch)

    def _open(self, graph: str) -> Any:
        with self._loading:
            if graph not in self._sessions:
                session = open_session(self.bundle.read_file(graph))
                self._sessions[graph] = self._wrap(session, graph) if self._wrap else session
            return self._sessions[graph]

    def _open_tokenizer(self) -> "Tokenizer":
        # Heavy to import, and only wanted once a text is judged.
        from tokenizers import Tokenizer

        with self._loading:
            if self._tokenizer is None:
                self._tokenizer = Tokenizer.from_buffer(self.bundle.read_file(TOKENIZER))
            return self._tokenizer


@cache
def share_reader(folder: Path) -> Reader:
    """The one reader of a folder in this process. Raises ConfigError for a folder without model."""
    return Reader(open_bundle(folder))


def _ask_states(session: Any, windows: Sequence[Window]) -> Iterator[SeenWindow]:
    import numpy

    mask = _mask([len(window.ids) for window in windows])
    ids = numpy.zeros_like(mask)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
    answer: Any = session.run(["states"], {"input_ids": ids, "attention_mask": mask})[0]
    for window, states in zip(windows, answer, strict=True):
        # A copy, or one short window would keep its whole batch alive.
        yield SeenWindow(window, states[: len(window.ids)].copy())


def _ask_heads(session: Any, seen: Sequence[SeenWindow]) -> list[tuple[float, ...]]:
    """One logit a column for each window."""
    import numpy

    mask = _mask([len(one.states) for one in seen])
    states = numpy.zeros((*mask.shape, seen[0].states.shape[1]), dtype=numpy.float32)
    for row, one in enumerate(seen):
        states[row, : len(one.states)] = one.states
    answer: Any = session.run(["logits"], {"states": states, "attention_mask": mask})[0]
    return [tuple(row) for row in answer.tolist()]


def _mask(lengths: Sequence[int]) -> "NDArray[numpy.int64]":
    """A row for each length, as wide as the longest: ones, then zeros."""
    import numpy

    places = numpy.arange(max(lengths))
    return (places < numpy.array(lengths)[:, None]).astype(numpy.int64)


def _weigh(held: tuple[SeenWindow, ...] | None) -> int:
    return sum(seen.states.nbytes for seen in held or ())


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
