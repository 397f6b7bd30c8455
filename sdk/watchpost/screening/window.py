"""The hold-back window over one text of a stream: what of it may be shown, and what still waits.

A guard that tells its `reach` decides about any place by the characters that near. So a text is
checked a stretch at a time, each with what stands before it, and settled as far as nothing to come
can change a verdict. No guard runs here and nothing waits; whoever has the window asks.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from watchpost.screening.decision import Decision, merge_spans, placeholder
from watchpost.screening.disguise import plain_length
from watchpost.screening.guard import Direction, Finding
from watchpost.screening.policy import WITHHOLDING, Policy, Rule, keep_rules
from watchpost.screening.screen import READING_DEPTH

SLACK = 32
"""What an escape cut at the edge may still take away from the characters behind a place."""
QUIET = 1000
"""How far a border without digits around it is looked for: a list of numbers is read in one."""

# Neither in a token that may be decoded, nor in an escape, nor in what guards read as one run: not
# at a mark that nobody sees or that stands for a full stop, nor between letters spaced one by one.
_SEAM = re.compile(
    r"(?<=\w[\w.,!?]) |[\t!$()*,<>?\[\]^`{|}]"
    "|[\u3001\u3002\uff0c\uff01\uff1f\uff08\uff09\u3008-\u3011\u201c\u201d\u00ab\u00bb\u2013\u2014]"
)
_QUIET_SEAM = re.compile(_SEAM.pattern + r"(?=\D{8})")
_BEGINNING = 64
_BEHIND = 2
"""Reaches of settled text that are read again before what is new."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` to `end` of the text, and what is shown there instead.

    What a vault put back is `told` apart: it is shown, and recorded as the model wrote it.
    """

    start: int
    end: int
    text: str
    told: bool = False


FindEdits = Callable[[str, bool, str], tuple[list[Edit], int]]
"""A part of a text, whether it is the last, and how the text begins: edits, and up to where."""


class Window:
    """One text while it comes in pieces. Positions count characters from its beginning.

    `reach` is the longest of the guards'; None where nobody asks and nothing is held for a verdict.
    `find_edits` tells what else of a text stands for something, and from where on it cannot say.
    """

    __slots__ = (
        *(
            "_asked",
            "_base",
            "_beginning",
            "_digest",
            "_edits",
            "_ends",
            "_find_edits",
            "_is_closed",
            "_look_at",
        ),
        *("_need", "_new", "_step", "_text", "length", "settled"),
    )

    def __init__(
        self,
        reach: int | None,
        find_edits: FindEdits | None = None,
    ) -> None:
        self.length = self.settled = 0
        self._need = 0 if reach is None else reach + SLACK
        self._step = self._need // 4
        self._find_edits = find_edits
        self._is_closed = False
        self._text = self._beginning = ""
        self._new: list[str] = []
        self._base = self._asked = 0
        self._look_at = self._need + self._step
        self._edits: list[Edit] = []
        self._ends: list[int] = []
        self._digest = blake2b(digest_size=16)

    @property
    def is_settled(self) -> bool:
        """Whether all that came may be shown."""
        return self.settled >= self.length

    @property
    def is_changed(self) -> bool:
        """Whether anything was hidden so far."""
        return any(not edit.told for edit in self._edits)

    def feed(self, piece: str) -> None:
        """Take the next characters."""
        self._new.append(piece)
        self._beginning += piece[: _BEGINNING - len(self._beginning)]
        self.length += len(piece)
        self._digest.update(piece.encode("utf-8", "surrogatepass"))
        self._is_closed = False
        if not self._need:
            self._settle(self.length, ())

    def close(self) -> None:
        """Nothing more is expected: what is there is judged as it stands."""
        if not self._is_closed:
            self._is_closed = True
            if not self._need:
                self._settle(self.length, ())

    def says(self, text: str) -> bool:
        """Whether this is the text that came so far."""
        if len(text) != self.length:
            return False
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return digest == self._digest.digest()

    def ask(self) -> str:
        """The text guards are to be asked about now; empty while there is nothing to ask."""
        if not self._need or self.is_settled:
            return ""
        if self.length < self._look_at and not self._is_closed:
            return ""
        text = self._join()
        start = self.settled - self._base
        end = len(text) if self._is_closed else _find_seam(text, start, _back(text, self._need))
        if end <= start:
            self._wait(0)
            return ""
        self._asked = self._base + end
        # A plus is a space in a form: guards are to read it so wherever the equals sign stands.
        return f"{_FORM}{text}" if _is_form(text) else text

    def answer(self, findings: Iterable[Finding]) -> None:
        """Take what was found in the text of the last `ask`."""
        text = self._join()
        shift = self._base - (len(_FORM) if _is_form(text) else 0)
        placed = (
            replace(item, start=max(item.start + shift, self._base), end=item.end + shift)
            for item in findings
        )
        spans = merge_spans(placed, self.length)
        before = self.settled
        self._settle(self._asked, spans)
        self._trim()
        self._wait(self.settled - before)

    def show(self, start: int, piece: str) -> tuple[str, str]:
        """A settled piece that begins at `start`: as it is recorded, and as it is shown."""
        edits = self._edits[bisect_right(self._ends, start) :]
        edits = [edit for edit in edits if edit.start < start + len(piece)]
        recorded = _rewrite(start, piece, [edit for edit in edits if not edit.told])
        return recorded, _rewrite(start, piece, edits) if edits else recorded

    def _join(self) -> str:
        if self._new:
            self._text = "".join((self._text, *self._new))
            self._new.clear()
        return self._text

    def _settle(self, end: int, spans: Sequence[tuple[int, int, str]]) -> None:
        """Settle up to `end`, or up to what reaches across it."""
        end = _stop_before(end, spans)
        edits = [
            Edit(max(start, self.settled), stop, placeholder(label))
            for start, stop, label in spans
            if self.settled < stop
        ]
        if self._find_edits is not None:
            end = _stop_before(self._add_told(end, edits), spans)
        for edit in sorted(edits, key=lambda item: item.start):
            if edit.end <= end:
                self._edits.append(edit)
                self._ends.append(edit.end)
        self.settled = max(self.settled, end)
        if not self._need:
            self._trim()

    def _add_told(self, end: int, edits: list[Edit]) -> int:
        """Add what a vault puts back, except where a guard has hidden something."""
        if self._find_edits is None:
            return end
        start = self.settled
        part = self._join()[start - self._base :]
        found, unsure = self._find_edits(part, self._is_closed, self._beginning)
        end = min(end, start + unsure)
        for edit in found:
            told = Edit(start + edit.start, start + edit.end, edit.text, told=True)
            if told.start < end < told.end:
                end = told.start
            if not any(told.start < other.end and other.start < told.end for other in edits):
                edits.append(told)
        return end

    def _wait(self, progress: int) -> None:
        # Geometric where nothing comes of looking, so that no text is read quadratically.
        step = max(0 if progress else self._step, len(self._text) // 16)
        self._look_at = max(self.settled + self._need + self._step, self.length + step)

    def _trim(self) -> None:
        """Forget what no verdict to come can depend on."""
        end = self.settled - self._base
        if self._need:
            text = self._join()
            end = _find_seam(text, 0, _back(text, _BEHIND * self._need, end))
        if end > 0:
            self._text = self._join()[end:]
            self._base += end


def find_reach(policy: Policy, direction: Direction, within: Direction | None = None) -> int | None:
    """How far the guards see that may withhold a text; None where one of them does not tell."""
    rules = policy.rules_for(direction, within)
    reaches = [_reach_of(rule) for rule in rules if rule.action in WITHHOLDING]
    told = [reach for reach in reaches if reach is not None]
    return max(told, default=0) if len(told) == len(reaches) else None


def narrow(policy: Policy, *, withholding: bool) -> Policy:
    """A policy with only the rules that withhold texts, or only the others."""
    kept = (rule for rule in policy.rules if (rule.action in WITHHOLDING) is withholding)
    return keep_rules(policy, frozenset(rule.guard.name for rule in kept))


def find_redacted(decision: Decision, length: int) -> list[Finding]:
    """What a decision on one text hides; all of it where a guard does not say where."""
    found: list[Finding] = []
    for ruling in decision.rulings:
        if ruling.action == "redact":
            verdict = ruling.verdict
            found += verdict.findings or (Finding(0, length, verdict.label, 1.0),)
    return found


_FORM = "= "


def _is_form(text: str) -> bool:
    return "+" in text and "=" not in text


def _reach_of(rule: Rule) -> int | None:
    reach = getattr(rule.guard, "reach", None)
    if getattr(rule.guard, "whole", False) or isinstance(reach, bool):
        return None
    return reach if isinstance(reach, int) and reach > 0 else None


def _back(text: str, need: int, end: int | None = None) -> int:
    """The last place before `end` behind which `need` characters stand however they are read."""
    end = len(text) if end is None else end
    place = end - need
    while place > 0:
        missing = need - plain_length(text[place:end], READING_DEPTH)
        if missing <= 0:
            return place
        # Geometric where much is hidden, so that no text is read quadratically.
        place -= max(missing * 3, (end - place) // 8)
    return max(place, 0)


def _find_seam(text: str, start: int, end: int) -> int:
    """The last place from `start` to `end` at which a text can be cut; `start` if there is none."""
    near = max(start, end - QUIET)
    for pattern, first in ((_QUIET_SEAM, near), (_SEAM, start)):
        last = start
        for match in pattern.finditer(text, first, min(len(text), end + 9)):
            if match.start() > end:
                break
            last = match.start()
        if last > start:
            return last
    return start


def _stop_before(end: int, spans: Sequence[tuple[int, int, str]]) -> int:
    """`end`, or where the stretch begins in which it lies: what is found is shown whole or not."""
    return next((start for start, stop, _ in spans if start < end < stop), end)


def _rewrite(start: int, piece: str, edits: Sequence[Edit]) -> str:
    """A piece with its edits: what stands instead stands where the edit begins."""
    shown: list[str] = []
    position = start
    for edit in edits:
        shown.append(piece[position - start : max(edit.start, start) - start])
        if edit.start >= start:
            shown.append(edit.text)
        position = min(edit.end, start + len(piece))
    shown.append(piece[position - start :])
    return "".join(shown)
