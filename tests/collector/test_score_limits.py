from __future__ import annotations

from watchpost_collector.scores.limits import ScoreLimits


def test_a_name_may_write_many_at_once_and_then_as_its_rate_allows() -> None:
    now = 100.0
    limits = ScoreLimits(per_second=2.0, at_once=10.0, clock=lambda: now)

    assert [limits.ask(b"key", 5) for _ in range(2)] == [0.0, 0.0]
    assert 0 < limits.ask(b"key", 1) <= 0.5
    now += 1.0
    assert limits.ask(b"key", 1) == 0.0


def test_what_empties_the_bucket_passes_and_is_paid_for_later() -> None:
    now = 100.0
    limits = ScoreLimits(per_second=1.0, at_once=10.0, clock=lambda: now)

    assert limits.ask(b"key", 100) == 0.0
    assert 89.0 < limits.ask(b"key", 1) <= 90.5


def test_names_do_not_pay_for_each_other() -> None:
    limits = ScoreLimits(per_second=1.0, at_once=1.0, clock=lambda: 100.0)

    assert limits.ask(b"one", 1) == 0.0
    assert limits.ask(b"one", 1) > 0
    assert limits.ask(b"other", 1) == 0.0
