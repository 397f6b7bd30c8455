"""Guards that ask a public model: its numbers become verdicts by what the catalogue says of them.

Three kinds: labels for a text, labels for each token, and whether one text follows from another. A
text is as bad as its worst window. Scores are the model's own, no calibrated probabilities. It does
not know how a model computes.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from watchpost.screening.guard import Finding, Guard, Question, Verdict, abstain, settle
from watchpost_guards.models.sentences import find_claims
from watchpost_guards.service.batcher import Batcher, Engine
from watchpost_guards.service.catalogue import Entry
from watchpost_guards.service.framing import Frame, Row

Scores = Sequence[float]
# What begins or goes on in schemes like BIO and BIOES.
_PREFIXES = ("B-", "I-", "E-", "S-", "L-", "U-")
_WARM = ("warm", "warm " * 100)


class Model(Engine, Protocol):
    """A loaded model: rows of token ids in, rows of logits out."""

    @property
    def labels(self) -> Sequence[str]:
        """What its columns are called."""
        ...

    @property
    def frame(self) -> Frame:
        """Its tokenizer, with the length of its rows."""
        ...

    @property
    def revision(self) -> str:
        """Where it was loaded from, and which revision."""
        ...

    def close(self) -> None:
        """Give its memory back."""
        ...


class _ModelGuard(ABC):
    """What the three kinds share: a model, its entry, and the way to the device."""

    pure = True
    locates = False

    def __init__(self, entry: Entry, model: Model, batcher: Batcher) -> None:
        self.name = entry.name
        self.revision = model.revision
        self._entry = entry
        self._model = model
        self._batcher = batcher
        harmless = set(entry.harmless)
        # A label nobody spoke of counts as it is called.
        self._names = [
            "" if bare in harmless or label in harmless else entry.labels.get(bare, bare)
            for label in model.labels
            for bare in (_strip_prefix(label),)
        ]

    def warm(self) -> None:
        """Have the model compute: the first time takes longest."""
        for text in _WARM:
            self.check(Question(text, "output", context=(text,)))

    def close(self) -> None:
        """Give the model's memory back."""
        self._model.close()

    @abstractmethod
    def check(self, question: Question) -> Verdict:
        """One verdict. Raises what `Batcher.run` raises."""

    def _run(self, rows: Sequence[Row]) -> list[Sequence[Scores]]:
        """For each row its logits by token, or one row of them."""
        return self._batcher.run(self._model, rows, [len(row.ids) for row in rows])

    def _weigh(self, logits: Scores) -> list[float]:
        if self._entry.several:
            return [1 / (1 + math.exp(-max(-60.0, min(60.0, value)))) for value in logits]
        highest = max(logits)
        powers = [math.exp(value - highest) for value in logits]
        return [power / sum(powers) for power in powers]

    def _find_worst(self, scores: Scores) -> tuple[float, str]:
        """How harmful it is and what: of labels that exclude each other their sum."""
        harmful = [(score, name) for score, name in zip(scores, self._names, strict=True) if name]
        if not harmful:
            return 0.0, ""
        worst, name = max(harmful)
        return (worst if self._entry.several else min(1.0, sum(s for s, _ in harmful))), name

    def _settle(self, findings: Sequence[Finding], began_s: float) -> Verdict:
        return settle(
            self.name,
            [finding for finding in findings if finding.score >= self._entry.threshold],
            threshold=self._entry.threshold,
            revision=self.revision,
            duration_ms=(time.perf_counter() - began_s) * 1000,
        )

    def _abstain(self, began_s: float) -> Verdict:
        return abstain(
            self.name,
            "no documents to check it against",
            threshold=self._entry.threshold,
            revision=self.revision,
            duration_ms=(time.perf_counter() - began_s) * 1000,
        )


class ClassifyGuard(_ModelGuard):
    """Labels for a text, window by window."""

    def check(self, question: Question) -> Verdict:
        """As `_ModelGuard.check`; windows that alone would trip are findings."""
        began_s = time.perf_counter()
        rows = list(self._model.frame.cut(question.text))
        found = [self._find_worst(self._weigh(answer[0])) for answer in self._run(rows)]
        worst, label = max(found)
        tripped = worst >= self._entry.threshold
        findings = tuple(
            Finding(row.places[0][0], row.places[-1][1], name, score)
            for row, (score, name) in zip(rows, found, strict=True)
            if score >= self._entry.threshold and row.places
        )
        return Verdict(
            guard=self.name,
            label=label if tripped else "",
            probability=worst,
            threshold=self._entry.threshold,
            tripped=tripped,
            duration_ms=(time.perf_counter() - began_s) * 1000,
            findings=findings,
            revision=self.revision,
        )


