"""One question to a server of prompts, and what may come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from standin_library import StandInLibrary

from watchpost.prompts.fetch import Fetched, Wanted, fetch
from watchpost.prompts.prompt import Prompt
from watchpost.runtime import Collector


@pytest.fixture
def library() -> Iterator[StandInLibrary]:
    serving = StandInLibrary()
    yield serving
    serving.close()


def ask(library: StandInLibrary, held: Fetched | None = None, **more: Any) -> Fetched:
    source = Collector(library.url + more.pop("prefix", ""), more.pop("key", ""))
    return fetch(Wanted(source, "answer", **{"label": "production", **more}), held or Fetched())


def test_a_prompt_comes_with_its_tag_and_is_not_sent_again(library: StandInLibrary) -> None:
    library.texts["answer"] = "Say {{x}}"

    first = ask(library)
    again = ask(library, first)

    assert first.prompt == Prompt("answer", "Say {{x}}", "9", "production")
    assert again is first
    assert library.unchanged == 1


@pytest.mark.parametrize("prefix", ["", "/", "/behind", "/behind/v1/traces"])
def test_it_is_asked_for_where_spans_are_sent(library: StandInLibrary, prefix: str) -> None:
    library.texts["answer"] = "one"
    assert ask(library, prefix=prefix, key="k" * 20).prompt is not None
    [asked] = library.asked
    behind = "/behind" if "behind" in prefix else ""
    assert asked["path"] == f"{behind}/api/v1/prompts/template"
    assert asked["key"] == f"Bearer {'k' * 20}"


def test_the_key_is_not_shown() -> None:
    assert "k" * 20 not in repr(Wanted(Collector("u", "k" * 20), "answer"))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b'{"error": "a key is needed"}', "a key is needed"),
        (503, b"{}", "HTTP 503"),
        (200, b"<html>", "answers no prompt"),
        (200, b"[]", "answers no prompt"),
        (200, b'{"version": 1, "template": 7}', "answers no prompt"),
        (200, b'{"template": "no version"}', "answers no prompt"),
        (304, b"", "answers no prompt"),
        (200, b"[" * 100_000, "answers no prompt"),
        (200, b'"' + b"x" * 3_000_000, "answers no prompt"),
    ],
)
def test_an_answer_that_is_no_prompt_is_a_reason_and_no_crash(
    library: StandInLibrary, status: int, body: bytes, told: str
) -> None:
    library.status, library.body = status, body
    found = ask(library)
    assert found.prompt is None
    assert told in found.reason


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://[::1"])
def test_what_cannot_be_reached_is_a_reason_too(url: str) -> None:
    found = fetch(Wanted(Collector(url), "answer", "production"), Fetched())
    assert found.prompt is None
    assert url in found.reason
