"""The guard `confidence`: log-probabilities, agreement between answers, and neither of both."""

import math
from collections.abc import Sequence

import pytest

from watchpost.errors import ConfigError
from watchpost.screening.guard import Question, TokenScore, Verdict
from watchpost_guards.confidence import Confidence


def judge(probabilities: Sequence[float], guard: Confidence | None = None) -> Verdict:
    """A verdict on an answer of one letter a token."""
    tokens = tuple(
        TokenScore(place, place + 1, math.log(p) if p else -math.inf)
        for place, p in enumerate(probabilities)
    )
    guard = guard or Confidence()
    return guard.check(Question("x" * len(tokens), "output", tokens=tokens))


def test_a_sure_answer_passes_and_tells_its_perplexity() -> None:
    verdict = judge([0.5] * 20)
    assert not verdict.tripped
    assert verdict.reason == (
        "mean log-probability -0.693, perplexity 2, least sure 5 tokens 0.500"
    )


def test_an_unsure_stretch_trips_and_is_where_the_finding_is() -> None:
    verdict = judge([0.9] * 10 + [0.05] * 6 + [0.9] * 10)
    assert (verdict.label, verdict.tripped) == ("LOW_CONFIDENCE", True)
    (finding,) = verdict.findings
    assert finding.start <= 10
    assert finding.end >= 16
    assert (finding.start, finding.end) != (0, 26)


def test_one_unlikely_word_is_no_unsure_answer() -> None:
    assert not judge([0.9] * 10 + [0.01] + [0.9] * 10).tripped
    assert judge([0.9] * 10 + [0.01] + [0.9] * 10, Confidence(span=1)).tripped


def test_the_probability_is_a_half_where_the_limit_is_met() -> None:
    guard = Confidence(certainty=0.4)
    below, at, above = (judge([p] * 9, guard) for p in (0.41, 0.4, 0.39))
    assert below.probability < at.probability < 0.5 + 1e-9
    assert not below.tripped
    assert above.tripped
    assert above.probability > 0.5


@pytest.mark.parametrize("unlikely", [0.0, 1e-300])
def test_a_token_that_could_not_be_is_the_least_sure(unlikely: float) -> None:
    verdict = judge([1.0, unlikely, 1.0])
    assert verdict.probability == pytest.approx(1.0)
    assert math.isfinite(verdict.probability)


def test_answers_that_agree_pass_and_answers_that_do_not_trip() -> None:
    guard = Confidence()
    answer = "The bridge was opened in 1874 by the mayor of Bern."
    same = ("In 1874 the mayor of Bern opened the bridge.", "It was opened in 1874 by the mayor.")
    other = ("Nobody knows when it was built.", "Construction ended after two world wars.")
    assert not guard.check(Question(answer, "output", samples=same)).tripped
    verdict = guard.check(Question(answer, "output", samples=other))
    assert (verdict.label, verdict.tripped) == ("DISAGREEMENT", True)
    assert not verdict.findings


def test_where_both_are_known_the_worse_counts() -> None:
    tokens = (TokenScore(0, 3, -0.01),)
    verdict = Confidence().check(Question("yes", "output", tokens=tokens, samples=("never",)))
    assert (verdict.label, verdict.tripped) == ("DISAGREEMENT", True)
    assert "perplexity" in verdict.reason


@pytest.mark.parametrize("tokens", [(), (TokenScore(0, 3, math.nan),), (TokenScore(0, 3, 0.5),)])
def test_with_neither_it_says_that_it_cannot_tell(tokens: tuple[TokenScore, ...]) -> None:
    verdict = Confidence().check(Question("yes", "output", tokens=tokens))
    assert (verdict.label, verdict.tripped, verdict.failed) == ("not_checkable", False, False)


@pytest.mark.parametrize(
    "settings", [{"span": 0}, {"certainty": 1.0}, {"agreement": -1}, {"certainty": "high"}]
)
def test_a_setting_that_cannot_be_used_is_refused(settings: dict[str, object]) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=rf"confidence\({name}="):
        Confidence(**settings)  # type: ignore[arg-type]
