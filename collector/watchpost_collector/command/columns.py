"""Rows of text in columns for a terminal. It knows nothing of what is in them."""

from __future__ import annotations

from collections.abc import Sequence


def format_columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows in columns of even width, the first one as the heading; an empty cell shows as '-'."""
    shown = [tuple(cell or "-" for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in shown
    )
