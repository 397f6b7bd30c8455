"""Charts: sums are kept, the small ones are joined, and stored text is never a key."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from watchpost_collector.page import charts

BUCKETS = [0, 1000, 2000]
HOSTILE = ":onclick"


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from keys_of(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys_of(below)


def sum_of(options: charts.Options) -> float:
    return sum(point[1] for series in options["series"] for point in series["data"])


def test_every_dollar_is_drawn_whatever_the_number_of_models() -> None:
    rows = [(at, f"model {i}", Decimal(i + 1) / 10) for i in range(12) for at in BUCKETS]
    options = charts.draw_cost(rows, BUCKETS)
    assert [series["name"] for series in options["series"]][-1] == charts.OTHERS
    assert len(options["series"]) == charts.SERIES_LIMIT + 1
    assert round(sum_of(options), 9) == round(float(sum(cost for _, _, cost in rows)), 9)


def test_series_are_ordered_by_their_sum_and_share_every_bucket() -> None:
    options = charts.draw_tokens([(0, "small", 1), (1000, "large", 9)], BUCKETS)
    assert [(series["name"], series["data"]) for series in options["series"]] == [
        ("large", [[0, 0.0], [1000, 9.0], [2000, 0.0]]),
        ("small", [[0, 1.0], [1000, 0.0], [2000, 0.0]]),
    ]


def test_errors_are_part_of_the_calls() -> None:
    options = charts.draw_calls([(1000, 5, 2)], BUCKETS)
    assert [series["data"][1] for series in options["series"]] == [[1000, 3.0], [1000, 2.0]]


def test_a_bucket_without_calls_has_no_latency() -> None:
    options = charts.draw_latency([(1000, 5.0, 9.0, None)], BUCKETS)
    assert [[value for _, value in series["data"]] for series in options["series"]] == [
        [None, 5.0, None],
        [None, 9.0, None],
        [None, None, None],
    ]


def test_stored_text_is_never_a_key_that_the_browser_would_evaluate() -> None:
    drawn = [
        charts.draw_cost([(0, HOSTILE, Decimal(1))], BUCKETS),
        charts.draw_tokens([(0, HOSTILE, 1)], BUCKETS),
    ]
    for options in drawn:
        assert options["series"][0]["name"] == HOSTILE
        assert HOSTILE not in keys_of(options)
        assert options["tooltip"]["renderMode"] == "richText"
