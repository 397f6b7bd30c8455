"""The hold-back window: what is shown is what the whole would show, and never sooner."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost.screening.decision import mask
from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle
from watchpost.screening.policy import Policy
from watchpost.screening.screen import screen
from watchpost.screening.window import SLACK, Window, find_reach, find_redacted, narrow

# Longer than its beginning tells, with what stands before it, and one that may not stand alone.
CODES = re.compile(r"(?<![a-z])code [0-9]{4}(?:-[0-9]{2}){0,3}|Ada Lovelace|<[a-z ]{3,18}>")


class CodeGuard:
    """Finds codes and names, whose reach is 22 characters and one before."""

    name = "codes"
    pure = True
    locates = True
    reach = 24

    def __init__(self) -> None:
        self.asked: list[str] = []

    def check(self, question: Question) -> Verdict:
        self.asked.append(question.text)
        found = [Finding(*match.span(), "CODE", 1.0) for match in CODES.finditer(question.text)]
        return settle(self.name, found, threshold=0.5, revision="1", duration_ms=0.0)


def look(guard: Guard, text: str) -> list[Finding]:
    return find_redacted(screen(Policy(redact=[guard]), Question(text)), len(text))


def stream(guard: Guard, pieces: list[str]) -> list[str]:
    """What was shown of each piece, one item each time something was."""
    window = Window(guard.reach)  # type: ignore[attr-defined]
    held: list[tuple[int, str]] = []
    shown: list[str] = []

    def advance() -> None:
        while text := window.ask():
            window.answer(look(guard, text))
        while held and held[0][0] + len(held[0][1]) <= window.settled:
            shown.append(window.show(*held.pop(0))[1])

    for piece in pieces:
        held.append((window.length, piece))
        window.feed(piece)
        advance()
    window.close()
    advance()
    assert not held
    return shown


SECRETS = ("code 1234", "code 1234-56-78", "Ada Lovelace", "<b c d>", "code 9999-00")
FRAGMENTS = st.one_of(
    st.sampled_from(SECRETS),
    st.sampled_from(SECRETS).map(lambda text: base64.b64encode(text.encode() * 2).decode()),
    st.sampled_from(SECRETS).map(quote),
    st.sampled_from(SECRETS).map(lambda text: "".join(f"&#{ord(c):07};" for c in text)),
    st.sampled_from(SECRETS).map(lambda text: quote(quote(text))),
    st.sampled_from(
        ["plain words, ", "x" * 60, "\n", "a=b&c=", "code ", "12", "%4", "\\u00", "&#"]
    ),
    st.text(alphabet="ab <>-%=&0123\ud83d\ude00\u4f60\u3002", max_size=12),
)
TEXTS = st.lists(FRAGMENTS, max_size=40).map(" ".join)


def cut(text: str, borders: list[int]) -> list[str]:
    places = sorted({0, len(text), *(border % (len(text) + 1) for border in borders)})
    return [text[start:end] for start, end in pairwise(places)]


@settings(max_examples=120, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 100_000), max_size=60))
def test_however_a_text_is_cut_it_is_shown_as_the_whole_would_be_and_nothing_sooner(
    text: str, borders: list[int]
) -> None:
    guard = CodeGuard()
    expected = mask(text, look(guard, text))
    shown = ""
    for part in stream(guard, cut(text, borders)):
        shown += part
        assert expected.startswith(shown)
    assert shown == expected


@settings(max_examples=25, deadline=None)
@given(TEXTS)
def test_single_characters_are_shown_as_the_whole_would_be(text: str) -> None:
    guard = CodeGuard()
    assert "".join(stream(guard, list(text))) == mask(text, look(guard, text))


def test_plain_text_is_held_no_longer_than_its_bound() -> None:
    guard = CodeGuard()
    window = Window(guard.reach)
    most = 0
    for word in ["some ", "words, ", "and "] * 700:
        window.feed(word)
        while text := window.ask():
            window.answer(look(guard, text))
        most = max(most, window.length - window.settled)

    need = guard.reach + SLACK
    assert most <= 2 * need


def test_a_long_text_is_read_a_bounded_number_of_times() -> None:
    guard = CodeGuard()
    pieces = ["word "] * 4000
    stream(guard, pieces)

    assert sum(map(len, guard.asked)) < 40 * len("".join(pieces))


def test_an_endless_token_is_held_whole_and_not_read_again_for_each_piece() -> None:
    guard = CodeGuard()
    hidden = base64.b64encode(b"padding " * 400 + b" Ada Lovelace " + b"padding " * 400).decode()
    pieces = [hidden[start : start + 3] for start in range(0, len(hidden), 3)]
    shown = stream(guard, ["see ", *pieces, " there"])

    assert "".join(shown) == "see [CODE] there"
    assert len(guard.asked) < 20


def test_a_plus_is_a_space_wherever_the_equals_sign_stood() -> None:
    guard = CodeGuard()
    text = "q=1 " + "and then nothing, " * 20 + "x+code+1234 " + "and then nothing, " * 20
    pieces = [text[start : start + 5] for start in range(0, len(text), 5)]

    assert "".join(stream(guard, pieces)) == mask(text, look(guard, text))
    assert "1234" not in "".join(stream(guard, pieces))


def test_only_a_policy_whose_guards_all_tell_their_reach_has_one() -> None:
    far, near, silent = CodeGuard(), CodeGuard(), CodeGuard()
    far.name, far.reach, silent.name = "far", 90, "silent"
    silent.reach = None  # type: ignore[assignment]

    assert find_reach(Policy(redact=[near], block=[far]), "output") == 90
    assert find_reach(Policy(redact=[near], block=[silent]), "output") is None
    assert find_reach(Policy(redact=[near], flag=[silent]), "output") == 24
    away = Policy(redact=[near, silent], directions={"silent": "input"})
    assert find_reach(away, "output") == 24


@pytest.mark.parametrize("reach", [0, -5, True, 12.5, "20"])
def test_a_reach_that_is_no_count_of_characters_is_none(reach: object) -> None:
    guard = CodeGuard()
    guard.reach = reach  # type: ignore[assignment]
    assert find_reach(Policy(redact=[guard]), "output") is None


def test_a_part_of_a_policy_keeps_what_was_said_of_its_guards() -> None:
    first, second = CodeGuard(), CodeGuard()
    second.name = "second"
    policy = Policy(
        redact=[first],
        flag=[second],
        thresholds={"codes": 0.7, "second": 0.2},
        on_failure={"codes": "closed"},
        directions={"second": "output"},
    )

    (kept,) = narrow(policy, withholding=True).rules
    (other,) = narrow(policy, withholding=False).rules
    assert (kept, other) == policy.rules
