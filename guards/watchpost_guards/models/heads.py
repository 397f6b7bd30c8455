"""The guards `unsafe`, `injection` and `refusal`: heads of the one encoder that reads each text.

A text is judged window by window and is as bad as its worst window; nothing is left out, however
long it is. Probabilities are calibrated and thresholds chosen when the model is trained. It does
not know how a text is read.
"""

import time
from importlib.util import find_spec
from pathlib import Path

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Finding, Guard, Question, Verdict
from watchpost_guards.models.bundle import Head
from watchpost_guards.models.folder import SETTING, find_folder
from watchpost_guards.models.reader import Reader, Reading, share_reader

_NEEDED = ("onnxruntime", "tokenizers", "numpy")


def create_unsafe() -> Guard:
    """Hate, harassment, self-harm, sexual content, violence, crime: in prompts and in answers."""
    return create_head("unsafe")


def create_injection() -> Guard:
    """Attempts to take a model over: by its user, or from inside a document or tool result."""
    return create_head("injection")


def create_refusal() -> Guard:
    """Answers that refuse what was asked."""
    return create_head("refusal")


def create_head(name: str, folder: Path | None = None) -> Guard:
    """The guard of one head of the model in a folder, not yet loaded.

    Raises MissingExtra without the extra's packages and ConfigError where there is no such model.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        raise MissingExtra("guards", f"the guard {name!r}")
    reader = share_reader(folder or find_folder())
    head = reader.head(name)
    if head is None:
        raise ConfigError(SETTING, str(reader.bundle.folder), f"train its head {name!r} as well")
    return HeadGuard(reader, head)


class HeadGuard:
    """One head of a shared encoder as a guard. Loads the model on `warm` or the first check."""

    pure = True
    of_others = True

    def __init__(self, reader: Reader, head: Head) -> None:
        self.name = head.name
        self.revision = reader.bundle.revision
        self._reader = reader
        self._head = head

    def warm(self) -> None:
        """Load what the first check would wait for."""
        self._reader.warm()

    def check(self, question: Question) -> Verdict:
        """Judge one text. Raises ConfigError when the model's files cannot be used."""
        began = time.perf_counter()
        reading = self._reader.read(question.text)
        probability = self._head.calibrate(0, reading.strongest(self._head.first))
        tripped = probability >= self._head.threshold
        return Verdict(
            guard=self.name,
            label=self._find_label(reading) if tripped else "",
            probability=probability,
            threshold=self._head.threshold,
            tripped=tripped,
            duration_ms=(time.perf_counter() - began) * 1000,
            findings=self._find_places(reading),
            revision=self.revision,
        )

    def _find_label(self, reading: Reading) -> str:
        """The likeliest kind; the head's own name where it knows no kinds."""
        head = self._head
        kinds = range(1, len(head.labels))
        likeliest = max(
            kinds,
            key=lambda kind: head.calibrate(kind, reading.strongest(head.first + kind)),
            default=0,
        )
        return head.labels[likeliest]

    def _find_places(self, reading: Reading) -> tuple[Finding, ...]:
        """Each stretch of the text, as wide as a window, that alone would trip."""
        head = self._head
        found = []
        for (start, end), logits in zip(reading.places, reading.logits, strict=True):
            score = head.calibrate(0, logits[head.first])
            if score >= head.threshold:
                found.append(Finding(start, end, head.labels[0], score))
        return tuple(sorted(found, key=lambda finding: (finding.start, finding.end)))
