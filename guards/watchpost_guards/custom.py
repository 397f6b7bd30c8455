"""The guard `custom`, also called `topic`: a user's own labels, learned from a few dozen examples.

It judges by the embedded encoder, which reads each text once for this guard and the others. A text
is judged window by window and is as bad as its worst; nothing is left out. It does not know what a
label means.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Finding, Guard, Question, Verdict
from watchpost_guards.models.folder import find_folder
from watchpost_guards.settings import check_name, check_texts, name_setting

if TYPE_CHECKING:
    from watchpost_guards.models.labels import Example, Label, Labels
    from watchpost_guards.models.reader import Reader

KIND, ALIAS = "custom", "topic"
_NEEDED = ("onnxruntime", "tokenizers", "numpy")


def create(
    *,
    file: Path | None = None,
    examples: Path | None = None,
    watch: Sequence[str] | None = None,
    name: str = KIND,
) -> Guard:
    """The guard for a policy's file; its settings are those of `Custom`."""
    return Custom(examples, file=file, watch=watch, name=name)


def create_topic(
    *,
    file: Path | None = None,
    examples: Path | None = None,
    watch: Sequence[str] | None = None,
    name: str = ALIAS,
) -> Guard:
    """`custom` under its other name."""
    return Custom(examples, file=file, watch=watch, name=name)


class Custom:
    """Trips on texts of a user's own labels. Learns, or reads its file, on `warm` or first check.

    Either `examples` are given, pairs or mappings of `text` and `label` or a file of JSON lines, or
    the `file` that `watchpost guards teach` wrote. Texts labelled "none" (or None, 0) are examples
    of none of the labels. `watch` names the labels that trip, all of them when nothing is said.
    `folder` holds the encoder, by default the one that ships. Raises ConfigError for what cannot be
    learned from, and MissingExtra without the extra's packages.
    """

    pure = True

    def __init__(
        self,
        examples: Iterable[Any] | Path | None = None,
        *,
        file: Path | str | None = None,
        watch: Sequence[str] | None = None,
        name: str = KIND,
        folder: Path | None = None,
    ) -> None:
        self.name = check_name(KIND, name)
        if any(find_spec(package) is None for package in _NEEDED):
            raise MissingExtra("guards", f"the guard {KIND!r}")
        from watchpost_guards.models.labels import read_examples, read_labels
        from watchpost_guards.models.reader import share_reader

        if (examples is None) == (file is None):
            cure = "give examples to learn from, or the file that `watchpost guards teach` wrote"
            given = "nothing" if file is None else "both"
            raise ConfigError(name_setting(KIND, "file"), given, cure)
        self._reader: Reader = share_reader(folder or find_folder())
        self._lock = threading.Lock()
        self._examples: list[Example] = []
        self._labels: Labels | None = None
        self.revision = ""
        if file is not None:
            labels = read_labels(name_setting(KIND, "file"), Path(file))
            _refuse_stranger(labels, self._reader, Path(file))
            self._take(labels)
            known = {label.name for label in labels.labels}
        elif examples is not None:
            self._examples = read_examples(name_setting(KIND, "examples"), examples)
            known = {example.label for example in self._examples} - {""}
        self._watch = frozenset(known if watch is None else check_texts(KIND, "watch", watch))
        if not self._watch or self._watch - known:
            cure = f"name one or several of {', '.join(sorted(known))}"
            raise ConfigError(name_setting(KIND, "watch"), list(self._watch), cure)

    def warm(self) -> None:
        """Learn, and load the encoder."""
        self._load()
        self._reader.warm()

    def check(self, question: Question) -> Verdict:
        """Judge one text by the watched label it is likeliest to have, seen from its threshold."""
        from watchpost_guards.models.labels import see
        from watchpost_guards.models.logistic import sigmoid

        began = time.perf_counter()
        watched = [label for label in self._load().labels if label.name in self._watch]
        places, vectors = see(self._reader, question.text)
        judged = [(label, sigmoid(label.line.judge(vectors)).tolist()) for label in watched]
        label, scores = max(judged, key=lambda pair: _rise(pair[0], max(pair[1])))
        probability = max(scores)
        tripped = probability >= label.threshold
        findings = tuple(
            Finding(start, end, label.name, score)
            for (start, end), score in sorted(zip(places, scores, strict=True))
            if score >= label.threshold
        )
        return Verdict(
            guard=self.name,
            label=label.name if tripped else "",
            probability=probability,
            threshold=label.threshold,
            tripped=tripped,
            duration_ms=(time.perf_counter() - began) * 1000,
            findings=findings,
            revision=self.revision,
        )

    def _load(self) -> "Labels":
        from watchpost_guards.models.labels import keep, teach

        with self._lock:
            if self._labels is None:
                self._take(keep(self._reader, teach(self._reader, self._examples)))
                self._examples = []
            return cast("Labels", self._labels)

    def _take(self, labels: "Labels") -> None:
        self._labels = labels
        self.revision = f"{labels.revision}+{labels.encoder}"


def _rise(label: "Label", probability: float) -> float:
    """How far above its threshold, or below it, as shares of what is there."""
    threshold = label.threshold
    if probability >= threshold:
        return (probability - threshold) / (1 - threshold)
    return probability / threshold - 1


def _refuse_stranger(labels: "Labels", reader: "Reader", path: Path) -> None:
    """Another encoder gives other vectors: what was learned on one means nothing on the next."""
    if labels.encoder != reader.bundle.revision:
        cure = f"teach it again: it was taught on the models {labels.encoder}, these are others"
        raise ConfigError(name_setting(KIND, "file"), str(path), cure)
