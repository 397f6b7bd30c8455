"""The prompt library on both engines: numbers, labels, and what is never made twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from store_segments import name_segment

from watchpost.errors import ConfigError
from watchpost.template import hash_template, read_template
from watchpost_collector.store.client import Store
from watchpost_collector.store.prompts import LATEST, Draft, Moved, PromptLibrary, Pushed

CHAT = [{"role": "system", "content": "You are {{who}}."}, {"role": "user", "content": "{{q}}"}]


class Shelf:
    """A library with a project of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.library = PromptLibrary(store)
        self.project = name_segment("prompts")

    def push(self, template: Any, name: str = "answer", **more: Any) -> tuple[int, bool]:
        draft = Draft(name, read_template(template), **more)
        [pushed] = self.library.push(self.project, [draft])
        return pushed.version, pushed.new

    def move(self, label: str, version: int, name: str = "answer") -> tuple[int, int]:
        moved = self.library.move_label(self.project, name, label, version)
        return moved.before, moved.after

    def text(self, label: str = "", version: int = 0, name: str = "answer") -> str | None:
        found = self.library.find(self.project, name, label, version)
        return found.template if found is not None else None


@pytest.fixture
def shelf(store: Store) -> Shelf:
    return Shelf(store)


def test_versions_are_numbered_and_kept(shelf: Shelf) -> None:
    assert [shelf.push("one"), shelf.push("two"), shelf.push("other", "b")] == [
        (1, True),
        (2, True),
        (1, True),
    ]
    assert [shelf.text(version=n) for n in (1, 2, 3)] == ["one", "two", None]


def test_a_template_that_was_pushed_before_makes_no_new_version(shelf: Shelf) -> None:
    shelf.push("one")
    shelf.push(CHAT)

    assert shelf.push("one") == (1, False)
    assert shelf.push([dict(reversed(m.items())) for m in CHAT]) == (2, False)
    assert shelf.push("one ") == (3, True)
    assert len(shelf.library.list_versions(shelf.project, "answer")) == 3


def test_messages_and_the_text_that_spells_them_are_two_templates(shelf: Shelf) -> None:
    shelf.push(CHAT)
    assert shelf.push(read_template(CHAT).source) == (2, True)


def test_a_version_says_what_it_is(shelf: Shelf) -> None:
    shelf.push("Say {{x}}", note="the first")
    shelf.move("production", 1)

    found = shelf.library.find(shelf.project, "answer", version=1)

    assert found is not None
    assert (found.version, found.kind, found.note) == (1, "text", "the first")
    assert found.sha.startswith(hash_template("Say {{x}}"))
    assert found.labels == ("production",)


def test_a_label_stands_where_it_was_moved_last_and_its_way_is_kept(shelf: Shelf) -> None:
    for text in ("one", "two", "three"):
        shelf.push(text)

    ways = [shelf.move("production", version) for version in (1, 3, 2, 2)]

    assert ways == [(0, 1), (1, 3), (3, 2), (2, 2)]
    assert shelf.text("production") == "two"
    moves = shelf.library.list_moves(shelf.project, "answer")
    assert [(m.label, m.version) for m in moves] == [
        ("production", 2),
        ("production", 3),
        ("production", 1),
    ]


def test_several_are_pushed_with_a_label_and_what_stands_there_is_not_moved(shelf: Shelf) -> None:
    shelf.push("one")
    shelf.move("production", 1)
    drafts = [Draft("answer", read_template("one")), Draft("b", read_template("two"), "new")]

    pushed = shelf.library.push(shelf.project, drafts, "production")

    assert pushed == [
        Pushed("answer", 1, False, Moved("answer", "production", 1, 1)),
        Pushed("b", 1, True, Moved("b", "production", 0, 1)),
    ]
    assert len(shelf.library.list_moves(shelf.project, "answer")) == 1


