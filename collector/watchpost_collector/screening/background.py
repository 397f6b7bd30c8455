"""Guards over the calls that arrived: a thread that takes some, has them judged, writes it down.

It gives way to everything: it waits while spans wait to be stored, works at most half of the time,
and the guards run in another process. It knows neither SQL nor guards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from watchpost.screening.decision import Ruling
from watchpost_collector.private_files import write_private
from watchpost_collector.screening.judging import StoredCall, fail_all, open_call
from watchpost_collector.screening.observing import Observing, load_observing
from watchpost_collector.screening.process import Worker, WorkerLost
from watchpost_collector.store.client import Store
from watchpost_collector.store.stored_texts import Place
from watchpost_collector.store.unscreened import MOST_CHARACTERS, Unread, Unscreened
from watchpost_collector.trouble import describe

if TYPE_CHECKING:
    from watchpost_collector.context import Context

log = logging.getLogger(__name__)

# Of the data directory: the moment up to which everything that arrived was looked at.
_MARK = "screened"
# More than these wait for the store: it is for them.
_MOST_SEGMENTS = 2
_CALLS_AT_ONCE = 32
_IDLE_S = 1.0
_RETRY_S = 5.0


class Judge(Protocol):
    """Who asks the guards: the worker process."""

    def ask(self, calls: Sequence[StoredCall]) -> list[tuple[Ruling, ...]]:
        """The rulings on each call; raises WorkerLost where there are none."""
        ...

    def close(self) -> None:
        """Ask no more."""
        ...


@dataclass(frozen=True, slots=True)
class ScreeningState:
    """What was done since the start, in calls; `failed` are verdicts, `behind_s` seconds."""

    screened: int = 0
    sampled_out: int = 0
    without_text: int = 0
    failed: int = 0
    waiting: int = 0
    behind_s: float = 0.0


class Screening:
    """The background work of one collector. Lives from `start` to `close`.

    `is_busy` says whether somebody waits for the store; `mark_file` keeps how far it came.
    """

    def __init__(
        self,
        unscreened: Unscreened,
        observing: Observing,
        judge: Judge,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        mark_file: Path | None = None,
    ) -> None:
        self.unscreened = unscreened
        self._observing = observing
        self._judge = judge
        self._is_busy = is_busy
        self._mark_file = mark_file
        self._kept_mark = ""
        self._screened = self._without_text = self._failed = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchpost-screening", daemon=True)

    @property
    def state(self) -> ScreeningState:
        """How far it is."""
        return ScreeningState(
            self._screened,
            self.unscreened.sampled_out,
            self._without_text,
            self._failed,
            self.unscreened.waiting,
            round(self.unscreened.behind_s, 3),
        )

    def start(self) -> None:
        """Begin the background work."""
        self._thread.start()

    def close(self) -> None:
        """Stop, whatever is under way: what was not written is looked at after the next start."""
        self._stopping.set()
        self._judge.close()
        if self._thread.is_alive():
            self._thread.join()
            # It may have begun to ask just then.
            self._judge.close()
        self._keep_mark()

    def work(self) -> int:
        """Judge the next few calls; how many were taken. StoreUnavailable passes through."""
        taken = self.unscreened.take(_CALLS_AT_ONCE, self._observing.share)
        if not taken:
            self._keep_mark()
            return 0
        try:
            said = self._judge_all(taken)
            self.unscreened.write(said)
        except BaseException:
            self.unscreened.put_back([(call.place, call.lot) for call in taken])
            raise
        self._screened += len({place for place, _ in said})
        self._failed += sum(ruling.verdict.failed for _, ruling in said)
        self._keep_mark()
        return len(taken)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._is_busy():
                self._stopping.wait(_IDLE_S)
                continue
            began = time.monotonic()
            try:
                done = self.work()
            except Exception as error:
                if not self._stopping.is_set():
                    log.warning("screening failed, and is tried again: %s", describe(error))
                self._stopping.wait(_RETRY_S)
                continue
            # As long as it worked it rests.
            self._stopping.wait(time.monotonic() - began if done else _IDLE_S)

    def _judge_all(self, taken: Sequence[Unread]) -> list[tuple[Place, Ruling]]:
        found: list[tuple[Place, Ruling]] = []
        calls: list[tuple[Place, StoredCall]] = []
        for each in taken:
            guards = [name for name in self._observing.shares if self._is_due(each, name)]
            if each.messages is None or not guards:
                self._without_text += each.messages is None
            elif each.messages["is_long"]:
                reason = f"longer than {MOST_CHARACTERS:,} characters"
                rulings = fail_all(self._observing.policy, guards, reason, "too_long")
                found += [(each.place, ruling) for ruling in rulings]
            else:
                calls.append((each.place, open_call(each.model, each.messages, guards)))
        return found + self._ask(calls)

    def _is_due(self, call: Unread, guard: str) -> bool:
        return call.lot < self._observing.shares[guard] and guard not in call.judged

    def _ask(self, calls: Sequence[tuple[Place, StoredCall]]) -> list[tuple[Place, Ruling]]:
        """The rulings on these; where the worker is lost, one by one to find out by which."""
        if not calls:
            return []
        try:
            answers = self._judge.ask([call for _, call in calls])
        except WorkerLost:
            if self._stopping.is_set():
                raise
            if len(calls) > 1:
                return [told for each in calls for told in self._ask([each])]
            [(place, call)] = calls
            rulings = fail_all(self._observing.policy, call.guards, "no answer", "late")
            return [(place, ruling) for ruling in rulings]
        return [
            (place, ruling)
            for (place, _), rulings in zip(calls, answers, strict=True)
            for ruling in rulings
        ]

    def _keep_mark(self) -> None:
        mark = self.unscreened.mark
        if self._mark_file is not None and mark != self._kept_mark:
            # On a full disk it is kept later: what is looked at twice is written once.
            with suppress(OSError):
                write_private(self._mark_file, mark.encode())
                self._kept_mark = mark


def open_screening(context: Context, store: Store) -> Screening:
    """The screening of a collector's settings, not started yet. ConfigError for its policy."""
    path = context.settings.policy_file
    if path is None:
        raise RuntimeError("nothing is screened without a policy")
    mark_file = context.settings.data / _MARK
    spool = context.spool
    return Screening(
        Unscreened(store, _read_mark(mark_file)),
        load_observing(path),
        Worker(path),
        is_busy=lambda: spool.waiting_segments > _MOST_SEGMENTS,
        mark_file=mark_file,
    )


def _read_mark(path: Path) -> str:
    """How far the last run came; '' where nobody knows."""
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
