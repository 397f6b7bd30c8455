"""Templates: what is a variable, what is filled in, and what stays as it was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchpost.errors import ConfigError
from watchpost.template import MOST_CHARACTERS, fill, hash_template, read_template

CHAT = [
    {"role": "system", "content": "You answer for {{shop}}."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "{{ question }}"},
            {"type": "image_url", "image_url": {"url": "{{picture}}", "detail": "low"}},
        ],
        "cache": True,
    },
]


def test_variables_are_those_in_double_braces_each_once_in_their_order() -> None:
    read = read_template("{{b}} {{ a }} {{b}} {c} {{}} {{1}} {{d-e}} {{#if f}}")
    assert read.variables == ("b", "a")


def test_variables_of_messages_are_found_wherever_a_text_is() -> None:
    # Keys of a message have no order: it is that of the template as it is stored.
    assert set(read_template(CHAT).variables) == {"shop", "question", "picture"}


def test_what_is_no_placeholder_stays_as_it_was_written() -> None:
    text = 'Answer as {"a": {"b": 1}} and {{#if}}; {{name}}'
    assert fill(read_template(text), {"name": "x"}) == 'Answer as {"a": {"b": 1}} and {{#if}}; x'


def test_messages_are_filled_in_and_keep_everything_else() -> None:
    read = read_template(CHAT)
    filled = fill(read, {"shop": "Acme", "question": "why?", "picture": "http://x/y.png"})
    assert filled[0] == {"role": "system", "content": "You answer for Acme."}
    assert filled[1]["content"][1]["image_url"] == {"url": "http://x/y.png", "detail": "low"}
    assert filled[1]["cache"] is True
    filled[0]["content"] = "changed"
    assert read.content == CHAT


@given(st.text(), st.text())
def test_a_value_is_put_in_to_the_letter_whatever_it_looks_like(one: str, two: str) -> None:
    read = read_template("<{{a}}|{{b}}>")
    value = one + "{{b}}\\1"
    assert fill(read, {"a": value, "b": two}) == f"<{value}|{two}>"


def test_the_hash_of_a_text_is_the_one_of_observe() -> None:
    assert read_template("Say {{x}}").sha.startswith(hash_template("Say {{x}}"))


def test_messages_that_differ_only_in_the_order_of_keys_are_the_same_template() -> None:
    turned: list[Any] = [dict(reversed(message.items())) for message in CHAT]
    assert read_template(turned) == read_template(CHAT)
    assert read_template(turned).sha == read_template(CHAT).sha


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        b"bytes",
        [],
        ["text"],
        [{"content": "no role"}],
        [{"role": 1, "content": ""}],
        [{"role": "user", "content": object()}],
        "x" * (MOST_CHARACTERS + 1),
    ],
)
def test_what_is_no_template_is_refused_with_the_cure(wrong: object) -> None:
    with pytest.raises(ConfigError, match=r"^template="):
        read_template(wrong)


def test_a_template_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ConfigError, match="levels deep"):
        read_template([{"role": "user", "content": deep}])
