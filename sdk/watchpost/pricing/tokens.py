"""Counting tokens with tiktoken, for calls whose provider reported none.

tiktoken fetches a vocabulary when it is first used, without a time limit. Here that happens on a
thread of its own, and whoever counts waits for a bounded time at most: no vocabulary, no count.
Nothing here guesses from the number of characters. Do not call it on a caller's thread.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from watchpost.record import Request, Result

WAIT_S = 5.0
"""How long the first count of a vocabulary may wait for it."""

RETRY_S = 300.0
"""How long a vocabulary that could not be loaded is left alone: a network may come back."""

# Anthropic's and others' vocabularies are not public; OpenAI's newest is the nearest there is.
DEFAULT_VOCABULARY = "o200k_base"
# As OpenAI documents it: every message is framed by three tokens, the answer by three more.
_TOKENS_A_MESSAGE = 3

_log = logging.getLogger("watchpost")


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


class _Vocabulary:
    """One vocabulary, loaded once, in the background."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loaded = threading.Event()
        self._encoding: _Encoding | None = None
        self._waited = False
        self._retry_at = float("inf")
        threading.Thread(target=self._load, name="watchpost-vocabulary", daemon=True).start()

    @property
    def is_due_again(self) -> bool:
        """Whether it failed to load long enough ago to be tried once more."""
        return time.monotonic() >= self._retry_at

    def get(self, wait_s: float) -> _Encoding | None:
        # Only the first one waits: an export thread must not stand still for every span.
        self._loaded.wait(0 if self._waited else wait_s)
        if not self._loaded.is_set() and not self._waited:
            _log.warning(
                "tiktoken's vocabulary %s is not here after %g s; tokens that no provider "
                "reported stay uncounted until it is (set TIKTOKEN_CACHE_DIR to bring your own)",
                self._name,
                wait_s,
            )
        self._waited = True
        return self._encoding

    def _load(self) -> None:
        try:
            import tiktoken

            self._encoding = tiktoken.get_encoding(self._name)
        except Exception as error:
            self._retry_at = time.monotonic() + RETRY_S
            _log.warning(
                "tiktoken's vocabulary %s cannot be loaded (%s); tokens that no provider reported "
                "stay uncounted (set TIKTOKEN_CACHE_DIR to bring your own)",
                self._name,
                type(error).__name__,
            )
        finally:
            self._loaded.set()


_vocabularies: dict[str, _Vocabulary] = {}
_lock = threading.Lock()


def count_tokens(text: str, model: str, *, wait_s: float = WAIT_S) -> int | None:
    """The tokens of a text as the model's vocabulary has it; None when there is no vocabulary.

    Waits `wait_s` seconds at most for a vocabulary that is still loading.
    """
    encoding = _find_vocabulary(model).get(wait_s)
    return None if encoding is None else len(encoding.encode_ordinary(text))


def estimate(
    request: Request, result: Result, model: str, *, wait_s: float = WAIT_S
) -> tuple[int, int] | None:
    """Input and output tokens of a call from its texts; None when they cannot be counted."""
    asked = [*_texts(request.system), *_message_texts(request.messages)]
    asked.extend(json.dumps(tool, default=str) for tool in request.tools)
    said = list(_message_texts(result.messages))
    counts = [count_tokens(text, model, wait_s=wait_s) for text in ("".join(asked), "".join(said))]
    if counts[0] is None or counts[1] is None:
        return None
    messages = len(request.messages) + bool(request.system)
    return counts[0] + _TOKENS_A_MESSAGE * (messages + 1), counts[1]


def forget_vocabularies() -> None:
    """Load vocabularies anew when they are next needed, as after a change of the cache folder."""
    with _lock:
        _vocabularies.clear()


def _find_vocabulary(model: str) -> _Vocabulary:
    from tiktoken.model import encoding_name_for_model

    try:
        name = encoding_name_for_model(model)
    except KeyError:
        name = DEFAULT_VOCABULARY
    with _lock:
        held = _vocabularies.get(name)
        if held is None or held.is_due_again:
            held = _vocabularies[name] = _Vocabulary(name)
        return held


def _message_texts(messages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for message in messages:
        yield from _texts(message["parts"])


def _texts(parts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for part in parts:
        for key in ("content", "name", "arguments", "response"):
            value = part.get(key)
            if isinstance(value, str):
                yield value
            elif value:
                yield json.dumps(value, default=str)
