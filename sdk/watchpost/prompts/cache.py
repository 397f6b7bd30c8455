"""`get_prompt`: prompts kept in a watchpost, by name and label, held in this process.

A prompt that is held is given at once, however old it is; where it is older than its time to live,
a thread asks for it anew meanwhile. Only the first call for a prompt waits, and no longer than its
deadline: then the fallback stands in, and what arrives later is given to later calls. It does not
know how a prompt is asked for.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

from watchpost.errors import ConfigError, PromptError
from watchpost.prompts.fetch import Fetched, Wanted, fetch
from watchpost.prompts.prompt import Prompt
from watchpost.runtime import SHIELD, Collector, active
from watchpost.settings import read_settings

DEADLINE_S = 1.0
TIME_TO_LIVE_S = 60.0
RETRY_S = 5.0
"""How long a collector that gave no prompt is left alone, unless the time to live is shorter."""

MOST_HELD = 1000
_MOST_THREADS = 4

Fallback = Prompt | str | Sequence[Mapping[str, Any]]


def get_prompt(
    name: str,
    *,
    label: str = "production",
    version: str | int | None = None,
    fallback: Fallback | None = None,
    deadline_s: float = DEADLINE_S,
    ttl_s: float = TIME_TO_LIVE_S,
) -> Prompt:
    """The prompt that `label` stands at (or the one of that `version`) in the watchpost.

    Waits `deadline_s` seconds at most, and only while there is none yet; one that is older than
    `ttl_s` seconds is given all the same and fetched anew in the background. `fallback`, a `Prompt`
    or a template, stands in where there is none in time. Raises PromptError only without a
    fallback, and ConfigError for a fallback that is no template. On an event loop, await
    `aget_prompt` instead.
    """
    spare = _read_fallback(name, fallback)
    looked = _look(name, label, version, ttl_s, patient=spare is None)
    if looked.arriving is not None:
        with SHIELD:
            wait([looked.arriving], max(0.0, deadline_s))
    return _choose(name, looked, spare)


async def aget_prompt(
    name: str,
    *,
    label: str = "production",
    version: str | int | None = None,
    fallback: Fallback | None = None,
    deadline_s: float = DEADLINE_S,
    ttl_s: float = TIME_TO_LIVE_S,
) -> Prompt:
    """As `get_prompt`, and the event loop goes on while this waits."""
    spare = _read_fallback(name, fallback)
    looked = _look(name, label, version, ttl_s, patient=spare is None)
    if looked.arriving is not None:
        arriving = asyncio.wrap_future(looked.arriving)
        try:
            await asyncio.wait([arriving], timeout=max(0.0, deadline_s))
        finally:
            # What is under way goes on; nobody here waits for it any more.
            arriving.cancel()
    return _choose(name, looked, spare)


class Entry:
    """What is held of one prompt. Its cache's lock guards it."""

    __slots__ = ("arriving", "fetched", "has_failed", "is_tried", "reason", "tried_at")

    def __init__(self) -> None:
        self.fetched = Fetched()
        self.reason = ""
        self.tried_at = float("-inf")
        self.has_failed = False
        # Whether a call has waited for it in vain.
        self.is_tried = False
        self.arriving: Future[None] | None = None


class Looked:
    """What a call found: an entry, and the future to wait for, if it shall."""

    __slots__ = ("arriving", "entry")

    def __init__(self, entry: Entry, arriving: Future[None] | None = None) -> None:
        self.entry = entry
        self.arriving = arriving


