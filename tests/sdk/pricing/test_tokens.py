"""Token counts: tiktoken's or none, and no caller waits for a vocabulary."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiktoken

from watchpost.pricing import tokens
from watchpost.pricing.tokens import count_tokens, estimate, forget_vocabularies
from watchpost.providers import openai_chat
from watchpost.record import Request


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    forget_vocabularies()
    yield
    forget_vocabularies()


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [("gpt-4o", "o200k_base"), ("gpt-4", "cl100k_base"), ("claude-x", "o200k_base")],
)
def test_a_text_is_counted_in_its_models_vocabulary(model: str, vocabulary: str) -> None:
    text = "Grüezi, how many tokens are these? <|endoftext|>"
    expected = len(tiktoken.get_encoding(vocabulary).encode_ordinary(text))
    assert count_tokens(text, model) == expected


def test_a_request_is_framed_as_openai_documents_it() -> None:
    request = openai_chat.read_request({"messages": [{"role": "user", "content": "hello"}]})
    result = openai_chat.read_result({"choices": [{"message": {"content": "hello"}}]})
    assert estimate(request, result, "gpt-4o") == (1 + 3 + 3, 1)


def test_a_vocabulary_that_cannot_be_had_gives_no_count_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    assert count_tokens("hello", "gpt-4o") is None
    assert estimate(Request(), openai_chat.read_result({}), "gpt-4o") is None
    (told,) = caplog.records
    assert "TIKTOKEN_CACHE_DIR" in told.getMessage()


def test_a_vocabulary_that_failed_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    original = tiktoken.get_encoding

    def refuse(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    assert count_tokens("hello", "gpt-4o") is None
    monkeypatch.setattr(tiktoken, "get_encoding", original)
    assert count_tokens("hello", "gpt-4o") is None

    forget_vocabularies()
    monkeypatch.setattr(tokens, "RETRY_S", 0.0)
    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    assert count_tokens("hello", "gpt-4o") is None
    monkeypatch.setattr(tiktoken, "get_encoding", original)
    assert count_tokens("hello", "gpt-4o") == 1


def test_only_the_first_count_waits_for_a_slow_vocabulary(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()
    original = tiktoken.get_encoding

    def slow(name: str) -> tiktoken.Encoding:
        released.wait(30)
        return original(name)

    monkeypatch.setattr(tiktoken, "get_encoding", slow)
    with caplog.at_level(logging.WARNING, "watchpost"):
        assert count_tokens("hello", "gpt-4o", wait_s=0.01) is None
        # Were it to wait again, this would take until the test's own limit.
        assert count_tokens("hello", "gpt-4o", wait_s=10_000) is None
    released.set()
    while (counted := count_tokens("hello", "gpt-4o")) is None:
        time.sleep(0.01)
    assert counted == 1
    assert len(caplog.records) == 1
