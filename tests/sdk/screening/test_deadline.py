"""Until when an answer is wanted, as whoever works on it finds out."""

import threading
import time
from math import inf

from watchpost.screening.deadline import due, find_deadline, remaining_s


def test_where_nobody_said_anything_is_in_time() -> None:
    assert find_deadline() == inf
    assert remaining_s(5.0) == 5.0


def test_the_earlier_of_two_deadlines_holds_and_each_ends_with_its_block() -> None:
    soon, later = time.monotonic() + 100, time.monotonic() + 200
    with due(later):
        with due(soon):
            assert find_deadline() == soon
        with due(inf):
            assert find_deadline() == later
        assert find_deadline() == later
    assert find_deadline() == inf


def test_nothing_is_left_of_a_moment_that_passed() -> None:
    with due(time.monotonic() - 1):
        assert remaining_s() == 0.0


def test_a_thread_of_its_own_has_a_deadline_of_its_own() -> None:
    found: list[float] = []
    with due(time.monotonic() + 1):
        thread = threading.Thread(target=lambda: found.append(find_deadline()))
        thread.start()
        thread.join()
    assert found == [inf]
