"""A wall clock that does not jump: the time of day when the process began, and what went by since.

A clock that is set forward would forget digests and give up waiting segments, one that is set back
would keep both for ever. What must last for a while is measured by this; what says when something
happened is not. This file knows nothing of what it times.
"""

from __future__ import annotations

import time

_BEGAN_NS = time.time_ns() - time.monotonic_ns()


def read_steady_ns() -> int:
    """Nanoseconds since 1970, by a clock that nobody can set."""
    return _BEGAN_NS + time.monotonic_ns()
