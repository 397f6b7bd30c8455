"""What was computed last, by key: whoever asks first computes, and the others wait for it.

Bounded by number and by weight; what is wanted again stays longest. It does not know what it holds.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """At most `most` values that weigh at most `heaviest` together by `weigh`. Thread-safe."""

    def __init__(self, most: int, heaviest: int, weigh: Callable[[T], int]) -> None:
        self._most = most
        self._heaviest = heaviest
        self._weigh = weigh
        self._held: OrderedDict[bytes, Future[T]] = OrderedDict()
        self._weights: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def ask(self, key: bytes, compute: Callable[[], T]) -> T:
        """The value of a key, computed unless somebody did or does. Raises what `compute` raises.

        Where another's attempt failed it is made again: he may have had less time than this caller.
        """
        while True:
            with self._lock:
                pending = self._held.get(key)
                is_mine = pending is None
                if pending is None:
                    pending = self._held[key] = Future()
                else:
                    self._held.move_to_end(key)
            if is_mine:
                return self._compute(key, pending, compute)
            with suppress(Exception):
                return pending.result()

    def _compute(self, key: bytes, pending: "Future[T]", compute: Callable[[], T]) -> T:
        try:
            value = compute()
        except BaseException as error:
            with self._lock:
                self._held.pop(key, None)
            pending.set_exception(error)
            raise
        pending.set_result(value)
        with self._lock:
            if key in self._held:
                self._weights[key] = self._weigh(value)
            while len(self._held) > self._most or sum(self._weights.values()) > self._heaviest:
                dropped, _ = self._held.popitem(last=False)
                self._weights.pop(dropped, None)
        return value
