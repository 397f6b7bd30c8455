"""What was computed last is given again, within bounds, and computed by one for all who ask."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from watchpost_guards.models.remembered import Remembered


def counted(values: list[str], value: str) -> Callable[[], str]:
    def compute() -> str:
        values.append(value)
        return value

    return compute


def test_a_value_is_computed_once_for_all_who_ask_at_the_same_time() -> None:
    held: Remembered[str] = Remembered(4, 100, len)
    computed: list[str] = []
    begun, free = threading.Event(), threading.Event()

    def compute() -> str:
        begun.set()
        assert free.wait(30)
        computed.append("value")
        return "value"

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(held.ask, b"key", compute)
        assert begun.wait(30)
        others = [pool.submit(held.ask, b"key", compute) for _ in range(2)]
        free.set()
        assert [one.result() for one in (first, *others)] == ["value"] * 3
    assert computed == ["value"]


@pytest.mark.parametrize(
    ("most", "heaviest", "kept"), [(2, 100, ["c", "b"]), (9, 11, ["c"]), (9, 4, [])]
)
def test_what_was_asked_for_longest_ago_is_dropped(
    most: int, heaviest: int, kept: list[str]
) -> None:
    held: Remembered[str] = Remembered(most, heaviest, lambda value: 5 if value != "c" else 7)
    computed: list[str] = []
    for name in "abc":
        assert held.ask(name.encode(), counted(computed, name)) == name
    computed.clear()
    for name in kept:
        assert held.ask(name.encode(), counted(computed, name)) == name
    assert computed == []
    assert held.ask(b"a", counted(computed, "a")) == "a"
    assert computed == ["a"]


def test_a_failure_is_its_askers_alone_and_the_next_computes_anew() -> None:
    held: Remembered[str] = Remembered(4, 100, len)

    def fail() -> str:
        raise TimeoutError("too late")

    with pytest.raises(TimeoutError):
        held.ask(b"key", fail)
    assert held.ask(b"key", lambda: "well") == "well"
