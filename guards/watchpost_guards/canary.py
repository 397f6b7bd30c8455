"""The guard `canary`: an answer that gives its system prompt away, or a word planted in it.

Planted words are found however they are cut or cased; the system prompt by runs of its words, with
a few words changed or left out between them. What says the same in other words it does not see. It
does not plant anything itself.
"""

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from watchpost.errors import ConfigError
from watchpost.screening.disguise import Reading
from watchpost.screening.guard import (
    Direction,
    Finding,
    Guard,
    Question,
    Verdict,
    abstain,
    settle,
)
from watchpost_guards.models.folding import fold
from watchpost_guards.settings import check_name, check_texts, check_whole, name_setting

REVISION = "1"
KIND = "canary"
THRESHOLD = 0.5
PLANTED, LEAKED = "CANARY", "SYSTEM_PROMPT"
WORDS = 12
FEWEST_WORDS = 6
"""A system prompt shorter than this is too much like other texts to be known again."""
_SHORTEST_TOKEN = 8
# Words in a row that must be the same, and the most that may differ between two such runs.
_SHINGLE, _GAP = 4, 2
# Scripts that put no space between words: each character counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_SOLID = re.compile(r"[^\W_]+")

Words = list[tuple[str, int, int]]


def create(
    *,
    tokens: Sequence[str] = (),
    words: int = WORDS,
    allowed: Sequence[str] = (),
    name: str = KIND,
) -> Guard:
    """The guard for a policy's file; its settings are those of `Canary`."""
    return Canary(tokens=tokens, words=words, allowed=allowed, name=name)


class Canary:
    """Trips on an answer that repeats a planted word or enough of its system prompt.

    `tokens` are words planted in a prompt, at least 8 letters and digits each. `words` is how many
    words of the system prompt in a row count as given away (a shorter prompt: all of it), `allowed`
    are texts in the prompt that answers may repeat, as what the user said always may be. The
    probability is 0.5 at just that many words and 0.75 at twice as many: an order, not calibrated.
    """

    locates = True
    directions: tuple[Direction, ...] = ("output", "tool_argument")
    revision = REVISION

    def __init__(
        self,
        *,
        tokens: Sequence[str] = (),
        words: int = WORDS,
        allowed: Sequence[str] = (),
        name: str = KIND,
    ) -> None:
        self.name = check_name(KIND, name)
        self._words = check_whole(KIND, "words", words, FEWEST_WORDS, 10_000)
        self._allowed = check_texts(KIND, "allowed", allowed)
        self._tokens = tuple(_squeeze(token)[0] for token in check_texts(KIND, "tokens", tokens))
        shortest = min(map(len, self._tokens), default=_SHORTEST_TOKEN)
        if shortest < _SHORTEST_TOKEN:
            cure = f"plant words of {_SHORTEST_TOKEN} letters and digits or more"
            raise ConfigError(name_setting(KIND, "tokens"), f"one of {shortest}", cure)

    def check(self, question: Question) -> Verdict:
        """Look for planted words, and for the system prompt where the call tells it."""
        began = time.perf_counter()
        known, length = _shingle(question.system or "")
        if not self._tokens and length < FEWEST_WORDS:
            return abstain(
                self.name,
                "no planted words, and no system prompt that could be known again",
                threshold=THRESHOLD,
                revision=self.revision,
                duration_ms=(time.perf_counter() - began) * 1000,
            )
        plain = fold(question.text)
        findings = list(self._find_planted(plain))
        if length >= FEWEST_WORDS:
            free = [_shingle(text)[0] for text in (question.prompt or "", *self._allowed)]
            own = known.difference(*free)
            findings += _find_leaks(plain, own, min(self._words, length))
        return settle(
            self.name,
            findings,
            threshold=THRESHOLD,
            revision=self.revision,
            duration_ms=(time.perf_counter() - began) * 1000,
        )

    def _find_planted(self, plain: Reading) -> Iterator[Finding]:
        if not self._tokens:
            return
        solid, locate = _squeeze(plain.text)
        for token in self._tokens:
            start = solid.find(token)
            while start >= 0:
                first, last = locate(start)[0], locate(start + len(token) - 1)[1]
                yield Finding(*plain.locate(first, last), PLANTED, 1.0)
                start = solid.find(token, start + len(token))


def _find_leaks(plain: Reading, known: frozenset[int], needed: int) -> Iterator[Finding]:
    """Stretches of an answer that are the prompt's own words, but for a few between them."""
    words = _read_words(plain.text)
    first = last = -1
    covered = 0
    for index in [*_find_shared(words, known), len(words) + _GAP + 1]:
        if last >= 0 and index > last + _GAP:
            score = 1 - 0.5 ** (covered / needed)
            # Less is a turn of phrase, and neither hidden nor told.
            if covered >= needed:
                place = plain.locate(words[first][1], words[last - 1][2])
                yield Finding(*place, LEAKED, score)
            first = last = -1
            covered = 0
        if first < 0:
            first = last = index
        covered += index + _SHINGLE - max(last, index)
        last = index + _SHINGLE


def _find_shared(words: Words, known: frozenset[int]) -> Iterator[int]:
    spelled = [word for word, _, _ in words]
    for index in range(len(words) - _SHINGLE + 1):
        if hash(tuple(spelled[index : index + _SHINGLE])) in known:
            yield index


@lru_cache(maxsize=16)
def _shingle(text: str) -> tuple[frozenset[int], int]:
    """Every run of four words in a text, by its hash, and how many words there are."""
    spelled = [word for word, _, _ in _read_words(fold(text).text)]
    runs = range(len(spelled) - _SHINGLE + 1)
    found = frozenset(hash(tuple(spelled[index : index + _SHINGLE])) for index in runs)
    return found, len(spelled)


def _read_words(text: str) -> Words:
    return [(match[0].casefold(), *match.span()) for match in _WORD.finditer(text)]


def _squeeze(text: str) -> tuple[str, Callable[[int], tuple[int, int]]]:
    """A text's letters and digits alone, in small letters, and where each of them stands."""
    pieces: list[str] = []
    origins: list[int] = []
    for match in _SOLID.finditer(text):
        small = match[0].lower()
        pieces.append(small if len(small) == len(match[0]) else match[0])
        origins.append(match.start())
    marks = list(accumulate(map(len, pieces), initial=0))

    def locate(index: int) -> tuple[int, int]:
        piece = bisect_right(marks, index) - 1
        place = origins[piece] + index - marks[piece]
        return place, place + 1

    return "".join(pieces), locate
