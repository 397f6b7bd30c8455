"""The guard `confidence`: how sure a model was of its answer, by its own account.

Where the provider tells the tokens' log-probabilities, the least sure stretch decides; where there
are several answers to one request, how far they agree. With neither it says that it cannot tell.
It does not know whether an answer is true: a model can be sure and wrong.
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from watchpost.screening.guard import (
    Direction,
    Finding,
    Guard,
    Question,
    TokenScore,
    Verdict,
    abstain,
)
from watchpost_guards.settings import check_name, check_share, check_whole

REVISION = "1"
KIND = "confidence"
THRESHOLD = 0.5
UNSURE, DISAGREEMENT = "LOW_CONFIDENCE", "DISAGREEMENT"
SPAN, CERTAINTY, AGREEMENT = 5, 0.25, 0.3
_WORD = re.compile(r"\w+")


def create(
    *,
    span: int = SPAN,
    certainty: float = CERTAINTY,
    agreement: float = AGREEMENT,
    name: str = KIND,
) -> Guard:
    """The guard for a policy's file; its settings are those of `Confidence`."""
    return Confidence(span=span, certainty=certainty, agreement=agreement, name=name)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What one way of looking says: its label, how doubtful the answer is, where, and why."""

    label: str
    probability: float
    findings: tuple[Finding, ...]
    reason: str


class Confidence:
    """Trips on an answer of which its model was not sure.

    `certainty` is the least mean probability (geometric) that `span` tokens in a row may have,
    `agreement` the least share of words that an answer may have in common with the others to the
    same request. The verdict's probability is 0.5 exactly where a limit is met and grows with the
    doubt: an order, not a calibrated probability.
    """

    directions: tuple[Direction, ...] = ("output",)
    revision = REVISION

    def __init__(
        self,
        *,
        span: int = SPAN,
        certainty: float = CERTAINTY,
        agreement: float = AGREEMENT,
        name: str = KIND,
    ) -> None:
        self.name = check_name(KIND, name)
        self._span = check_whole(KIND, "span", span, 1, 1000)
        self._certainty = check_share(KIND, "certainty", certainty)
        self._agreement = check_share(KIND, "agreement", agreement)

    def check(self, question: Question) -> Verdict:
        """Judge an answer by its tokens and by the other answers, whichever there are."""
        began = time.perf_counter()
        doubts = [
            *self._doubt_tokens(question.tokens),
            *self._doubt_agreement(question.text, question.samples),
        ]
        if not doubts:
            return abstain(
                self.name,
                "neither log-probabilities nor other answers",
                threshold=THRESHOLD,
                revision=self.revision,
                duration_ms=(time.perf_counter() - began) * 1000,
            )
        worst = max(doubts, key=lambda doubt: doubt.probability)
        tripped = worst.probability >= THRESHOLD
        return Verdict(
            guard=self.name,
            label=worst.label if tripped else "",
            probability=worst.probability,
            threshold=THRESHOLD,
            tripped=tripped,
            duration_ms=(time.perf_counter() - began) * 1000,
            findings=worst.findings if tripped else (),
            revision=self.revision,
            reason="; ".join(doubt.reason for doubt in doubts),
        )

    def _doubt_tokens(self, tokens: Sequence[TokenScore]) -> list[_Doubt]:
        logprobs = [token.logprob for token in tokens]
        if not logprobs or any(math.isnan(value) or value > 1e-6 for value in logprobs):
            return []
        means = _slide(logprobs, min(self._span, len(logprobs)))
        width = len(logprobs) - len(means) + 1
        doubts = [_scale(1 - math.exp(mean), 1 - self._certainty) for mean in means]
        mean = math.fsum(logprobs) / len(logprobs)
        reason = (
            f"mean log-probability {mean:.3f}, perplexity {_exp(-mean):.3g}, "
            f"least sure {width} tokens {math.exp(min(means)):.3f}"
        )
        return [_Doubt(UNSURE, max(doubts), _find_stretches(tokens, doubts, width), reason)]

    def _doubt_agreement(self, text: str, samples: Sequence[str]) -> list[_Doubt]:
        if not samples:
            return []
        own = _words(text)
        shared = math.fsum(_share(own, _words(sample)) for sample in samples) / len(samples)
        doubt = _scale(1 - shared, 1 - self._agreement)
        reason = f"{shared:.0%} of the words shared with {len(samples)} other answers"
        return [_Doubt(DISAGREEMENT, doubt, (), reason)]


def _slide(values: Sequence[float], width: int) -> list[float]:
    """The mean of every `width` values in a row; a token that could not be has the least there is.

    A running sum would carry the error of one value of minus infinity along.
    """
    floored = [max(value, -1e4) for value in values]
    total = math.fsum(floored[:width])
    means = [total / width]
    for index in range(width, len(floored)):
        total += floored[index] - floored[index - width]
        means.append(min(total, 0.0) / width)
    return means


def _scale(doubt: float, limit: float) -> float:
    """A doubt from 0 to 1 brought to the scale on which its limit is 0.5."""
    if doubt <= limit:
        # Doubt equal to the limit is still allowed.
        return min(0.5 * doubt / limit, math.nextafter(0.5, 0))
    return min(1.0, 0.5 + 0.5 * (doubt - limit) / (1 - limit))


def _find_stretches(
    tokens: Sequence[TokenScore], doubts: Sequence[float], width: int
) -> tuple[Finding, ...]:
    """What the doubtful spans cover, those that meet put together, as sure as the worst of them."""
    found: list[Finding] = []
    for index, doubt in enumerate(doubts):
        if doubt < THRESHOLD:
            continue
        start, end = tokens[index].start, tokens[index + width - 1].end
        if found and start <= found[-1].end:
            last = found.pop()
            found.append(Finding(last.start, end, UNSURE, max(last.score, doubt)))
        elif end > start:
            found.append(Finding(start, end, UNSURE, doubt))
    return tuple(found)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    """Dice's coefficient: 1 for the same words, 0 for none in common."""
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
