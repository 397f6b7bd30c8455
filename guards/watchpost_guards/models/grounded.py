"""The guard `grounded`: each claim of an answer against the documents it was to be based on.

An answer is as doubtful as its most doubtful claim; every claim that alone would trip is a finding.
What claims nothing is not judged, and where there are no documents the guard says that it cannot
tell. It does not know how a claim is compared, nor where documents come from.
"""

import time
from importlib.util import find_spec
from pathlib import Path

from watchpost.errors import MissingExtra
from watchpost.screening.guard import Direction, Finding, Guard, Question, Verdict, abstain
from watchpost_guards.models.comparer import MOST_CLAIMS, Comparer, share_comparer
from watchpost_guards.models.folder import find_folder
from watchpost_guards.models.reader import share_reader
from watchpost_guards.models.sentences import find_claims

LABEL = "unsupported"
_NEEDED = ("onnxruntime", "tokenizers", "numpy")


def create(folder: Path | None = None) -> Guard:
    """The guard, not yet loaded; `folder` holds its weights where they are not the shipped ones.

    Raises MissingExtra without the extra's packages and ConfigError where there is no such model.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        raise MissingExtra("guards", "the guard 'grounded'")
    return GroundedGuard(
        share_comparer(folder or find_folder("grounded"), share_reader(find_folder("text")))
    )


class GroundedGuard:
    """Trips on answers that say what their documents do not. Loads on `warm` or the first check."""

    name = "grounded"
    directions: frozenset[Direction] = frozenset(("output",))

    def __init__(self, comparer: Comparer) -> None:
        self.revision = comparer.revision
        self._comparer = comparer

    def warm(self) -> None:
        """Load what the first check would wait for."""
        self._comparer.warm()

    def check(self, question: Question) -> Verdict:
        """Judge one answer. Raises ConfigError when the models' files cannot be used."""
        began = time.perf_counter()
        documents = [document for document in question.context if document.strip()]
        if not documents:
            return abstain(
                self.name,
                "no documents to check the answer against",
                threshold=self._comparer.threshold,
                revision=self.revision,
                duration_ms=(time.perf_counter() - began) * 1000,
            )
        doubts = [
            Finding(doubt.claim.start, doubt.claim.end, LABEL, doubt.probability)
            for doubt in self._comparer.compare(question.text, documents)
        ]
        threshold = self._comparer.threshold
        worst = max((doubt.score for doubt in doubts), default=0.0)
        return Verdict(
            guard=self.name,
            label=LABEL if worst >= threshold else "",
            probability=worst,
            threshold=threshold,
            tripped=worst >= threshold,
            duration_ms=(time.perf_counter() - began) * 1000,
            findings=tuple(doubt for doubt in doubts if doubt.score >= threshold),
            revision=self.revision,
            reason=_tell(len(doubts), question.text),
        )


def _tell(checked: int, answer: str) -> str:
    """What of the answer was not judged, if anything."""
    if not checked:
        return "nothing in the answer is a claim"
    claims = len(find_claims(answer)) if checked == MOST_CLAIMS else checked
    return f"only the first {checked} of {claims} claims were checked" if claims > checked else ""
