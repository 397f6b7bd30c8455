"""Fault points: where the kill tests stop the server dead, as a power cut would.

`WATCHPOST_FAULT=NAME` kills the process with SIGKILL when it reaches the point of that name, and
`WATCHPOST_FAULT=NAME:N` when it reaches it for the Nth time. Points, in the order of a span's way:
`written` (in the file, not on the disk), `synced` (on the disk, not acknowledged), `sealed`,
`before_insert` (nothing sent), `after_insert` (its rows are in, its file still stands),
`half_settled` (rows in, prices not resolved), `before_delete` (digests kept, file stands),
`half_split` (children written, parent stands), `half_closed` (an hour or a day is counted, not
marked). Of alerts: `alert_decided` (written down, not sent), `before_alert`, `after_alert` (sent,
not noted). Unset, a point costs one dictionary lookup. This file knows nothing of what surrounds
one.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get("WATCHPOST_FAULT")
    if not wanted:
        return
    name, _, times = wanted.partition(":")
    if name == point:
        _reached[point] += 1
        if _reached[point] >= int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