class TagGuard(_ModelGuard):
    """Labels for each token: places in the text. Beside documents, if its entry says so."""

    locates = True

    def check(self, question: Question) -> Verdict:
        """As `_ModelGuard.check`. Of a token read several times the mildest reading beside
        documents counts, for any of them may support it, and otherwise the worst."""
        began_s = time.perf_counter()
        if self._entry.beside:
            if not question.context:
                return self._abstain(began_s)
            asked = [question.prompt] if question.prompt else []
            grid = self._model.frame.cut_beside([*asked, *question.context], question.text)
        else:
            grid = [[row] for row in self._model.frame.cut(question.text)]
        answers = iter(self._run([row for rows in grid for row in rows]))
        scored: dict[tuple[int, int], tuple[float, str]] = {}
        for rows in grid:
            seen = [self._score(row, next(answers)) for row in rows]
            for tokens in zip(*seen, strict=True):
                place, score = min(tokens, key=lambda token: token[1])
                scored[place] = max(scored.get(place, (0.0, "")), score)
        return self._settle(_join(scored, question.text, self._entry.threshold), began_s)

    def _score(
        self, row: Row, answer: Sequence[Scores]
    ) -> list[tuple[tuple[int, int], tuple[float, str]]]:
        logits = answer[row.first : row.first + len(row.places)]
        return [
            (place, self._find_tag(self._weigh(values)))
            for place, values in zip(row.places, logits, strict=True)
        ]

    def _find_tag(self, scores: Scores) -> tuple[float, str]:
        """The likeliest name, with what begins and goes on counted together."""
        sums: dict[str, float] = {}
        for score, name in zip(scores, self._names, strict=True):
            if name:
                sums[name] = sums.get(name, 0.0) + score
        return max(((score, name) for name, score in sums.items()), default=(0.0, ""))


class EntailGuard(_ModelGuard):
    """Whether each sentence that claims something follows from any window of the documents."""

    locates = True

    def check(self, question: Question) -> Verdict:
        """As `_ModelGuard.check`; sentences that follow from nothing are findings."""
        began_s = time.perf_counter()
        if not question.context:
            return self._abstain(began_s)
        claims = find_claims(question.text)
        grids = [
            self._model.frame.cut_beside(question.context, question.text[claim.start : claim.end])
            for claim in claims
        ]
        rows = [row for grid in grids for part in grid for row in part]
        answers = iter(self._run(rows))
        findings = []
        for claim, grid in zip(claims, grids, strict=True):
            parts = [
                min(self._find_worst(self._weigh(next(answers)[0]))[0] for _ in part)
                for part in grid
                if part
            ]
            # Documents without a word support nothing; a part of a sentence is enough to doubt it.
            score = max(parts, default=1.0)
            findings.append(Finding(claim.start, claim.end, "unsupported", score))
        return self._settle(findings, began_s)


KINDS: Mapping[str, Callable[[Entry, Model, Batcher], Guard]] = {
    "classify": ClassifyGuard,
    "tag": TagGuard,
    "entail": EntailGuard,
}


def _strip_prefix(label: str) -> str:
    return label[2:] if label.startswith(_PREFIXES) else label


def _join(
    scored: dict[tuple[int, int], tuple[float, str]], text: str, threshold: float
) -> list[Finding]:
    """Tokens of one name that stand together, or with only space between, as one finding."""
    found: list[Finding] = []
    for (start, end), (score, name) in sorted(scored.items()):
        if score < threshold or start == end:
            continue
        last = found[-1] if found else None
        if last and last.label == name and not text[last.end : start].strip():
            found[-1] = Finding(last.start, max(end, last.end), name, max(score, last.score))
        else:
            found.append(Finding(start, end, name, score))
    return [_widen(finding, text) for finding in found]


def _widen(finding: Finding, text: str) -> Finding:
    """Up to the borders of its words: a half masked name is not masked."""
    start, end = finding.start, finding.end
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return Finding(start, end, finding.label, finding.score)
