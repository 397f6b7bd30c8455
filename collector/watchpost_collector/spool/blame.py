"""Whose fault an error of the store is: the segment's, the store's, or nobody knows yet.

A store that is away or denies must be waited for: blaming a segment for it would set good spans
aside. This file knows error codes; it does nothing about them.
"""

from __future__ import annotations

from watchpost.errors import CollectorError
from watchpost_collector.trouble import read_code

# Errors that say "not this store, not now", however often: missing, dropped or restarting database
# or table, its files, time-outs, network, quotas, too many queries or parts, read-only, full disk,
# unknown user, wrong password, denied, stopping, cancelled, replicas or their keeper away.
_STORE_CODES = frozenset(
    (
        *(60, 74, 75, 76, 81, 159, 164, 192, 193, 194, 195, 201, 202, 209, 210, 218, 225, 236),
        *(242, 243, 252, 285, 286, 289, 319, 394, 439, 473, 497, 516, 722, 733, 735, 999),
    )
)


class MiscountedError(CollectorError):
    """The engine took a segment and its rows do not add up."""


def is_about_content(error: Exception) -> bool:
    """Whether the engine read these bytes and refused them: they will be refused again."""
    from watchpost_collector.store.client import SegmentRefused

    return isinstance(error, SegmentRefused)


def may_be_content(error: Exception) -> bool:
    """Whether an error that keeps coming back may lie in the segment.

    Trouble of the store, of our own disk or of the network is waited for.
    """
    if isinstance(error, MiscountedError):
        return True
    code = read_code(error)
    return code is not None and code not in _STORE_CODES
