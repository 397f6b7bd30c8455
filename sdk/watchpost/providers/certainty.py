"""How sure a model was of each token, wherever providers tell it: tokens with log-probabilities.

Protocols spell these alike enough to be read here once. It does not know which client asked, nor
which text the tokens spell.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from watchpost.providers.provider import get

Token = tuple[bytes, float]
"""A token as it was written, maybe only a part of a character, and its natural log-probability."""


def read_tokens(pieces: Sequence[Any]) -> list[list[Token]]:
    """The tokens of each text in a result, or in the chunks of a stream, as far as it tells any."""
    found: dict[Hashable, list[Token]] = {}
    for piece in pieces:
        for lane, tokens in _read_piece(piece):
            found.setdefault(lane, []).extend(tokens)
    return [tokens for tokens in found.values() if tokens]


def _read_piece(piece: Any) -> Iterator[tuple[Hashable, list[Token]]]:
    for choice in get(piece, "choices", ()):
        said, index = get(choice, "logprobs"), get(choice, "index", 0)
        for name in ("content", "refusal"):
            yield (index, name), _read_list(get(said, name, ()))
        yield index, _pair(get(said, "tokens", ()), get(said, "token_logprobs", ()))
    for candidate in get(piece, "candidates", ()):
        said = get(candidate, "logprobs_result") or get(candidate, "logprobsResult")
        chosen = get(said, "chosen_candidates") or get(said, "chosenCandidates", ())
        yield get(candidate, "index", 0), _read_list(chosen)
    for place, item in enumerate(get(piece, "output", ()) if _is_list(piece, "output") else ()):
        for part_place, part in enumerate(get(item, "content", ())):
            yield (place, part_place), _read_list(get(part, "logprobs", ()))
    if (said := get(piece, "logprobs")) and not str(get(piece, "type", "")).endswith(".done"):
        # Of Ollama's answers, of Cohere's and its events, of the pieces of OpenAI's responses.
        lane = (get(piece, "output_index", 0), get(piece, "content_index", 0))
        yield lane, _read_list(said if isinstance(said, list) else [said])


def _is_list(piece: Any, name: str) -> bool:
    return isinstance(get(piece, name), list)


def _read_list(tokens: Any) -> list[Token]:
    found = [_read_token(token) for token in tokens] if isinstance(tokens, list) else []
    return [token for token in found if token is not None]


def _read_token(token: Any) -> Token | None:
    spelled = get(token, "token", get(token, "text"))
    logprob = get(token, "logprob", get(token, "log_probability", get(token, "logProbability")))
    if logprob is None and isinstance(several := get(token, "logprobs"), list):
        # Cohere tells the tokens of one stretch together.
        logprob = sum(several)
    if not isinstance(spelled, str) or not isinstance(logprob, int | float):
        return None
    raw = get(token, "bytes")
    spells = bytes(raw) if isinstance(raw, list) else spelled.encode("utf-8", "surrogatepass")
    return spells, float(logprob)


def _pair(tokens: Any, logprobs: Any) -> list[Token]:
    return [
        (token.encode("utf-8", "surrogatepass"), float(logprob))
        for token, logprob in zip(tokens, logprobs, strict=False)
        if isinstance(token, str) and logprob is not None
    ]
