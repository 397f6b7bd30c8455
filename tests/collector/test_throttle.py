"""The throttle: averages are kept to the letter, bursts pass, projects do not feel each other."""

from __future__ import annotations

import pytest

from watchpost_collector.access.projects import Projects, Rules
from watchpost_collector.intake.throttle import Throttle


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, **rules: Rules) -> Throttle:
    return Throttle(lambda: Projects(rules), clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_without_rules_everything_passes(clock: Clock) -> None:
    throttle = make(clock)
    assert all(throttle.ask("shop", 10**9, 10**12) == 0 for _ in range(5))
    assert throttle.read() == {}


def test_a_burst_passes_and_then_the_rate_holds(clock: Clock) -> None:
    throttle = make(clock, shop=Rules(spans_per_second=10, burst_s=3))
    assert [throttle.ask("shop", 10) for _ in range(3)] == [0, 0, 0]
    assert throttle.ask("shop", 10) == pytest.approx(0, abs=0.01)
    assert throttle.ask("shop", 10) > 0
    passed = 0
    for _ in range(1000):
        clock.now += 0.1
        passed += 10 * (throttle.ask("shop", 10) == 0)
    assert passed == pytest.approx(1000, abs=20)


def test_what_is_larger_than_the_burst_passes_once_and_is_paid_for(clock: Clock) -> None:
    throttle = make(clock, shop=Rules(bytes_per_second=100, burst_s=1))
    assert throttle.ask("shop", 1, 1000) == 0
    wait_s = throttle.ask("shop", 1, 1)
    assert wait_s == pytest.approx(9.0)
    clock.now += wait_s / 2
    assert throttle.ask("shop", 1, 1) == pytest.approx(4.5)
    clock.now += wait_s / 2 + 0.001
    assert throttle.ask("shop", 1, 1) == 0


def test_asking_with_nothing_takes_nothing_and_says_what_would_be(clock: Clock) -> None:
    throttle = make(clock, shop=Rules(spans_per_second=1, burst_s=1))
    assert [throttle.ask("shop") for _ in range(9)] == [0] * 9
    assert throttle.ask("shop", 5) == 0
    assert throttle.ask("shop") == pytest.approx(4.0)


def test_either_limit_refuses_and_what_was_refused_costs_nothing(clock: Clock) -> None:
    throttle = make(clock, shop=Rules(spans_per_second=1, bytes_per_second=1000, burst_s=1))
    assert throttle.ask("shop", 2, 10) == 0
    for _ in range(10):
        assert throttle.ask("shop", 7, 10) == pytest.approx(1.0)
    assert throttle.read() == {"shop": {"requests": 10, "spans": 70}}


def test_projects_do_not_share_and_the_rules_of_all_hold_for_each(clock: Clock) -> None:
    throttle = make(
        clock, **{"*": Rules(spans_per_second=1, burst_s=1), "big": Rules(spans_per_second=1e6)}
    )
    assert throttle.ask("one", 100) == 0
    assert throttle.ask("one", 1) > 0
    assert throttle.ask("two", 1) == 0
    assert throttle.ask("big", 1000) == 0
    assert throttle.ask("big", 1000) == 0


def test_a_changed_rule_is_in_force_at_once(clock: Clock) -> None:
    rules = {"shop": Rules(spans_per_second=1, burst_s=1)}
    throttle = Throttle(lambda: Projects(dict(rules)), clock)
    assert throttle.ask("shop", 1000) == 0
    assert throttle.ask("shop", 1) > 0
    rules["shop"] = Rules(spans_per_second=1e6)
    assert throttle.ask("shop", 1) == 0