class PromptCache:
    """The prompts of this process, and the few threads that fetch them while there is work."""

    def __init__(self, ask: Callable[[Wanted, Fetched], Fetched] = fetch) -> None:
        self._ask = ask
        self._entries: dict[Wanted, Entry] = {}
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def look(self, wanted: Wanted, ttl_s: float, *, patient: bool) -> Looked:
        """Find a prompt, and see to it that it is fetched when it is due.

        One that is `patient` waits even if others waited in vain.
        """
        with self._lock:
            entry = self._entries.get(wanted)
            if entry is None:
                entry = self._entries[wanted] = Entry()
                self._bound()
            if entry.arriving is None and _is_due(entry, wanted, ttl_s):
                self._start(wanted, entry)
            held = entry.fetched.prompt is not None
            waits = not held and (patient or not entry.is_tried)
            return Looked(entry, entry.arriving if waits else None)

    def _reset(self) -> None:
        """Know of no thread: none crosses a fork, and what they were about to fetch is due."""
        self._lock = threading.Lock()
        self._pending: deque[tuple[Wanted, Entry]] = deque()
        self._threads = 0
        for entry in self._entries.values():
            entry.arriving = None

    def _bound(self) -> None:
        if len(self._entries) > MOST_HELD:
            del self._entries[next(iter(self._entries))]

    def _start(self, wanted: Wanted, entry: Entry) -> None:
        entry.arriving = Future()
        # From now on nobody who waits for it can cancel it.
        entry.arriving.set_running_or_notify_cancel()
        self._pending.append((wanted, entry))
        if self._threads >= _MOST_THREADS:
            return
        self._threads += 1
        try:
            threading.Thread(target=self._work, name="watchpost-prompts", daemon=True).start()
        except RuntimeError:  # the interpreter is ending
            self._threads -= 1
            self._pending.pop()
            entry.arriving = None
            entry.reason = "no thread can be started any more"

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._pending:
                    self._threads -= 1
                    return
                wanted, entry = self._pending.popleft()
            fetched = Fetched(reason="asking failed")
            with SHIELD:
                fetched = self._ask(wanted, entry.fetched)
            self._settle(entry, fetched)

    def _settle(self, entry: Entry, fetched: Fetched) -> None:
        with self._lock:
            entry.tried_at = time.monotonic()
            entry.reason = fetched.reason
            entry.has_failed = bool(fetched.reason)
            entry.is_tried = entry.is_tried or entry.has_failed
            if fetched.prompt is not None:
                entry.fetched = fetched
            arriving, entry.arriving = entry.arriving, None
        if arriving is not None:
            arriving.set_result(None)


CACHE = PromptCache()


def _look(
    name: str, label: str, version: str | int | None, ttl_s: float, *, patient: bool
) -> Looked:
    failed = Entry()
    try:
        source = _find_source()
    except ConfigError as error:
        failed.reason = str(error)
        return Looked(failed)
    with SHIELD:
        wanted = (
            Wanted(source, name, label=label)
            if version is None
            else Wanted(source, name, version=str(version))
        )
        return CACHE.look(wanted, ttl_s, patient=patient)
    return Looked(failed)


def _find_source() -> Collector:
    """The collector of `configure`; before it, that of the environment."""
    source = active().prompts
    if source is not None:
        return source
    return read_settings({}, os.environ).collector


def _is_due(entry: Entry, wanted: Wanted, ttl_s: float) -> bool:
    if entry.fetched.prompt is not None and wanted.version:
        return False  # a version is never changed
    age_s = time.monotonic() - entry.tried_at
    return age_s >= (min(RETRY_S, ttl_s) if entry.has_failed else ttl_s)


def _read_fallback(name: str, fallback: Fallback | None) -> Prompt | None:
    if fallback is None or isinstance(fallback, Prompt):
        return fallback
    return Prompt(name, fallback)


def _choose(name: str, looked: Looked, spare: Prompt | None) -> Prompt:
    entry = looked.entry
    found = entry.fetched.prompt
    reason = entry.reason
    if found is not None:
        if reason:
            SHIELD.tell_once(
                f"prompt:{name}",
                "prompt %r is not refreshed, the one held is used: %s",
                name,
                reason,
            )
        return found
    if looked.arriving is not None and not looked.arriving.done():
        entry.is_tried = True
        reason = reason or "it did not arrive within the deadline"
    reason = reason or "it is still being fetched"
    if spare is None:
        raise PromptError(name, reason, "a fallback= would stand in for it")
    SHIELD.tell_once(f"prompt:{name}", "prompt %r is its fallback: %s", name, reason)
    return spare
