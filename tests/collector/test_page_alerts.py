"""Which alerts the page lists, and in which order."""

from __future__ import annotations

from watchpost_collector.page.alerts import list_rows


def test_what_fires_comes_first_and_a_rule_that_fails_is_listed_too() -> None:
    def alert(state: str, subject: str) -> dict[str, object]:
        return {"state": state, "subject": subject, "since": 0, "why": "20%"}

    rules = [
        {
            "name": "Errors",
            "condition": "ok",
            "alerts": [alert("pending", "a"), alert("silenced", "b"), alert("firing", "c")],
        },
        {"name": "Slow", "condition": "failing", "reason": "why", "since": 60, "alerts": []},
        {"name": "Quiet", "condition": "no_data", "reason": "", "since": 0, "alerts": []},
    ]
    assert list_rows({"rules": rules}) == [
        ("firing", "Errors", "c", "1970-01-01 00:00", "20%"),
        ("failing", "Slow", "", "1970-01-01 00:01", "cannot be evaluated: why"),
        ("silenced", "Errors", "b", "1970-01-01 00:00", "20%"),
        ("pending", "Errors", "a", "1970-01-01 00:00", "20%"),
    ]


def test_without_rules_there_is_nothing_to_list() -> None:
    assert list_rows(None) == []
