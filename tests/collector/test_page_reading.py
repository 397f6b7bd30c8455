"""A question is answered from as few rows as its window allows."""

from __future__ import annotations

import pytest

from watchpost_collector.page import queries
from watchpost_collector.page.filters import Filters, choose_window
from watchpost_collector.page.reading import choose_query

NOW_MS = 1_790_000_000_000
FIRST_MS = NOW_MS - 400 * 86_400_000


@pytest.mark.parametrize(
    ("span", "sums", "drawn"),
    [
        ("24h", "", ""),
        ("7d", "_DAILY", "_HOURLY"),
        ("14d", "_DAILY", "_HOURLY"),
        ("all", "_DAILY", "_DAILY"),
    ],
)
def test_sums_of_a_long_window_are_read_by_the_day(span: str, sums: str, drawn: str) -> None:
    window = choose_window(Filters(range=span), (FIRST_MS, NOW_MS), NOW_MS)
    summed = ("TILES", "LATENCY_TILES", "BY_MODEL", "BY_GUARD", "CHOICES", "GUARD_CHOICES")
    for name, ending in (*((name, sums) for name in summed), ("LATENCY_OVER_TIME", drawn)):
        assert choose_query(name, window) == queries.ALL[name + ending]
