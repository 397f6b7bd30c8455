"""The suite put together and run: every attack in every disguise it survives, and the harmless too.

The same seed gives the same texts. This file decides nothing about what a text means: an attack
that does not trip the guard got through, also when the guard failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from watchpost.errors import ConfigError
from watchpost.screening.guard import Guard, Question, Verdict
from watchpost_guards.harness.attack.mutations import MUTATIONS, TRANSLATION
from watchpost_guards.harness.attack.seeds import SEEDS, Seed
from watchpost_guards.harness.evaluation import ask
from watchpost_guards.harness.sample import read_samples


@dataclass(frozen=True, slots=True)
class Trial:
    """One seed in one disguise, as the question a guard is asked."""

    seed: Seed
    mutation: str
    question: Question


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial and what the guard said to it."""

    trial: Trial
    verdict: Verdict

    @property
    def tripped(self) -> bool:
        """Whether the guard caught it, or raised a false alarm."""
        return self.verdict.tripped and not self.verdict.failed


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of one disguise: attacks and those caught, harmless texts and those tripped."""

    mutation: str
    attacks: int
    caught: int
    harmless: int
    alarms: int


def read_seeds(path: Path) -> tuple[Seed, ...]:
    """Somebody's own attacks and harmless texts: lines of `text` and `label`, 1 an attack.

    They are known by file and line. Raises ConfigError for what cannot be read.
    """
    samples = read_samples([path])
    if any(sample.spans is not None for sample in samples):
        raise ConfigError("--attacks", str(path), 'write lines of {"text", "label"}')
    return tuple(Seed(f"{s.file}:{s.line}", s.question.text, is_attack=s.positive) for s in samples)


def build_trials(
    kind: str, seeds: Sequence[Seed] = (), *, seed: int = 0, variants: int = 1
) -> Iterator[Trial]:
    """The trials of a kind, of our seeds or of those given; `variants` of each disguise."""
    for source in seeds or SEEDS[kind]:
        for name, mutation in MUTATIONS.items():
            if kind not in mutation.kinds:
                continue
            texts: dict[str, None] = {}
            for variant in range(variants):
                chance = Random(f"{seed}/{name}/{source.name}/{variant}")  # noqa: S311 - repeatable
                texts[mutation.change(source.text, chance)] = None
            for text in texts:
                yield Trial(source, name, Question(text, mutation.direction))
        for language, text in source.translations:
            yield Trial(source, TRANSLATION + language, Question(text))


def run_trials(
    guard: Guard, trials: Sequence[Trial], progress: Callable[[int], None] | None = None
) -> list[Outcome]:
    """What the guard says to every trial."""
    answers = ask(guard, [trial.question for trial in trials], progress)
    return [Outcome(trial, answer.verdict) for trial, answer in zip(trials, answers, strict=True)]


def count_outcomes(outcomes: Sequence[Outcome]) -> list[Tally]:
    """One tally of each disguise, in the order of the suite."""
    tallies = []
    for name in dict.fromkeys(outcome.trial.mutation for outcome in outcomes):
        of_it = [outcome for outcome in outcomes if outcome.trial.mutation == name]
        bad = [outcome.tripped for outcome in of_it if outcome.trial.seed.is_attack]
        good = [outcome.tripped for outcome in of_it if not outcome.trial.seed.is_attack]
        tallies.append(Tally(name, len(bad), sum(bad), len(good), sum(good)))
    return tallies
