"""A finding: what a check saw, where, and what cures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`note` is worth knowing and needs nobody; `wrong` wants its cure."""

    level: Level
    check: str
    what: str
    where: str = ""
    cure: str = ""
