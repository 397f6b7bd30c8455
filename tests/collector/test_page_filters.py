"""What is asked for survives the address bar, and nonsense there does no harm."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchpost_collector.page.filters import (
    DAY_S,
    RANGES,
    Filters,
    bind,
    choose_window,
    read_filters,
)

words = st.text(st.characters(codec="utf-8"), max_size=40)
NOW_MS = 1_790_000_000_000


@given(
    st.builds(
        Filters,
        range=st.sampled_from(sorted(RANGES)),
        model=words,
        user=words,
        text=words,
        page=st.integers(0, 10_000),
    )
)
def test_filters_survive_the_query_string(filters: Filters) -> None:
    pairs = dict(parse_qsl(filters.query_string(), keep_blank_values=True))
    assert read_filters(pairs) == filters


@pytest.mark.parametrize(
    "query", [{"range": "1; drop"}, {"page": "-1"}, {"page": "²"}, {"nobody": "knows"}, {}]
)
def test_nonsense_in_the_address_bar_is_the_default(query: dict[str, str]) -> None:
    assert read_filters(query) == Filters()


def test_a_page_and_a_value_are_bounded() -> None:
    filters = read_filters({"page": "9" * 400, "text": "x" * 5000})
    assert (filters.page, len(filters.text)) == (10_000, 500)


def test_another_dimension_goes_back_to_the_first_page() -> None:
    assert Filters(page=3).narrowed("model", "m") == Filters(model="m", page=0)


@pytest.mark.parametrize("name", [name for name in RANGES if name != "all"])
def test_a_range_ends_now_and_has_a_readable_number_of_buckets(name: str) -> None:
    window = choose_window(Filters(range=name), (0, 0), NOW_MS)
    rounded_ms = window.until_ms - window.since_ms - RANGES[name] * 1000
    assert 0 <= rounded_ms < DAY_S * 1000
    # What is read from the rollups begins with a day; nothing else is rounded.
    assert window.since_ms % (DAY_S * 1000) == 0 if window.hourly else rounded_ms == 0
    buckets = window.buckets_ms()
    assert 20 <= len(buckets) <= 76
    assert buckets[0] <= window.since_ms < window.until_ms <= buckets[-1] + window.bucket_s * 1000


def test_all_reaches_from_the_first_to_the_last_moment() -> None:
    window = choose_window(Filters(range="all"), (1_000, 5_000), NOW_MS)
    assert (window.since_ms, window.until_ms) == (1_000, 5_001)
    assert window.buckets_ms() == [0]


def test_what_is_shown_by_days_begins_with_a_day_and_is_read_by_days() -> None:
    first_ms = NOW_MS - 30 * DAY_S * 1000
    window = choose_window(Filters(range="all"), (first_ms, NOW_MS), NOW_MS)
    assert window.daily
    assert window.since_ms % (DAY_S * 1000) == 0
    assert 0 <= first_ms - window.since_ms < DAY_S * 1000
    assert not choose_window(Filters(range="14d"), (first_ms, NOW_MS), NOW_MS).daily


def test_paging_reads_one_row_more_than_it_shows() -> None:
    bound = bind(Filters(page=2), choose_window(Filters(), (0, 0), NOW_MS))
    assert (bound["limit"], bound["offset"]) == (51, 100)
