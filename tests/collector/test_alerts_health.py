"""When it is told that a rule cannot be evaluated, has nothing to judge, and works again."""

from __future__ import annotations

from watchpost_collector.alerts.contact import Contact
from watchpost_collector.alerts.health import FAILING_S, Condition, Health, examine
from watchpost_collector.alerts.rule import Rule

RULE = Rule("errors", "error_rate", no_data_s=3600)
ONCALL = Contact("oncall", {})


def watch(*seen: tuple[int, Condition], rule: Rule = RULE) -> list[list[str]]:
    """What is told at each of these moments."""
    health: Health | None = None
    told = []
    for now, condition in seen:
        health, complaints = examine(rule, health, condition, "why", now, [ONCALL])
        told.append([f"{one.status} {one.health.condition}" for one in complaints])
    return told


def test_a_rule_that_fails_is_told_after_a_while_once_and_when_it_works_again() -> None:
    told = watch(
        (0, "ok"), (300, "failing"), (600, "failing"), (300 + FAILING_S, "failing"),
        (600 + FAILING_S, "failing"), (900 + FAILING_S, "ok"),
    )  # fmt: skip
    assert told == [[], [], [], ["firing failing"], [], ["resolved failing"]]


def test_a_failure_that_passes_is_not_told() -> None:
    told = watch((0, "failing"), (300, "ok"), (600, "failing"), (300 + FAILING_S, "failing"))
    assert told == [[], [], [], []]


def test_nothing_to_judge_is_told_where_a_rule_says_after_how_long() -> None:
    seen: list[tuple[int, Condition]] = [(0, "no_data"), (3599, "no_data"), (3600, "no_data")]
    assert watch(*seen, (3900, "ok")) == [[], [], ["firing no_data"], ["resolved no_data"]]
    assert watch(*seen, rule=Rule("errors", "error_rate")) == [[], [], []]


def test_a_failure_after_silence_is_another_thing() -> None:
    told = watch(
        (0, "no_data"), (3600, "no_data"), (3900, "failing"), (3900 + FAILING_S, "failing")
    )
    assert told == [[], ["firing no_data"], ["resolved no_data"], ["firing failing"]]
