"""What guards are asked about, and told beside a text: its stage, what was asked for it, how sure.

Read from a request as its provider's file reads it, or from what a user hands over. It knows no
client and runs no guard; what cannot be read is left out, as if nobody had told it.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from watchpost.providers.certainty import Token, read_tokens
from watchpost.providers.stages import StagedVisit, Visit
from watchpost.runtime import SHIELD

if TYPE_CHECKING:
    from watchpost.providers.provider import Provider
    from watchpost.record import Part
    from watchpost.screening.guard import Direction, Question, TokenScore

Text = tuple[str, "Direction"]
"""A text and its stage."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last thing a user said in a request, and its system prompt; None where there is none."""

    prompt: str | None = None
    system: str | None = None


def list_texts(walk: Callable[[Visit], object], whole: Direction) -> list[Text]:
    """Every text that a walk through a request or an answer shows, and what it is in it."""
    found: list[Text] = []

    def note(text: str, stage: Direction) -> str:
        if text:
            found.append((text, stage))
        return text

    walk(StagedVisit(note, whole))
    return found


def find_quoted(sources: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The documents that stand in any of the texts, word by word, each once."""
    known = dict.fromkeys(filter(None, sources))
    return [source for source in known if any(source in text for text in texts)]


def requote(changed: Mapping[str, str], text: str) -> str:
    """A text with what is quoted in it as it was changed, the longest first."""
    for quoted in sorted(changed, key=len, reverse=True):
        text = text.replace(quoted, changed[quoted])
    return text


def read_asked(provider: Provider, body: Mapping[str, Any]) -> Asked:
    """What a request asks, as it is sent."""
    with SHIELD:
        request = provider.read_request(body)
        said = (
            _join(message["parts"])
            for message in reversed(request.messages)
            if message["role"] == "user"
        )
        return Asked(next((text for text in said if text), None), _join(request.system))
    return Asked()


def read_system(provider: Provider, body: Mapping[str, Any]) -> frozenset[str]:
    """The texts of a request's system prompt, each as it is sent."""
    with SHIELD:
        parts = provider.read_request(body).system
        return frozenset(part["content"] for part in parts if part["type"] == "text")
    return frozenset()


def add_certainty(
    provider: Provider, questions: Sequence[Question], pieces: Sequence[Any], *, is_stream: bool
) -> Sequence[Question]:
    """The questions about a result, or a stream's chunks, with what it tells of its certainty."""
    with SHIELD:
        spelled = read_tokens(pieces)
        answers = _read_answers(provider, pieces, is_stream) if len(questions) > 1 else []
        if spelled or len(answers) > 1:
            return [_add(question, spelled, answers) for question in questions]
    return questions


def place_tokens(text: str, tokens: Iterable[Token]) -> tuple[TokenScore, ...]:
    """Where the tokens stand in a text; none where they do not spell it.

    A token that ends inside a character has its place before it. What comes after the whole text,
    as marks of its end do, is left out.
    """
    from watchpost.screening.guard import TokenScore

    placed = []
    position = 0
    decoder = getincrementaldecoder("utf-8")("replace")
    for token, logprob in tokens:
        if position == len(text):
            break
        spelled = decoder.decode(token)
        if not text.startswith(spelled, position):
            return ()
        placed.append(TokenScore(position, position + len(spelled), logprob))
        position += len(spelled)
    return tuple(placed) if position == len(text) else ()


def _add(
    question: Question, spelled: Sequence[Sequence[Token]], answers: Sequence[str]
) -> Question:
    text = question.text
    placed = (place_tokens(text, tokens) for tokens in spelled)
    tokens = next((found for found in placed if found), ())
    others = list(answers) if text in answers else []
    if others:
        others.remove(text)
    return replace(question, tokens=tokens, samples=tuple(others))


def _read_answers(provider: Provider, pieces: Sequence[Any], is_stream: bool) -> list[str]:
    """What each of several choices says."""
    result = provider.read_stream(pieces) if is_stream else provider.read_result(pieces[0])
    texts = (_join(message["parts"]) for message in result.messages)
    return [text for text in texts if text]


def _join(parts: Sequence[Part]) -> str | None:
    texts = [part["content"] for part in parts if part["type"] == "text"]
    return "\n".join(texts) or None
