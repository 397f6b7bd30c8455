"""What of a stream waits for a verdict: chunks in the order they came, and the texts they bring.

A chunk leaves when every character it brings is settled, and says by then what may be shown. The
backlog runs no guard and reads no stream: shells feed it, ask what it wants asked, and take what
it gives. It knows a provider's flow and windows, no client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from watchpost.inquiry import Text
from watchpost.providers.provider import Flow, Piece, get, put
from watchpost.providers.stages import StagedVisit
from watchpost.screening.guard import Direction, Finding
from watchpost.screening.window import FindEdits, Window


@dataclass(frozen=True, slots=True)
class Shown:
    """A chunk that may leave: as it is recorded, and as it is shown; mostly one object."""

    recorded: Any
    chunk: Any


@dataclass(slots=True)
class _Held:
    chunk: Any
    at_ns: int
    pieces: list[tuple[Window, int, Piece]] = field(default_factory=list)
    repeats: list[tuple[Window, str]] = field(default_factory=list)
    waits: bool = False
    characters: int = 0


class Backlog:
    """The chunks of one stream that were not shown yet.

    `reaches` are those of the guards that may withhold a text, by its stage, 0 without any. With
    `keeps_texts` the texts stay at hand as the model wrote them, for guards that look at the end.
    `most_held` is the most characters that ever waited, `longest_ns` the longest a chunk did.
    """

    def __init__(
        self,
        flow: Flow,
        reaches: Mapping[Direction, int | None],
        clock: Callable[[], int],
        *,
        find_edits: FindEdits | None = None,
        keeps_texts: bool = False,
    ) -> None:
        self.most_held = self.longest_ns = 0
        self._flow = flow
        self._reaches = reaches
        self._clock = clock
        self._find_edits = find_edits
        self._held: deque[_Held] = deque()
        self._windows: dict[Hashable, Window] = {}
        self._whole: list[Window] = []
        self._stages: dict[Window, Direction] = {}
        self._texts: dict[Hashable, list[str]] | None = {} if keeps_texts else None
        self._lanes: dict[Hashable, Hashable] = {}
        self._asked: Window | None = None
        self._characters = 0
        self._is_over = self._pauses = False

    @property
    def chunks(self) -> list[Any]:
        """What has not left, as it came."""
        return [held.chunk for held in self._held]

    @property
    def texts(self) -> list[Text]:
        """Every growing text as far as it came, where they are kept."""
        kept = self._texts or {}
        return [("".join(kept[key]), self._stages[self._windows[key]]) for key in kept]

    def add(self, chunk: Any) -> None:
        """Take the next chunk of the stream."""
        held = _Held(chunk, self._clock(), waits=self._flow.waits(chunk))
        for piece in self._flow.pieces(chunk):
            text = get(piece.target, piece.field)
            if isinstance(text, str) and text:
                window = self._window_of(piece)
                held.pieces.append((window, window.length, piece))
                held.characters += len(text)
                window.feed(text)
                if self._texts is not None:
                    self._texts.setdefault(piece.key, []).append(text)

        def note(text: str, stage: Direction) -> str:
            if text:
                held.repeats.append((self._find_whole(text, stage), text))
            return text

        self._flow.repeat(chunk, StagedVisit(note, "output"))
        if held.pieces or held.repeats:
            self._pauses = not held.pieces
        self._held.append(held)
        self._characters += held.characters
        self.most_held = max(self.most_held, self._characters)

    def close(self) -> None:
        """The stream is over: what is there is judged as it stands."""
        self._is_over = True
        for window in self._windows.values():
            window.close()

    def ask(self) -> Text | None:
        """The next text guards are to be asked about; None while there is none.

        Once a text was said again its stream is about to end, and its end tells what it cost.
        """
        if self._pauses and not self._is_over:
            return None
        for window in (*self._windows.values(), *self._whole):
            if text := window.ask():
                self._asked = window
                return text, self._stages[window]
        return None

    def answer(self, findings: list[Finding]) -> None:
        """Take what guards found in the text of the last `ask`."""
        if self._asked is not None:
            self._asked.answer(findings)
            self._asked = None

    def pop(self) -> Shown | None:
        """The next chunk, once all of it may be shown."""
        if not self._held or not self._is_ready(self._held[0]):
            return None
        held = self._held.popleft()
        self._characters -= held.characters
        self.longest_ns = max(self.longest_ns, self._clock() - held.at_ns)
        return self._show(held)

    def _is_ready(self, held: _Held) -> bool:
        if held.waits and not self._is_over:
            return False
        for window, start, piece in held.pieces:
            if window.settled < start + len(get(piece.target, piece.field)):
                return False
        return all(window.is_settled for window, _ in held.repeats)

    def _show(self, held: _Held) -> Shown:
        texts = [
            (piece.target, piece.field, window.show(start, get(piece.target, piece.field)))
            for window, start, piece in held.pieces
        ]
        whole = [window.show(0, text) for window, text in held.repeats]
        for target, name, (recorded, _) in texts:
            if get(target, name) != recorded:
                put(target, name, recorded)
                self._flow.empty(held.chunk)
        if held.waits and any(window.is_changed for window in self._windows.values()):
            self._flow.empty(held.chunk)
        self._flow.repeat(held.chunk, _hand_out(recorded for recorded, _ in whole))
        if all(recorded == shown for recorded, shown in (*(told for _, _, told in texts), *whole)):
            return Shown(held.chunk, held.chunk)
        # What is recorded must not learn what only the caller is told.
        kept = deepcopy(held.chunk)
        for target, name, (_, shown) in texts:
            put(target, name, shown)
        self._flow.repeat(held.chunk, _hand_out(shown for _, shown in whole))
        return Shown(kept, held.chunk)

    def _window_of(self, piece: Piece) -> Window:
        last = self._lanes.get(piece.lane, piece.key)
        if last != piece.key:
            self._windows[last].close()
        self._lanes[piece.lane] = piece.key
        window = self._windows.get(piece.key)
        if window is None:
            window = self._windows[piece.key] = self._make_window(piece.stage)
        return window

    def _find_whole(self, text: str, stage: Direction) -> Window:
        """The window of a text that is said again, by now whole; one of its own for a new text."""
        for window in (*self._windows.values(), *self._whole):
            if window.says(text):
                window.close()
                return window
        window = self._make_window(stage)
        window.feed(text)
        window.close()
        self._whole.append(window)
        return window

    def _make_window(self, stage: Direction) -> Window:
        window = Window(self._reaches[stage] or None, self._find_edits)
        self._stages[window] = stage
        return window


def _hand_out(texts: Iterator[str]) -> Callable[[str], str]:
    return lambda text: next(texts) if text else text
