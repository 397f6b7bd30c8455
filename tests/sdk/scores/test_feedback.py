"""Feedback links: what they hold, who can make them, and when there are none."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from opentelemetry.sdk.trace import TracerProvider

import watchpost
from watchpost.errors import BadPayload, ConfigError
from watchpost.runtime import Collector, Runtime, install
from watchpost.scores.feedback import Ticket, read_token

TRACE = "ab" * 16
KEY = "wpk_0123456789ab_a-long-secret-that-is-random"


@pytest.fixture(autouse=True)
def _configured() -> None:
    links = Collector("https://watch.example/base/", KEY)
    install(Runtime(TracerProvider().get_tracer("t"), links=links))


def token_of(link: str) -> str:
    [token] = parse_qs(urlsplit(link).query)["t"]
    return token


def read(link: str, key: str = KEY) -> Ticket:
    return read_token(token_of(link), lambda _: [hashlib.sha256(key.encode()).digest()])


def test_a_link_says_its_score_and_when_it_ends() -> None:
    link = watchpost.feedback_link(TRACE, "helpful", True, span="cd" * 8, author="u1", days=2)

    ticket = read(link)

    assert link.startswith("https://watch.example/base/feedback?t=")
    score = ticket.score
    assert (score.trace, score.span, score.name) == (TRACE, "cd" * 8, "helpful")
    assert (score.kind, score.value, score.author) == ("boolean", 1.0, "u1")
    assert 0 <= time.time() + 2 * 86_400 - ticket.ends_s <= 60
    assert ticket.key_id == "0123456789ab"


@pytest.mark.parametrize("value", [True, False, 4, "too long"])
def test_every_kind_of_value_comes_back_as_it_was(value: bool | int | str) -> None:
    score = read(watchpost.feedback_link(TRACE, "s", value)).score

    assert (score.label or score.value) == value


def test_the_secret_is_not_in_the_link() -> None:
    link = watchpost.feedback_link(TRACE, "s", 1)

    assert KEY.rpartition("_")[2] not in link
    assert KEY not in repr(Collector("u", KEY))


def test_another_key_or_another_letter_makes_it_no_link() -> None:
    link = watchpost.feedback_link(TRACE, "s", 1)
    body, _, mac = token_of(link).partition(".")
    other, _, _ = token_of(watchpost.feedback_link("ef" * 16, "s", 1)).partition(".")
    digest = hashlib.sha256(KEY.encode()).digest()

    with pytest.raises(BadPayload, match="altered"):
        read(link, "another key")
    for forged in (f"{other}.{mac}", f"{body}.{mac[:-4]}AAAA", f"{body}."):
        with pytest.raises(BadPayload):
            read_token(forged, lambda _: [digest])


@pytest.mark.parametrize("token", ["", ".", "AAAA.AAAA", "e30.AAAA", "W10.AAAA", "é.é", "a" * 4000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(BadPayload):
        read_token(token, None)


def test_nonsense_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="days"):
        watchpost.feedback_link(TRACE, "s", 1, days=0)
    with pytest.raises(ConfigError, match="trace"):
        watchpost.feedback_link("nothing", "s", 1)


def test_where_nothing_is_recorded_there_is_no_link() -> None:
    install(Runtime(TracerProvider().get_tracer("t")))

    assert watchpost.feedback_link(TRACE, "s", 1) == ""
    assert watchpost.feedback_link(watchpost.current(), "s", 1) == ""
