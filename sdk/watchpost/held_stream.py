"""One call's stream between the provider and the caller: what may be shown, and who is asked first.

It flows where guards only mark it, waits in a backlog where all of them tell their reach, and is
held back whole otherwise. Nothing waits and no guard runs here: a shell, plain or async, feeds it,
has its questions answered and hands out what it gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from watchpost.backlog import Backlog, Shown
from watchpost.errors import GuardUnavailable, WatchpostError
from watchpost.inquiry import add_certainty
from watchpost.screening.decision import Decision, enforce, merge
from watchpost.screening.policy import CARRIED, WITHHOLDING, Policy
from watchpost.screening.window import find_reach, find_redacted, narrow

if TYPE_CHECKING:
    from watchpost.call import Call
    from watchpost.screening.guard import Question

_NOTHING = Policy()


class HeldStream:
    """What has come of a stream and was not shown.

    `policy` holds the rules for the questions of the last `ask`. When `is_over`, nothing is left.
    """

    __slots__ = (
        *("is_over", "policy", "_asks_last", "_backlog", "_began_ns", "_before", "_call"),
        *("_decision", "_is_closed", "_is_whole", "_length", "_policy", "_ready"),
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self.policy = self._policy = call.policy or _NOTHING
        self.is_over = self._is_closed = False
        self._before = call.rulings
        self._decision: Decision | None = None
        self._ready: deque[Shown] = deque()
        self._began_ns = self._length = 0
        rules = self._policy.rules_within("output")
        marks = any(rule.action not in WITHHOLDING for rule in rules)
        self._backlog = _make_backlog(call, self._policy, keeps_texts=marks)
        is_held = call.holds or call.vault is not None
        self._is_whole = is_held and self._backlog is None
        self._asks_last = bool(rules) and (marks or self._backlog is None)

    def add(self, chunk: Any) -> None:
        """Take the next chunk. Raises GuardUnavailable for one that no guard can be shown."""
        call, backlog = self._call, self._backlog
        self._began_ns = self._began_ns or call.runtime.clock()
        if backlog is None:
            call.see(chunk)
            if not self._is_whole:
                self._ready.append(Shown(chunk, chunk))
            return
        call.time_output(chunk)
        try:
            backlog.add(chunk)
            self._advance(backlog)
        except Exception as error:
            trouble = GuardUnavailable("watchpost", type(error).__name__)
            self._stop(trouble)
            raise trouble from error

    def close(self) -> None:
        """Nothing more comes."""
        self._is_closed = True
        if self._backlog is not None:
            self._backlog.close()

    def take(self) -> Shown | None:
        """The next chunk that may be shown."""
        return self._ready.popleft() if self._ready else None

    def ask(self) -> Sequence[Question]:
        """What guards are to be asked now. Once it is nothing and all came, the call has ended."""
        call, backlog = self._call, self._backlog
        if backlog is not None and (text := backlog.ask()):
            self.policy = narrow(self._policy, withholding=True)
            self._length = len(text[0])
            return call.make_questions([text])
        if not self._is_closed or self.is_over:
            return ()
        if self._asks_last:
            self._asks_last = False
            if backlog is None:
                self.policy = self._policy
                questions = call.ask_stream()
            else:
                self.policy = narrow(self._policy, withholding=False)
                asked = call.make_questions(backlog.texts)
                questions = add_certainty(call.provider, asked, call.chunks, is_stream=True)
            if questions:
                self._length = sum(len(question.text) for question in questions)
                return questions
        self._finish()
        return ()

    def answer(self, decision: Decision) -> None:
        """Take the answer to the last `ask`. Raises Blocked or GuardUnavailable."""
        call, backlog = self._call, self._backlog
        if backlog is None:
            call.held_characters = self._length if self._is_whole else 0
            call.apply_stream(decision)
            return
        known = [] if self._decision is None else [self._decision]
        # Only what guards said is kept of each window; its text is shown or forgotten.
        self._decision = merge([*known, Decision(decision.action, (), decision.rulings)])
        call.rulings = (*self._before, *self._decision.rulings)
        try:
            enforce(decision)
        except WatchpostError as error:
            self._stop(error)
            raise
        if self.policy.has_redaction:
            backlog.answer(find_redacted(decision, self._length))
        self._advance(backlog)

    def _advance(self, backlog: Backlog) -> None:
        call = self._call
        while (shown := backlog.pop()) is not None:
            call.chunks.append(shown.recorded)
            self._ready.append(shown)
        call.held_characters = backlog.most_held
        call.held_ns = backlog.longest_ns

    def _stop(self, error: BaseException) -> None:
        self.is_over = True
        held = self._backlog.chunks if self._backlog is not None else ()
        self._call.stop_stream(error, held)

    def _finish(self) -> None:
        self.is_over = True
        call = self._call
        if self._backlog is not None:
            self._advance(self._backlog)
        elif self._is_whole:
            call.held_ns = call.runtime.clock() - self._began_ns if self._began_ns else 0
            self._ready.extend(_tell(call))
        call.end()


def _make_backlog(call: Call, policy: Policy, *, keeps_texts: bool) -> Backlog | None:
    """Where a stream waits that can be shown piece by piece; None for any other."""
    flow, vault = call.provider.flow, call.vault
    if flow is None or not (call.holds or vault is not None):
        return None
    reaches = {stage: find_reach(policy, stage, "output") for stage in CARRIED["output"]}
    if None in reaches.values():
        return None
    find_edits = vault.find_edits if vault is not None else None
    clock = call.runtime.clock
    return Backlog(flow, reaches, clock, find_edits=find_edits, keeps_texts=keeps_texts)


def _tell(call: Call) -> list[Shown]:
    """The chunks of a whole stream, with what a vault puts back; the call keeps them without."""
    chunks, vault = call.chunks, call.vault
    if vault is not None:
        call.chunks = deepcopy(chunks)
        call.provider.visit_stream(chunks, vault.restore)
    return [Shown(kept, chunk) for kept, chunk in zip(call.chunks, chunks, strict=True)]
