"""Labelled answers from data on disk, and what of an answer is known to be right.

An edited summary is laid beside its nearest supported sibling: words they share are right in both.
It does not know what is generated or learned.
"""

import difflib
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_guards.harness.sample import read_records

Places = tuple[tuple[int, int], ...]
FOLDER = "groundedness"
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
# Right and wrong answers of this set differ in length; pairs are kept that do not, in characters.
_LENGTH_APART = "halueval_qa"
_LONGEST_GAP = 0.35


@dataclass(frozen=True, slots=True)
class Example:
    """An answer beside its context.

    `doubtful` are places of an unsupported answer that hold all that is wrong with it, None where
    that is not known; with `certain` everything there is wrong. `source` is the data set, or
    "generated" and the set its document is of.
    """

    source: str
    context: str
    answer: str
    supported: bool
    doubtful: Places | None = None
    certain: bool = False


def read_examples(data: Path) -> list[Example]:
    """Every answer of a folder's sets. Raises ConfigError where there is none."""
    folder = data / FOLDER if (data / FOLDER).is_dir() else data
    found = []
    for path in sorted(folder.glob("*.jsonl*")):
        name = path.name.partition(".")[0]
        examples = [
            Example(name, str(record["context"]), str(record["answer"]), record["label"] == 1)
            for _, record in read_records(path)
            if record.get("context") and record.get("answer")
        ]
        found += _match_lengths(examples) if name == _LENGTH_APART else examples
    if not found:
        raise ConfigError("--data", str(data), f"name a folder with {FOLDER}/*.jsonl.gz")
    return [*_find_doubtful(found)]


def is_held_out(example: Example, percent: int) -> bool:
    """Whether an answer's document is one of the held-out share; all answers about it are."""
    digest = hashlib.sha256(example.context[:2000].encode()).digest()
    return digest[0] * 100 // 256 < percent


def _match_lengths(examples: Sequence[Example]) -> list[Example]:
    """Right and wrong answers in pairs of nearly the same length, so that length says nothing."""
    wrong = sorted((e for e in examples if not e.supported), key=lambda e: len(e.answer))
    kept: list[Example] = []
    for right in sorted((e for e in examples if e.supported), key=lambda e: -len(e.answer)):
        near = min(
            wrong, key=lambda e: abs(len(e.answer) - len(right.answer)), default=None
        )  # fmt: skip
        if near is None:
            break
        if abs(len(near.answer) - len(right.answer)) <= _LONGEST_GAP * len(right.answer):
            wrong.remove(near)
            kept += (right, near)
    return kept


def _find_doubtful(examples: Sequence[Example]) -> Iterable[Example]:
    supported = defaultdict(list)
    for example in examples:
        if example.supported:
            supported[example.context].append(example.answer)
    for example in examples:
        siblings = supported[example.context]
        if example.supported or len(siblings) < 2:
            yield example
            continue
        yield replace(example, doubtful=_compare(example.answer, siblings))


def _compare(answer: str, siblings: Sequence[str]) -> Places | None:
    """What an answer does not share with its nearest sibling; None where it shares little."""
    places = [match.span() for match in _WORD.finditer(answer)]
    words = [answer[start:end].lower() for start, end in places]
    best: difflib.SequenceMatcher[str] | None = None
    for sibling in siblings:
        other = [match[0].lower() for match in _WORD.finditer(sibling)]
        matcher = difflib.SequenceMatcher(None, other, words, autojunk=False)
        if best is None or matcher.ratio() > best.ratio():
            best = matcher
    if best is None or best.ratio() < 0.6:
        return None
    found = []
    for kind, _, _, begin, end in best.get_opcodes():
        if kind == "equal" or not words:
            continue
        if begin == end:
            # Something is gone: what stands around the gap is in doubt.
            begin, end = max(0, begin - 1), min(len(words), end + 1)
        found.append((places[begin][0], places[end - 1][1]))
    return tuple(found) or None
