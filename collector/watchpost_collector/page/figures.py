"""How a number is written for a person: counts, money, durations, shares, times. Knows no page
and no database; the same value is written the same way wherever it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

NOTHING = "–"  # noqa: RUF001  a value that does not exist is not a zero


def format_count(value: float | None) -> str:
    """Whole numbers with separators up to ten million, millions and billions above."""
    if value is None:
        return NOTHING
    number = round(value)
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M")):
        if abs(number) >= size * (10 if unit == "M" else 1):
            return f"{number / size:,.2f}{unit}"
    return f"{number:,}"


def format_money(value: Decimal | None) -> str:
    """US dollars: cents from one dollar up, three significant digits below, never a false zero."""
    if value is None:
        return NOTHING
    if value == 0:
        return "$0.00"
    if abs(value) >= 1:
        return f"${value.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    digits = max(2, 2 - value.adjusted())
    rounded = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    text = f"{rounded:f}"
    whole, _, fraction = text.partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def format_duration(milliseconds: float | None) -> str:
    """Milliseconds, seconds or minutes, whichever a person would say."""
    if milliseconds is None or milliseconds != milliseconds:
        return NOTHING
    if milliseconds < 0.005:
        return "<0.01 ms" if milliseconds > 0 else "0 ms"
    if milliseconds < 1:
        return f"{milliseconds:.2f} ms"
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 59_995:
        return f"{milliseconds / 1000:.2f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes:,} m {seconds:02d} s"


def format_share(part: float, whole: float) -> str:
    """`part` of `whole` in percent; nothing of nothing is no share, not zero."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    return f"{percent:.2f}%" if 0 < percent < 1 else f"{percent:.1f}%"


def format_time(moment: datetime, *, seconds: bool = True) -> str:
    """UTC, because that is what is stored and what the charts show."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters on one line, with an ellipsis where something was left out."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