@pytest.mark.parametrize(
    ("label", "second", "told"),
    [
        (LATEST, Draft("b", read_template("two")), "newest version by itself"),
        ("7", Draft("b", read_template("two")), "not digits alone"),
        ("production", Draft("b ", read_template("two")), "no space at either end"),
        ("production", Draft("b", read_template("two"), "x" * 1001), "at most 1000"),
        ("production", Draft("answer", read_template("two")), "once at a time"),
    ],
    ids=["latest", "number", "name", "note", "twice"],
)
def test_of_what_is_pushed_together_nothing_is_written_where_a_part_is_refused(
    shelf: Shelf, label: str, second: Draft, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        shelf.library.push(shelf.project, [Draft("answer", read_template("one")), second], label)

    assert shelf.library.list_newest(shelf.project) == []


def test_a_label_goes_by_the_number_of_its_move_and_no_clock(shelf: Shelf) -> None:
    shelf.push("one")
    shelf.push("two")
    shelf.move("production", 1)
    names = ["project", "name", "label", "version", "move", "moved"]
    row = [shelf.project, "answer", "production", 2, 2, "2001-01-01 00:00:00"]
    shelf.store.command(
        f"insert into watchpost.prompt_labels ({', '.join(names)}) values "
        f"({', '.join(repr(value) for value in row)})"
    )

    assert PromptLibrary(shelf.store).find(shelf.project, "answer", "production").version == 2  # type: ignore[union-attr]
    assert shelf.move("production", 1) == (2, 1)
    assert shelf.text("production") == "one"


def test_latest_is_the_newest_version_and_nobody_moves_it(shelf: Shelf) -> None:
    assert shelf.text(LATEST) is None
    shelf.push("one")
    assert shelf.text(LATEST) == "one"
    shelf.push("two")
    assert shelf.text(LATEST) == "two"
    with pytest.raises(ConfigError, match="newest version by itself"):
        shelf.move(LATEST, 1)


def test_a_label_moves_to_a_version_that_is_there(shelf: Shelf) -> None:
    shelf.push("one")
    with pytest.raises(ConfigError, match=r"version=2 .*'answer' has no such version"):
        shelf.move("production", 2)
    with pytest.raises(ConfigError, match="no such version"):
        shelf.move("production", 1, "elsewhere")
    assert shelf.text("production") is None


def test_projects_do_not_see_each_other(shelf: Shelf, store: Store) -> None:
    other = Shelf(store)
    shelf.push("one")
    shelf.move("production", 1)

    assert other.text("production") is None
    assert other.library.list_newest(other.project) == []
    assert other.push("two") == (1, True)
    assert shelf.text("production") == "one"


def test_the_list_says_of_each_prompt_its_newest_version_and_its_labels(shelf: Shelf) -> None:
    shelf.push(CHAT)
    shelf.push("two", note="shorter")
    shelf.push("b", "b")
    shelf.move("staging", 2)
    shelf.move("production", 1)
    shelf.move("canary", 2)

    found = [
        tuple(row[k] for k in ("name", "version", "versions", "kind", "note", "labels"))
        for row in shelf.library.list_newest(shelf.project)
    ]

    assert found == [
        ("answer", 2, 2, "text", "shorter", {"canary": 2, "production": 1, "staging": 2}),
        ("b", 1, 1, "text", "", {}),
    ]


def test_pushes_at_the_same_moment_get_numbers_of_their_own(shelf: Shelf) -> None:
    shelf.push("zero")
    start = threading.Barrier(4)
    got: list[tuple[int, bool]] = []

    def push(number: int) -> None:
        start.wait()
        got.append(shelf.push(f"template {number % 3}"))

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(version for version, new in got if new) == [2, 3, 4]
    assert len(got) == 4


def test_a_number_that_two_collectors_gave_out_is_the_first_ones(shelf: Shelf) -> None:
    mine, theirs = read_template("mine"), read_template("theirs")
    library = shelf.library
    genuine = library._find_newest
    races = iter([True])

    def slow(project: str, name: str) -> int:
        newest = genuine(project, name)
        if next(races, False):
            # Between the look and the insert another collector takes the number.
            PromptLibrary(shelf.store).push(project, [Draft(name, theirs)])
        return newest

    library._find_newest = slow  # type: ignore[method-assign]

    drafts = [Draft("answer", mine), Draft("beside", theirs)]
    assert [one.version for one in library.push(shelf.project, drafts)] == [2, 1]
    assert (shelf.text(version=1), shelf.text(version=2)) == ("theirs", "mine")
    assert [(one.version, one.new) for one in library.push(shelf.project, drafts)] == [
        (2, False),
        (1, False),
    ]


def test_what_one_collector_wrote_another_of_the_store_sees_soon(shelf: Shelf) -> None:
    other = PromptLibrary(shelf.store)
    shelf.push("one")
    shelf.move("production", 1)
    assert other.find(shelf.project, "answer", "production").version == 1  # type: ignore[union-attr]
    shelf.push("two")
    shelf.move("production", 2)

    other.forget()

    assert other.find(shelf.project, "answer", "production").version == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "x" * 201])
def test_a_name_is_one_line(shelf: Shelf, name: str) -> None:
    with pytest.raises(ConfigError, match="name="):
        shelf.push("one", name)


@pytest.mark.parametrize("label", ["", "7", "a b", "-a", "x" * 65, "é"])
def test_a_label_is_a_word_and_no_number(shelf: Shelf, label: str) -> None:
    shelf.push("one")
    with pytest.raises(ConfigError, match="label="):
        shelf.move(label, 1)


def test_names_and_templates_are_kept_to_the_letter(shelf: Shelf) -> None:
    name, text = "support/reply 'é' {x}", "a\tb\\n '\"`{{x}} \N{PILE OF POO}\n"
    shelf.push(text, name)
    assert shelf.text(version=1, name=name) == text
    [row] = shelf.library.list_newest(shelf.project)
    assert row["name"] == name
