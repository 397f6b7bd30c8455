"""Text that somebody else wrote, on a terminal: it moves no cursor and sets no colour.

What is stored was written by strangers: a terminal must not obey it. This file knows characters.
"""

from __future__ import annotations

import re

# All control characters but tab and newline.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def show_plainly(text: str) -> str:
    """The text with a mark in the place of every control character."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
