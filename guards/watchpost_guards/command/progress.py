"""How far a long run has come, on standard error and only where a person looks at it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_S = 0.5


@contextmanager
def follow(whole: int) -> Iterator[Callable[[int], None] | None]:
    """A function to call with what is done of `whole`; None when nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    told_at = 0.0

    def tell(done: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at > _EVERY_S:
            told_at = now
            sys.stderr.write(f"\r{done:,} of {whole:,} texts")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")
