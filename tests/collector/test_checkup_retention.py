"""What doctor says of retention: days, oldest rows and sizes, and rows that should be gone."""

from __future__ import annotations

from typing import Any

from watchpost_collector.checkup.retention import check_retention


class Store:
    """Answers what a store would that holds rows of these ages."""

    def __init__(self, oldest: str, days: list[dict[str, Any]]) -> None:
        self._oldest, self._days = oldest, days

    def __call__(self, sql: str) -> list[dict[str, Any]]:
        if "system.parts" in sql:
            return [{"table": "content", "bytes": "1234567"}]
        if "watchpost.retention" in sql:
            return self._days
        if "watchpost.content" not in sql:
            return []
        return [{"project": "shop", "oldest": self._oldest, "today": "2026-11-22"}]


def pick(store: Store, kind: str) -> Any:
    [found] = [f for f in check_retention(store, "http://x") if f.what.startswith(kind)]
    return found


def test_every_kind_is_shown_with_its_days_oldest_row_and_size() -> None:
    own = [{"kind": "content", "project": "shop", "kept": 90}]
    found = pick(Store("2026-10-01", own), "content")
    assert found.level == "ok"
    assert (
        found.what == "content for 30 days (shop 90), the oldest from 2026-10-01, 1,234,567 bytes"
    )
    assert "none stored" in pick(Store("2026-10-01", []), "logs").what


def test_rows_that_should_be_gone_are_wrong() -> None:
    found = pick(Store("2026-10-01", []), "content")
    assert found.level == "wrong"
    assert "shop should have gone by 2026-11-03" in found.what
    assert pick(Store("2026-10-21", []), "content").level == "ok"
