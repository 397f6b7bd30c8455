"""What calls can be told apart by: the names a rule uses and the rollups' columns behind them.

A name is looked up, never written into SQL; values and the keys of user segments are bound. This
file knows names and columns; it does not know what is counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SEGMENT = "segment."
_SEGMENT_KEY = re.compile(r"[A-Za-z_][\w.\-]{0,63}", re.ASCII)

_SHARED = {
    "project": "project",
    "service": "service",
    "environment": "environment",
    "model": "model",
    "prompt.name": "prompt_name",
    "prompt.version": "prompt_version",
}
# Of calls, of guards' checks, and of scores.
CALLS: Mapping[str, str] = {
    **_SHARED,
    "release": "service_version",
    "provider": "provider",
    "operation": "operation",
}
CHECKS: Mapping[str, str] = {
    **_SHARED,
    "guard": "guard",
    "direction": "direction",
    "action": "action",
}
SCORES: Mapping[str, str] = {**_SHARED, "release": "service_version"}

Where = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of SQL with the values bound to it."""

    sql: str
    bound: Mapping[str, object]


def is_known(name: str, columns: Mapping[str, str]) -> bool:
    """Whether calls (or checks, or scores) can be told apart by `name`."""
    if name.startswith(SEGMENT):
        return _SEGMENT_KEY.fullmatch(name.removeprefix(SEGMENT)) is not None
    return name in columns


def name_column(name: str, columns: Mapping[str, str], parameter: str) -> Piece:
    """The column, as text; a segment's key is bound as `parameter`. KeyError for unknown names."""
    if name.startswith(SEGMENT):
        key = {parameter: name.removeprefix(SEGMENT)}
        return Piece(f"toString(segments[{{{parameter}:String}}])", key)
    return Piece(f"toString({columns[name]})", {})


def write_series(by: Sequence[str], columns: Mapping[str, str]) -> Piece:
    """The values that name a series, as an array in the order of `by`."""
    pieces = [name_column(name, columns, f"by_{place}") for place, name in enumerate(by)]
    listed = ", ".join(piece.sql for piece in pieces)
    return Piece(f"[{listed}]" if listed else "emptyArrayString()", _join(pieces))


def write_filter(where: Where, columns: Mapping[str, str]) -> Piece:
    """Conditions to be added to others: each name has one of its values."""
    pieces = []
    for place, (name, values) in enumerate(where):
        column = name_column(name, columns, f"key_{place}")
        parameter = f"of_{place}"
        sql = f"\n        and {column.sql} in {{{parameter}:Array(String)}}"
        pieces.append(Piece(sql, {**column.bound, parameter: list(values)}))
    return Piece("".join(piece.sql for piece in pieces), _join(pieces))


def _join(pieces: Sequence[Piece]) -> dict[str, object]:
    return {name: value for piece in pieces for name, value in piece.bound.items()}
