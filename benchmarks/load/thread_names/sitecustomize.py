"""Gives the threads of a measured server their Python names in /proc, before the server starts.

Python does so by itself from 3.14 on. The server is started with this folder on its path; it
touches nothing else of it.
"""

import ctypes
import threading
from typing import Any

_PR_SET_NAME = 15
_set = ctypes.CDLL(None).prctl
_bootstrap: Any = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]


def _named(thread: threading.Thread) -> None:
    _set(_PR_SET_NAME, thread.name.encode()[:15] + b"\0", 0, 0, 0)
    _bootstrap(thread)


threading.Thread._bootstrap_inner = _named  # type: ignore[attr-defined]
