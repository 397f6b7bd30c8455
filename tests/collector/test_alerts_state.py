"""What is told of an alert while it begins, lasts, is silenced and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchpost_collector.alerts.contact import Contact
from watchpost_collector.alerts.finding import Finding, Key
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.state import (
    MOST_ALARMS,
    PATIENCE_S,
    Alarm,
    Silence,
    Step,
    advance,
)

HOUR_S = 3600
ONCALL = Contact("oncall", {})
RULE = Rule("errors", "error_rate", by=("service",), hold_s=2 * HOUR_S)
AT_ONCE = Rule("errors", "error_rate", by=("service",))


def found(service: str = "bot", fires: bool = True) -> Finding:
    return Finding(
        at=0,
        series={"service": service},
        subject="",
        against="",
        measure="error_rate",
        value=0.2,
        baseline=0.01,
        bound=0.03,
        calls=100,
        chance=None,
        fires=fires,
        evidence={},
        since=0,
    )


def move(
    rule: Rule,
    before: Mapping[Key, Alarm],
    findings: Sequence[Finding],
    now: int,
    silences: Sequence[Silence] = (),
) -> Step:
    """A step that one contact is told of."""
    return advance(rule, before, findings, now, [ONCALL], silences)


def tell(step: Step) -> tuple[list[str], list[str]]:
    """The services a step says began to fire, and those it says are over."""
    told: dict[str, list[str]] = {"firing": [], "resolved": []}
    for one in step.news:
        told[one.status].append(one.alarm.findings[0].series["service"])
    return told["firing"], told["resolved"]


def test_an_alert_is_told_once_it_has_lasted_and_only_once() -> None:
    step = move(RULE, {}, [found()], 0)
    assert tell(step) == ([], [])
    step = move(RULE, step.alarms, [found()], HOUR_S)
    assert tell(step) == ([], [])
    step = move(RULE, step.alarms, [found()], 2 * HOUR_S)
    assert tell(step) == (["bot"], [])
    # As after a restart: all that is known is the states.
    step = move(RULE, dict(step.alarms), [found()], 3 * HOUR_S)
    assert tell(step) == ([], [])


def test_an_alert_that_does_not_last_is_never_told() -> None:
    step = move(RULE, {}, [found()], 0)
    step = move(RULE, step.alarms, [found(fires=False)], HOUR_S)
    assert (tell(step), dict(step.alarms)) == (([], []), {})


def test_the_end_is_told_when_it_has_stayed_away_and_it_may_begin_again() -> None:
    step = move(AT_ONCE, {}, [found(), found("mail")], 0)
    assert tell(step) == (["bot", "mail"], [])
    step = move(AT_ONCE, step.alarms, [found()], HOUR_S)
    assert tell(step) == ([], [])
    step = move(AT_ONCE, step.alarms, [found()], PATIENCE_S)
    assert tell(step) == ([], ["mail"])
    step = move(AT_ONCE, step.alarms, [found(), found("mail")], PATIENCE_S + HOUR_S)
    assert tell(step) == (["mail"], [])


def test_what_is_silenced_is_told_when_the_silence_ends_and_it_still_fires() -> None:
    silences = [Silence("errors", 0, 2 * HOUR_S, (("service", "bot"),))]
    step = move(AT_ONCE, {}, [found(), found("mail")], 0, silences)
    assert tell(step) == (["mail"], [])
    step = move(AT_ONCE, step.alarms, [found(), found("mail")], HOUR_S, silences)
    assert tell(step) == ([], [])
    step = move(AT_ONCE, step.alarms, [found(), found("mail")], 2 * HOUR_S, silences)
    assert tell(step) == (["bot"], [])


def test_a_silenced_alert_that_ended_is_not_told_at_all() -> None:
    step = move(AT_ONCE, {}, [found()], 0, [Silence("", 0, HOUR_S)])
    step = move(AT_ONCE, step.alarms, [], PATIENCE_S)
    assert (tell(step), dict(step.alarms)) == (([], []), {})


def test_what_lasts_is_told_again_to_who_asked_for_it_and_the_end_only_to_who_wants_it() -> None:
    again = Contact("again", {}, repeat_s=2 * HOUR_S, resolved=False)
    alarms: Mapping[Key, Alarm] = {}
    told = []
    for hour in range(5):
        step = advance(AT_ONCE, alarms, [found()], hour * HOUR_S, [ONCALL, again])
        alarms = step.alarms
        told.append([(one.contact.name, one.status) for one in step.news])
    fires = "firing"
    assert told == [
        [("oncall", fires), ("again", fires)], [], [("again", fires)], [], [("again", fires)],
    ]  # fmt: skip
    step = advance(AT_ONCE, alarms, [], 4 * HOUR_S + PATIENCE_S, [ONCALL, again])
    assert [(one.contact.name, one.status) for one in step.news] == [("oncall", "resolved")]


def test_a_contact_that_is_added_is_told_of_what_fires_already() -> None:
    step = advance(AT_ONCE, {}, [found()], 0, [ONCALL])
    added = Contact("added", {})
    step = advance(AT_ONCE, step.alarms, [found()], HOUR_S, [ONCALL, added])
    assert [one.contact.name for one in step.news] == ["added"]


def test_a_storm_of_alerts_is_bounded_and_those_known_before_stay() -> None:
    step = move(AT_ONCE, {}, [found("last")], 0)
    storm = [found(f"s{place}") for place in range(MOST_ALARMS)] + [found("last")]
    step = move(AT_ONCE, step.alarms, storm, HOUR_S)
    assert len(step.alarms) == MOST_ALARMS
    assert found("last").key in step.alarms
    assert len(step.news) == MOST_ALARMS - 1
