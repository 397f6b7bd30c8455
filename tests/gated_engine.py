"""A model for tests that doubles numbers, refuses 13, and keeps the device busy until it is let."""

from __future__ import annotations

import threading
from collections.abc import Sequence


class GatedEngine:
    """Closed until `free` is set; `started` says that it has something to do."""

    lane = "doubler"

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        self.started = threading.Event()
        self.free = threading.Event()

    def run(self, rows: Sequence[int], length: int) -> list[int]:
        """Twice each number."""
        self.started.set()
        assert self.free.wait(30)
        self.batches.append(tuple(rows))
        if 13 in rows:
            raise ArithmeticError("thirteen")
        return [2 * row for row in rows]
