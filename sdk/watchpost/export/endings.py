"""The ways a process begins and ends: forks, exits that skip `atexit`, and SIGTERM.

A forked child of multiprocessing or Celery leaves by `os._exit`, and a process killed by SIGTERM
leaves without a word; both have hooks of their own, and this file knows them. It does not know
what is to be delivered; it imports nobody's library and asks only for what is already loaded.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol


class Lasting(Protocol):
    """What outlives a fork and has something to do before its process ends."""

    def forked(self) -> None:
        """Begin anew in a child."""

    def shutdown(self) -> None:
        """Finish; called any number of times."""


# After the finalizers of the user, which may still make spans, and after its children are joined.
_LATE = -100
_FINALIZERS = ("multiprocessing.util", "billiard.util")


def follow_process(lasting: Lasting) -> None:
    """Call `forked` in every child, and `shutdown` before this process or a child of it ends."""
    atexit.register(lasting.shutdown)
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        # A child that was started afresh and is configured by its own imports.
        _finalize(lasting, "multiprocessing.util")
    if not hasattr(os, "register_at_fork"):
        return
    found = weakref.ref(lasting)

    def after_fork() -> None:
        held = found()
        if held is not None:
            held.forked()
            _follow_child(held)

    os.register_at_fork(after_in_child=after_fork)


def leave_process(lasting: Lasting) -> None:
    """It has finished: nothing is to be called at exit any more."""
    atexit.unregister(lasting.shutdown)


def _follow_child(lasting: Lasting) -> None:
    """Hear of the end of a child that does not run `atexit`."""
    for name in _FINALIZERS:
        util = sys.modules.get(name)
        if util is not None:
            # The registry is emptied when the child sets itself up; this runs after that.
            util.register_after_fork(lasting, lambda held, name=name: _finalize(held, name))
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(
            lambda **_: lasting.shutdown(), weak=False, dispatch_uid=f"watchpost-{id(lasting)}"
        )


def _finalize(lasting: Lasting, name: str) -> None:
    util: Any = sys.modules.get(name)
    if util is not None:
        util.Finalize(None, lasting.shutdown, exitpriority=_LATE)


class Termination:
    """The handler of SIGTERM: what is waiting leaves first, then the signal does what it did.

    Nothing is done inside the handler itself, which may have interrupted the holder of any lock:
    a thread does it, and the program goes on for that moment. Where somebody else had a handler,
    it is called at once, after `hasten`, which lets nothing wait from now on.
    """

    def __init__(
        self, before: Any, hasten: Callable[[], None], settle: Callable[[], object]
    ) -> None:
        self.before = before
        self._hasten = hasten
        self._settle = settle
        self._is_settling = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if callable(self.before):
            self._start(self._hasten)
            self.before(number, frame)
        elif self._is_settling:
            # Settled, or somebody is impatient.
            self._die(number)
        else:
            self._is_settling = True
            if not self._start(lambda: self._settle_and_die(number)):
                self._die(number)

    def _start(self, work: Callable[[], None]) -> bool:
        try:
            threading.Thread(target=work, name="watchpost-end", daemon=True).start()
        except RuntimeError:
            return False
        return True

    def _settle_and_die(self, number: int) -> None:
        try:
            self._settle()
        finally:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _die(self, number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Process number one of a container is not killed by it and goes on.
        signal.signal(number, self)
        self._is_settling = False


def heed_termination(hasten: Callable[[], None], settle: Callable[[], object]) -> None:
    """Let SIGTERM wait for `settle`. Nothing happens outside the main thread, or where the
    application ignores the signal; a handler it sets later replaces this one.
    """
    before = _find_handler()
    if isinstance(before, Termination) or before is None or before is signal.SIG_IGN:
        return
    signal.signal(signal.SIGTERM, Termination(before, hasten, settle))


def leave_termination() -> None:
    """Put the handler back that `heed_termination` found, where its own is still there."""
    handler = _find_handler()
    if isinstance(handler, Termination):
        signal.signal(signal.SIGTERM, handler.before)


def _find_handler() -> Any:
    """The handler of SIGTERM, None where this thread could set no other."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_kill"):
        return None
    return signal.getsignal(signal.SIGTERM)
