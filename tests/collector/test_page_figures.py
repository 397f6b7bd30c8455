"""How numbers are written: no false zero, no false precision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from watchpost_collector.page.figures import (
    NOTHING,
    format_count,
    format_duration,
    format_money,
    format_share,
    format_time,
    shorten,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, NOTHING),
        (Decimal(0), "$0.00"),
        (Decimal("0.5"), "$0.50"),
        (Decimal("0.0034712"), "$0.00347"),
        (Decimal("0.000000001"), "$0.000000001"),
        (Decimal("0.999"), "$0.999"),
        (Decimal("1.005"), "$1.01"),
        (Decimal("1234567.891"), "$1,234,567.89"),
        (Decimal("-0.25"), "$-0.25"),
    ],
)
def test_money_is_cents_above_a_dollar_and_three_digits_below(
    value: Decimal | None, shown: str
) -> None:
    assert format_money(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, NOTHING),
        (0, "0"),
        (1234567, "1,234,567"),
        (12_345_678, "12.35M"),
        (2_500_000_000, "2.50B"),
    ],
)
def test_counts_are_exact_up_to_ten_million(value: int | None, shown: str) -> None:
    assert format_count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, NOTHING),
        (float("nan"), NOTHING),
        (0.0, "0 ms"),
        (0.001, "<0.01 ms"),
        (0.25, "0.25 ms"),
        (4.2, "4.2 ms"),
        (840.4, "840 ms"),
        (999.6, "1.00 s"),
        (59_994, "59.99 s"),
        (59_996, "1 m 00 s"),
        (123_400, "2 m 03 s"),
    ],
)
def test_durations_use_the_unit_a_person_would(value: float | None, shown: str) -> None:
    assert format_duration(value) == shown


def test_a_share_of_nothing_is_no_share() -> None:
    assert [format_share(0, 0), format_share(0, 3), format_share(1, 3), format_share(1, 900)] == [
        NOTHING,
        "0.0%",
        "33.3%",
        "0.11%",
    ]


def test_times_are_written_in_utc() -> None:
    east = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(east) == "2026-01-01 23:30:00"
    assert (
        format_time(datetime(2026, 1, 1, 23, 30, tzinfo=UTC), seconds=False) == "2026-01-01 23:30"
    )


def test_a_long_text_is_cut_to_one_line() -> None:
    assert shorten("a\n b  c", 10) == "a b c"
    assert shorten("abcdefgh", 5) == "abcd…"
