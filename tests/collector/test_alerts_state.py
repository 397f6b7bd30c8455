"""What is told of an alert while it begins, lasts, is silenced and ends."""

from __future__ import annotations

from watchpost_collector.alerts.finding import Finding
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.state import PATIENCE_S, Silence, Step, advance

HOUR_S = 3600
RULE = Rule("errors", "error_rate", by=("service",), hold_s=2 * HOUR_S)


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


def tell(step: Step) -> tuple[list[str], list[str]]:
    """The services a step says began to fire, and those it says are over."""
    if step.message is None:
        return [], []
    began = [finding.series["service"] for finding in step.message.firing]
    return began, [key[1][0] for key in step.message.resolved]


def test_an_alert_is_told_once_it_has_lasted_and_only_once() -> None:
    step = advance(RULE, {}, [found()], 0)
    assert tell(step) == ([], [])
    step = advance(RULE, step.alarms, [found()], HOUR_S)
    assert tell(step) == ([], [])
    step = advance(RULE, step.alarms, [found()], 2 * HOUR_S)
    assert tell(step) == (["bot"], [])
    # As after a restart: all that is known is the states.
    step = advance(RULE, dict(step.alarms), [found()], 3 * HOUR_S)
    assert tell(step) == ([], [])


def test_an_alert_that_does_not_last_is_never_told() -> None:
    step = advance(RULE, {}, [found()], 0)
    step = advance(RULE, step.alarms, [found(fires=False)], HOUR_S)
    assert (tell(step), dict(step.alarms)) == (([], []), {})


def test_the_end_is_told_when_it_has_stayed_away_and_it_may_begin_again() -> None:
    rule = Rule("errors", "error_rate", by=("service",))
    step = advance(rule, {}, [found(), found("mail")], 0)
    assert tell(step) == (["bot", "mail"], [])
    step = advance(rule, step.alarms, [found()], HOUR_S)
    assert tell(step) == ([], [])
    step = advance(rule, step.alarms, [found()], PATIENCE_S)
    assert tell(step) == ([], ["mail"])
    step = advance(rule, step.alarms, [found(), found("mail")], PATIENCE_S + HOUR_S)
    assert tell(step) == (["mail"], [])


def test_what_is_silenced_is_told_when_the_silence_ends_and_it_still_fires() -> None:
    rule = Rule("errors", "error_rate", by=("service",))
    silences = [Silence("errors", 0, 2 * HOUR_S, (("service", "bot"),))]
    step = advance(rule, {}, [found(), found("mail")], 0, silences)
    assert tell(step) == (["mail"], [])
    step = advance(rule, step.alarms, [found(), found("mail")], HOUR_S, silences)
    assert tell(step) == ([], [])
    step = advance(rule, step.alarms, [found(), found("mail")], 2 * HOUR_S, silences)
    assert tell(step) == (["bot"], [])


def test_a_silenced_alert_that_ended_is_not_told_at_all() -> None:
    rule = Rule("errors", "error_rate", by=("service",))
    silences = [Silence("", 0, HOUR_S)]
    step = advance(rule, {}, [found()], 0, silences)
    step = advance(rule, step.alarms, [], PATIENCE_S)
    assert (tell(step), dict(step.alarms)) == (([], []), {})
