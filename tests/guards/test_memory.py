"""Memory over many checks: what was asked before costs nothing now."""

from __future__ import annotations

import pytest
from endurance import count_growth, make_light_guards

from watchpost.screening import screen
from watchpost.screening.guard import Question, Verdict


class Hoarder:
    """Keeps what it is asked, as no guard may: the measure has to see it."""

    name = "hoarder"

    def __init__(self) -> None:
        self._kept: list[str] = []

    def check(self, question: Question) -> Verdict:
        self._kept.append(question.text * 10)
        return Verdict(self.name)


@pytest.fixture(autouse=True)
def _remember_little(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is remembered on purpose is full before anything is counted.
    monkeypatch.setattr(screen, "REMEMBERED_VERDICTS", 64)


def test_memory_is_flat_over_many_checks() -> None:
    assert count_growth(make_light_guards(), 100) < 32 * 1024


def test_a_guard_that_keeps_what_it_is_asked_is_seen() -> None:
    assert count_growth([*make_light_guards(), Hoarder()], 70) > 100 * 1024
