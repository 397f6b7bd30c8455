"""A circuit opens on failures in a row, and closes on the answer of a single probe."""

import threading

import pytest

from watchpost.screening.breaker import COOL_DOWN_S, OPENS_AFTER, Breaker


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.report(ticket, is_well=False)


def test_it_opens_after_failures_in_a_row_and_not_before(breaker: Breaker) -> None:
    fail(breaker, OPENS_AFTER - 1)
    assert not breaker.refuses
    fail(breaker)
    assert breaker.refuses
    assert breaker.admit() is None


def test_an_answer_in_between_begins_the_count_again(breaker: Breaker) -> None:
    fail(breaker, OPENS_AFTER - 1)
    breaker.report(breaker.admit() or 0, is_well=True)
    fail(breaker, OPENS_AFTER - 1)
    assert breaker.admit() is not None


def test_after_the_cool_down_one_of_many_threads_is_the_probe(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, OPENS_AFTER)
    clock.now_s += COOL_DOWN_S
    assert not breaker.refuses
    start = threading.Barrier(16)
    admitted: list[int | None] = []

    def ask() -> None:
        start.wait(20)
        admitted.append(breaker.admit())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(ticket is not None for ticket in admitted) == 1


def test_the_probes_answer_closes_the_circuit(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, OPENS_AFTER)
    clock.now_s += COOL_DOWN_S
    breaker.report(breaker.admit() or 0, is_well=True)
    assert [breaker.admit() is not None for _ in range(3)] == [True, True, True]
    fail(breaker, OPENS_AFTER - 1)
    assert not breaker.refuses


def test_the_probes_failure_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, OPENS_AFTER)
    clock.now_s += COOL_DOWN_S
    fail(breaker)
    clock.now_s += COOL_DOWN_S - 0.01
    assert breaker.admit() is None
    clock.now_s += 0.01
    assert breaker.admit() is not None


def test_a_probe_that_never_comes_back_is_replaced(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, OPENS_AFTER)
    clock.now_s += COOL_DOWN_S
    lost = breaker.admit()
    assert lost is not None
    assert breaker.admit() is None
    clock.now_s += COOL_DOWN_S
    second = breaker.admit()
    assert second is not None
    breaker.report(lost, is_well=False)
    breaker.report(second, is_well=True)
    assert breaker.admit() is not None


def test_what_was_asked_before_it_opened_neither_closes_nor_prolongs_it(
    breaker: Breaker, clock: Clock
) -> None:
    early, other = breaker.admit(), breaker.admit()
    fail(breaker, OPENS_AFTER)
    breaker.report(early or 0, is_well=True)
    assert breaker.admit() is None
    clock.now_s += COOL_DOWN_S / 2
    breaker.report(other or 0, is_well=False)
    clock.now_s += COOL_DOWN_S / 2
    assert breaker.admit() is not None
