"""Whose fault an error of the store is: the segment's, the store's, or nobody knows yet.

A store that is away or denies must be waited for: blaming a segment for it would set good spans
aside. This file knows error codes; it does nothing about them.
"""

from __future__ import annotations

import re

# Errors that say "not this store, not now", however often: missing database or table, time-outs,
# network, too many queries or parts, read-only, full disk, unknown user, denied.
_STORE_CODES = frozenset({60, 81, 159, 164, 192, 202, 209, 210, 242, 243, 252, 497, 516, 999})
_CODE = re.compile(r"[Cc]ode:? (\d+)")
_CODE_NAME = re.compile(r"\(([A-Z][A-Z_]{4,})\)")


class MiscountedError(Exception):
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
    code = _CODE.search(str(error))
    return code is not None and int(code.group(1)) not in _STORE_CODES


def summarize(error: Exception) -> str:
    """The error in one short line, without what an engine quotes: that can be a prompt."""
    text = str(error)
    code = _CODE.search(text)
    if code is not None:
        name = _CODE_NAME.search(text)
        return f"engine error {code.group(1)}{' ' + name.group(1) if name else ''}"
    return f"{type(error).__name__}: {text.splitlines()[0][:200] if text else ''}"
