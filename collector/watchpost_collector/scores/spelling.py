"""A score's value as people read it, wherever it is shown."""

from __future__ import annotations

from watchpost.scores.score import BOOLEAN

_UP, _DOWN = "\N{THUMBS UP SIGN}", "\N{THUMBS DOWN SIGN}"


def spell(kind: str, value: float | None, label: str) -> str:
    """A thumb, a word, or a number with the word that came along with it."""
    if value is None:
        return label
    if kind == BOOLEAN:
        return _UP if value else _DOWN
    return f"{value:g} ({label})" if label else f"{value:g}"
