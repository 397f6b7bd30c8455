"""A small `make hostile`: memory stays bounded, honest spans are stored, nothing answers 500."""

from __future__ import annotations

from pathlib import Path

from hostile.attack import Attack, check
from running_server import RunningServer


def test_hostile_requests_cost_bounded_memory_and_no_honest_span(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        report = Attack(server, requests=800, seed=7).play()

        assert check(server, report) == []
    assert report.honest_spans > 0
    assert report.peak_bytes - report.before_bytes < 1 << 30
