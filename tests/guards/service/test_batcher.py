"""The device's thread: who waits, for how long, and what goes through together."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gated_engine import GatedEngine

from watchpost.errors import Full
from watchpost.screening.deadline import due
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.schedule import Bounds


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    running = Batcher(Bounds(batch_tokens=64, waiting_tokens=128), Meter())
    yield running
    running.close()


def test_answers_come_in_the_order_of_the_rows(batcher: Batcher) -> None:
    assert batcher.run(open_engine(), [3, 1, 2], [16, 40, 5]) == [6, 2, 4]
    assert batcher.run(open_engine(), [], []) == []


def test_what_gathers_while_the_device_is_busy_goes_through_together(batcher: Batcher) -> None:
    model = GatedEngine()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.run, model, [1], [16])
        assert model.started.wait(30)
        others = [pool.submit(batcher.run, model, [number], [16]) for number in (2, 3, 4)]
        wait_until(lambda: batcher.waiting_tokens == 48)
        model.free.set()
        assert [one.result() for one in (first, *others)] == [[2], [4], [6], [8]]
    assert len(model.batches) == 2
    assert sorted(model.batches[1]) == [2, 3, 4]


def test_a_row_that_fails_takes_no_other_with_it(batcher: Batcher) -> None:
    model = GatedEngine()
    with ThreadPoolExecutor(3) as pool:
        pool.submit(batcher.run, model, [1], [16])
        assert model.started.wait(30)
        well = pool.submit(batcher.run, model, [2], [16])
        ill = pool.submit(batcher.run, model, [13], [16])
        wait_until(lambda: batcher.waiting_tokens == 32)
        model.free.set()
        assert well.result() == [4]
        with pytest.raises(ArithmeticError):
            ill.result()
    assert batcher.run(model, [5], [16]) == [10]


def test_a_caller_waits_no_longer_than_his_deadline_and_his_row_costs_nothing(
    batcher: Batcher,
) -> None:
    model = GatedEngine()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batcher.run, model, [1], [16])
        assert model.started.wait(30)
        with due(time.monotonic() + 0.01), pytest.raises(TimeoutError):
            batcher.run(model, [2], [16])
        model.free.set()
        assert first.result() == [2]
    assert batcher.run(model, [3], [16]) == [6]
    assert model.batches == [(1,), (3,)]


def test_more_than_may_wait_is_refused_and_what_nobody_waits_for_makes_room(
    batcher: Batcher,
) -> None:
    model = GatedEngine()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(batcher.run, model, [1], [16])
        assert model.started.wait(30)
        with due(time.monotonic() + 0.01), pytest.raises(TimeoutError):
            batcher.run(model, [2] * 8, [16] * 8)
        late = pool.submit(batcher.run, model, [3] * 9, [16] * 9)
        # The first eight have gone: the next nine are taken, and then it is full.
        wait_until(lambda: batcher.waiting_tokens == 144)
        with pytest.raises(Full) as refused:
            batcher.run(model, [4], [16])
        model.free.set()
        assert late.result() == [6] * 9
    assert refused.value.retry_after_s >= 1


def test_what_was_taken_is_finished_before_it_closes() -> None:
    model = GatedEngine()
    batcher = Batcher(Bounds(), Meter())
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(batcher.run, model, [1], [16])
        assert model.started.wait(30)
        closing = pool.submit(batcher.close)
        wait_until(lambda: refuses(batcher, model))
        model.free.set()
        closing.result()
        assert taken.result() == [2]
    assert not batcher.is_alive


def open_engine() -> GatedEngine:
    engine = GatedEngine()
    engine.free.set()
    return engine


def refuses(batcher: Batcher, model: GatedEngine) -> bool:
    try:
        with due(time.monotonic() + 0.001):
            batcher.run(model, [9], [16])
    except (Full, TimeoutError) as error:
        return isinstance(error, Full)
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)
