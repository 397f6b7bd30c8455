"""Guards over streams: nothing they find is longer than they say, and no chunking changes it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost.screening.decision import mask
from watchpost.screening.guard import Finding, Question
from watchpost.screening.policy import Policy
from watchpost.screening.screen import screen
from watchpost.screening.window import Window, find_reach, find_redacted
from watchpost_guards import pii, secrets
from watchpost_guards.models import segments

POLICY = Policy(redact=[pii.create(learned=()), secrets.create()])
LEARNED = Policy(redact=[pii.create(learned=pii.LEARNED)])
PROSE = "It was said that nothing of the kind had ever been seen near the harbour before. "
# Put together here so that no scanner of this repository takes them for leaked ones.
HIDDEN = (
    "ada.lovelace@example.com",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "+41 44 668 18 00",
    "my social security number is 536-90-4399",
    "8.8.4.4",
    'the password is "' + "correct horse battery staple 9" + '"',
    "sk-" + "proj-abcdEFGH1234567890abcdEFGH",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" * 30 + ".dozjgNryP4J3jVmNHl0w5N",
    "https://bob:hunter2@example.com/x",
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEA\n" * 70
    + "-----END RSA PRIVATE KEY-----",
)
DISGUISES = (
    str,
    quote,
    lambda text: base64.b64encode(f"it is {text} here".encode()).decode(),
    lambda text: text.replace("@", "&commat;").replace("1", "\\u0031"),
    lambda text: "\u200b".join(text),
    lambda text: "\u200b\u2060\ufeff".join(text),
    lambda text: text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    lambda text: "   ".join(" ".join(word) for word in text.split()),
)
PARTS = st.one_of(
    st.just(PROSE),
    st.tuples(st.sampled_from(HIDDEN), st.sampled_from(DISGUISES)).map(lambda p: p[1](p[0])),
    st.integers(1, 400).map(lambda size: PROSE * 5 + PROSE[: size % 80]),
    st.sampled_from(["1, 2, 3", "in 2024", "a=b", "{'id': 7}", "x" * 300, "10:45", "v1.2.3"]),
)
TEXTS = st.lists(PARTS, min_size=3, max_size=9).map(" ; ".join)


def look(text: str, policy: Policy = POLICY) -> list[Finding]:
    return find_redacted(screen(policy, Question(text, "output")), len(text))


def stream(pieces: list[str], policy: Policy = POLICY) -> list[str]:
    """What was shown, one item for each piece."""
    window = Window(find_reach(policy, "output"))
    held: list[tuple[int, str]] = []
    shown: list[str] = []
    for piece in [*pieces, None]:
        if piece is None:
            window.close()
        else:
            held.append((window.length, piece))
            window.feed(piece)
        while text := window.ask():
            window.answer(look(text, policy))
        while held and held[0][0] + len(held[0][1]) <= window.settled:
            shown.append(window.show(*held.pop(0))[1])
    return shown


def test_guards_tell_how_far_they_see() -> None:
    assert find_reach(POLICY, "output") == max(pii.REACH, secrets.REACH)
    assert find_reach(LEARNED, "output") == segments.REACH > pii.REACH


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 100_000), max_size=40))
def test_a_streams_redaction_is_that_of_the_whole_text_however_it_is_cut(
    text: str, borders: list[int]
) -> None:
    expected = mask(text, look(text))
    places = sorted({0, len(text), *(border % (len(text) + 1) for border in borders)})
    shown = ""
    for part in stream([text[start:end] for start, end in pairwise(places)]):
        shown += part
        assert expected.startswith(shown)
    assert shown == expected


# What the tagger finds and what it does not, short and long, with and without places to cut at.
TOLD = (
    *(
        "Ada Lovelace met Charles Babbage in London.",
        "ship to 12 Long Street, Springfield, IL 62704",
    ),
    *("Name: Grace Hopper\nBorn: December 9, 1906\n\n", "x" * 500, "the day was calm, " * 12),
    *('{"customer": "Joan Clarke", "city": "Bletchley", "total": 7}\n', "1, 2, 3", "a=b&c=d"),
    quote("Alan Turing worked at the University of Manchester."),
)
PEOPLE = st.lists(st.one_of(st.sampled_from(TOLD), st.just(PROSE * 2)), min_size=8, max_size=24)


@settings(max_examples=6, deadline=None)
@given(PEOPLE.map(" ".join), st.lists(st.integers(0, 100_000), max_size=12))
def test_names_in_a_stream_are_hidden_as_in_the_whole_text(text: str, borders: list[int]) -> None:
    expected = mask(text, look(text, LEARNED))
    places = sorted({0, len(text), *(border % (len(text) + 1) for border in borders)})
    shown = ""
    for part in stream([text[start:end] for start, end in pairwise(places)], LEARNED):
        shown += part
        assert expected.startswith(shown)
    assert shown == expected


@pytest.mark.parametrize("disguise", DISGUISES, ids=range(len(DISGUISES)))
def test_a_token_longer_than_guards_see_is_hidden_whole_in_every_disguise(
    disguise: Callable[[str], str],
) -> None:
    token = disguise(next(text for text in HIDDEN if text.startswith("eyJ")))
    text = f"{PROSE * 5} ; {token} ; {PROSE * 5}"
    expected = mask(text, look(text))
    middle = len(PROSE) * 5 + len(token)
    for cut in (middle - len(token) // 8, middle - len(token) // 3):
        assert "".join(stream([text[:cut], text[cut:]])) == expected


@pytest.mark.parametrize("hidden", HIDDEN, ids=range(len(HIDDEN)))
def test_what_is_found_after_much_that_was_shown_is_hidden_whole(hidden: str) -> None:
    text = PROSE * 25 + hidden + " . " + PROSE * 25
    pieces = [text[start : start + 4] for start in range(0, len(text), 4)]
    shown = "".join(stream(pieces))

    assert hidden not in shown
    assert shown == mask(text, look(text))


LONGEST = {
    "address": f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.com"[:316] + ".com",
    "name and quoted value": 'secret access key_string\\"    :=    "' + "a1b2c3 " * 73 + '"',
    "address with a password": "://" + "u" * 128 + ":" + "p" * 256 + "@",
    "webhook": "hooks.slack.com/workflows/" + "A1/" * 66,
}


@pytest.mark.parametrize("text", LONGEST.values(), ids=list(LONGEST))
def test_the_longest_that_is_unseen_until_its_last_character_is_within_reach(text: str) -> None:
    reach = find_reach(POLICY, "output")
    assert reach is not None
    assert look(text)
    assert len(text) <= reach


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIB AAKCAQEA\n" * 300,
        "Authorization: Bearer " + "a1B2.c3-" * 300,
        "sk-" + "a1B2c3" * 30,
    ],
    ids=["private key", "bearer", "api key"],
)
def test_what_may_grow_past_the_reach_is_found_before_it_is_whole(text: str) -> None:
    begun = text[:120]
    assert any(finding.end == len(begun) for finding in look(begun))
