"""How an error is told in logs and reasons: by its kind, its code and its place.

Never by what an engine or a parser quotes: that can be a prompt. This file knows what errors look
like; it does nothing about them.
"""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

from watchpost.errors import WatchpostError

_CODE = re.compile(r"[Cc]ode: (\d+)")
_CODE_NAME = re.compile(r"\(([A-Z][A-Z_]{4,})\)")
_SHOWN_CHARACTERS = 200
_SHOWN_PLACES = 3


def read_code(error: Exception) -> int | None:
    """The engine's code in an error's text; None when it has none."""
    found = _CODE.search(str(error))
    return None if found is None else int(found[1])


def summarize(error: Exception) -> str:
    """The error in one short line; of an error that is neither ours nor the system's its kind."""
    text = str(error)
    code = read_code(error)
    if code is not None:
        name = _CODE_NAME.search(text)
        return f"engine error {code}{f' {name[1]}' if name else ''}"
    kind = type(error).__name__
    if not text or not isinstance(error, WatchpostError | OSError):
        return kind
    return f"{kind}: {text.splitlines()[0][:_SHOWN_CHARACTERS]}"


def locate(error: Exception) -> str:
    """Where it was raised, the last places of the way there: `file.py:12, other.py:34`."""
    places = list(traceback.walk_tb(error.__traceback__))[-_SHOWN_PLACES:]
    return ", ".join(f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in places)


def describe(error: Exception) -> str:
    """What it was and where, for a log: summary and place in a line."""
    return f"{summarize(error)} at {locate(error)}"


def retell(*loggers: str) -> None:
    """Have what these loggers say of an error told as above: theirs would be quoted whole."""
    for name in loggers:
        logging.getLogger(name).addFilter(_retell)


def _retell(record: logging.LogRecord) -> bool:
    raised = record.exc_info[1] if record.exc_info else None
    error = record.msg if isinstance(record.msg, Exception) else raised
    if isinstance(error, Exception):
        record.msg, record.args = "unexpected: %s", (describe(error),)
        record.exc_info = record.exc_text = None
    return True
