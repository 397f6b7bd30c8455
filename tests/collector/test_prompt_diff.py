"""What is told of two templates: lines, tokens, variables."""

from __future__ import annotations

import tiktoken

from watchpost.template import read_template
from watchpost_collector.command.prompt_diff import (
    count,
    tell_difference,
    tell_tokens,
    write_lines,
)

LONG = "\n".join(f"line {number}" for number in range(40))


def count_truly(text: str) -> int:
    return len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))


def test_a_difference_says_lines_and_what_they_cost() -> None:
    before = read_template(f"Hello {{{{who}}}}.\n{LONG}")
    after = read_template(f"Hello dear {{{{who}}}}.\n{LONG}\nBye, and come again.")
    sizes = [count_truly(template.source) for template in (before, after)]

    kept = "line 37\nline 38\nline 39"
    ends = [count_truly(kept), count_truly(f"{kept}\nBye, and come again.")]

    head, *rest = tell_difference(before, after, "gpt-4o")

    assert head == (
        f"tokens: about {sizes[0]} -> {sizes[1]} (+{sizes[1] - sizes[0]}), "
        "an estimate as gpt-4o counts"
    )
    assert rest == [
        "@@ -1,4 +1,4 @@ about +1 tokens",
        *("-Hello {{who}}.", "+Hello dear {{who}}."),
        *(" line 0", " line 1", " line 2"),
        f"@@ -39,3 +39,4 @@ about +{ends[1] - ends[0]} tokens",
        *(" line 37", " line 38", " line 39", "+Bye, and come again."),
    ]


def test_variables_that_come_and_go_are_named() -> None:
    told = list(tell_difference(read_template("{{a}} {{b}}"), read_template("{{b}} {{c}}"), ""))
    assert told[1] == "variables: +c, -a (whoever renders it has to give what it has)"


def test_messages_are_written_role_by_role() -> None:
    template = read_template(
        [
            {"role": "system", "content": "one\ntwo", "name": "boss"},
            {"role": "user", "content": [{"type": "text", "text": "é {{q}}"}]},
        ]
    )
    assert write_lines(template) == [
        '[system] {"name": "boss"}',
        *("one", "two", "[user]"),
        *("[", "  {", '    "text": "é {{q}}",', '    "type": "text"', "  }", "]"),
    ]


def test_a_text_that_becomes_messages_is_said_so() -> None:
    told = list(
        tell_difference(read_template("a"), read_template([{"role": "user", "content": "a"}]), "")
    )
    more = count_truly("[user]\na") - count_truly("a")
    assert told[1:] == [
        *(f"@@ -1,1 +1,2 @@ about +{more} tokens", "+[user]", " a"),
        "a text template became a chat template",
    ]


def test_what_cannot_be_counted_is_not_guessed() -> None:
    assert "not counted" in tell_tokens("tokens", None, 7, "gpt-4o")
    assert count(["a", "b"], "gpt-4o") == count_truly("a\nb")
