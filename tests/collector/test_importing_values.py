"""Times and counts in the spellings logs use."""

from __future__ import annotations

import pytest

from watchpost_collector.importing.row import BadLine
from watchpost_collector.importing.values import read_start, read_time, read_usage

MOMENT_NS = 1_760_000_000_123_000_000


@pytest.mark.parametrize(
    "value",
    [
        1_760_000_000.123,
        1_760_000_000_123,
        1_760_000_000_123_000,
        MOMENT_NS,
        "1760000000.123",
        "1760000000123",
        "2025-10-09T08:53:20.123Z",
        "2025-10-09T10:53:20.123+02:00",
        "2025-10-09 08:53:20.123",
    ],
)
def test_one_moment_is_read_from_every_spelling(value):
    assert read_time("timestamp", value) == MOMENT_NS


@pytest.mark.parametrize("value", [True, [], "yesterday", float("nan"), -1, 9e18])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(BadLine, match=r"timestamp is (not )?a time"):
        read_time("timestamp", value)


def test_the_first_named_time_counts_and_none_is_none():
    assert (
        read_start({"created": 1_760_000_000, "timestamp": 1_760_000_001}) == 1_760_000_001 * 10**9
    )
    assert read_start({"prompt": "x"}) is None


def test_absent_usage_is_not_zero_usage():
    assert read_usage({}) is None
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 0}).input_tokens == 0
