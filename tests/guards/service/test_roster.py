"""Guards replaced while they work: nobody is answered by a closed one, and none is left open."""

import threading
from dataclasses import dataclass, field

import pytest

from watchpost import Verdict
from watchpost.errors import ConfigError
from watchpost.screening.guard import Guard, Question
from watchpost_guards.service.roster import Busy, Roster, refuse_replacement


@dataclass(eq=False)
class Versioned:
    """A guard with a revision that notes what becomes of it."""

    revision: str
    name: str = "word"
    events: list[str] = field(default_factory=list)

    def warm(self) -> None:
        self.events.append("warm")

    def close(self) -> None:
        self.events.append("close")

    def check(self, question: Question) -> Verdict:
        return Verdict(self.name, revision=self.revision)


def make_roster(old: Versioned, new: Versioned) -> Roster:
    return Roster({"word": old}, lambda name, revision: new)


def test_a_new_revision_is_warm_before_it_answers_and_the_old_one_is_closed() -> None:
    old, new = Versioned("1"), Versioned("2")
    roster = make_roster(old, new)
    assert roster.replace("word", "2") == ("1", "2")
    assert (old.events, new.events) == (["close"], ["warm"])
    assert roster.list_revisions() == {"word": "2"}


def test_who_is_being_answered_keeps_the_guard_he_was_given() -> None:
    old, new = Versioned("1"), Versioned("2")
    roster = make_roster(old, new)
    with roster.borrow("word") as first, roster.borrow("word"):
        roster.replace("word", "2")
        with roster.borrow("word") as second:
            assert first.check(Question("")).revision == "1"
            assert second.check(Question("")).revision == "2"
        assert old.events == []
    assert old.events == ["close"]
    assert new.events == ["warm"]


def test_the_old_one_answers_while_the_new_one_is_loaded_and_nobody_loads_a_third() -> None:
    loading, loaded = threading.Event(), threading.Event()

    def load(name: str, revision: str) -> Guard:
        loading.set()
        assert loaded.wait(30)
        return Versioned(revision)

    roster = Roster({"word": Versioned("1")}, load)
    thread = threading.Thread(target=roster.replace, args=("word", "2"))
    thread.start()
    assert loading.wait(30)
    with pytest.raises(Busy):
        roster.replace("word", "3")
    assert roster.list_revisions() == {"word": "1"}
    loaded.set()
    thread.join()
    assert roster.list_revisions() == {"word": "2"}


def test_a_revision_that_cannot_be_had_changes_nothing() -> None:
    old = Versioned("1")
    roster = Roster({"word": old}, refuse_replacement)
    for _ in range(2):
        with pytest.raises(ConfigError):
            roster.replace("word", "2")
    assert old.events == []
    with pytest.raises(KeyError):
        roster.replace("nobody", "2")


def test_closing_closes_every_guard() -> None:
    old = Versioned("1")
    make_roster(old, Versioned("2")).close()
    assert old.events == ["close"]
