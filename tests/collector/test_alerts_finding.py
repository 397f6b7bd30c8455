"""Findings as sentences, and moments as stretches."""

from __future__ import annotations

from typing import Any

from watchpost_collector.alerts.finding import explain, find_episodes, read_findings
from watchpost_collector.alerts.rule import Rule

HOUR_S = 3600
RULE = Rule("it", "error_rate", by=("service",))


def row(at_h: int, series: str = "bot", **more: Any) -> dict[str, Any]:
    """A row of a statement, as JSON brings it."""
    return {
        "at": at_h * HOUR_S,
        "series": [series],
        "subject": "",
        "against": "",
        "measure": "error_rate",
        "value": 0.25,
        "baseline": 0.01,
        "bound": 0.03,
        "calls": 1200,
        "chance": 1e-9,
        "fires": 1,
        "evidence": {"found": 300},
        "since": (at_h - 1) * HOUR_S,
        **more,
    }


def test_an_episode_is_a_stretch_of_one_series_that_lasts_as_long_as_the_rule_wants() -> None:
    rows = [row(1), row(2), row(4), row(9), row(2, "mail"), row(3, "mail", fires=0)]
    findings = read_findings(RULE, rows)
    episodes = find_episodes(findings, HOUR_S)
    assert [
        (e.begins // HOUR_S, e.ends // HOUR_S, e.first.series["service"]) for e in episodes
    ] == [
        (1, 4, "bot"),
        (2, 2, "mail"),
        (9, 9, "bot"),
    ]
    [long] = find_episodes(findings, HOUR_S, hold_s=2 * HOUR_S)
    assert long.begins == HOUR_S


def test_a_finding_is_told_with_what_was_expected_and_how_sure_it_is() -> None:
    [finding] = read_findings(RULE, [row(30)])
    assert explain(RULE, finding) == (
        "error_rate 25.0%, usually 1.0% (bound 3.0%) in 1,200 calls since 1970-01-02 05:00, "
        "by chance 1e-09"
    )


def test_a_regression_names_both_versions() -> None:
    rule = Rule("it", "regression", measures=("cost",))
    told = {"subject": "v3", "against": "v2", "measure": "cost", "value": 0.02, "baseline": 0.01}
    [finding] = read_findings(rule, [row(30, **told) | {"series": ["bot", "reply"]}])
    assert finding.series == {"service": "bot", "prompt.name": "reply"}
    assert explain(rule, finding).startswith("prompt.version v3: cost $0.02, v2 $0.01 in 1,200")


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    [finding] = read_findings(RULE, [row(1, value=None, chance=None)])
    assert finding.value is None
    assert "error_rate unknown, usually 1.0%" in explain(RULE, finding)
