"""Sentences borrowed from other sets: as they are where nothing is in them, or with a name put in.

A sentence counts as empty when no word inside it is capitalised and the first one is a common one:
then no name is likely in it. A pronoun or a role ("the manager") in such a sentence is a place
where people write names, so it is a template that nobody had to think of. Code comes from Python's
own library. It does not know what names are put in.
"""

import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchpost_guards.harness.sample import read_records

_FIELDS = ("text", "prompt", "reply", "question", "answer", "context")
_FOLDERS = ("unsafe", "injection", "refusal", "groundedness", "hallucination_no_context")
_LONGEST, _SHORTEST = 320, 15
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_HARMLESS_CAPITALS = frozenset(
    [
        "I",
        "I'm",
        "I'll",
        "I've",
        "I'd",
        "AI",
        "OK",
        "TV",
        "PC",
        "CD",
        "DVD",
        "PDF",
        "HTML",
        "CSS",
        "SQL",
        "API",
        "URL",
        "HTTP",
        "Internet",
        "English",
    ]
)
# How often a word must begin with a small letter to be no name when it begins a sentence.
_COMMON = 4
# So many times it must be written small for each time it is capitalised inside a sentence.
_NAMELIKE = 3
_STAND_INS = (
    (re.compile(r"\b(?:He|She|he|she|him)\b(?!')"), ("person", "first", "full", "last", "titled")),
    (re.compile(r"\b(?:His|his)\b"), ("poss",)),
    (re.compile(r"\b[Tt]he (?:company|firm|organization|agency|bank|team|group)\b"), ("org",)),
    (re.compile(r"\b[Tt]he (?:city|town|country|region|village|area|island)\b"), ("place", "city")),
    (
        re.compile(
            r"\b[Tt]he (?:man|woman|boy|girl|teacher|doctor|manager|author|user|customer|patient|"
            r"employee|president|singer|actor|player|victim|suspect|student|friend|person)\b"
        ),
        ("person", "full", "first", "titled"),
    ),
    (
        re.compile(r"\b[Mm]y (?:friend|wife|husband|boss|brother|sister|neighbo(?:u)?r|mother)\b"),
        ("first", "person", "full"),
    ),
)


def read_sentences(data: Path) -> list[str]:
    """Every sentence of the sets' texts, once, in a fixed order."""
    seen: dict[str, None] = {}
    for folder in _FOLDERS:
        for path in sorted((data / folder).glob("*.jsonl*")):
            for text in _read_texts(path):
                for sentence in _SENTENCE.split(text):
                    if _SHORTEST <= len(sentence) <= _LONGEST:
                        seen[sentence.strip()] = None
    return list(seen)


def keep_empty(sentences: Sequence[str]) -> list[str]:
    """Those in which no name is likely."""
    small: Counter[str] = Counter()
    for sentence in sentences:
        words = _WORD.findall(sentence)
        small.update(word for word in words if word.islower())
        # A word that is capitalised inside sentences is a name, whoever wrote it small.
        for word in words[1:]:
            if word[0].isupper() and not word.isupper():
                small[word.lower()] -= _NAMELIKE
    return [sentence for sentence in sentences if _is_empty(sentence, small)]


def open_slots(sentence: str, rng: random.Random) -> str | None:
    """The sentence with slots where it said he, she or the company; None where it said neither."""
    made = sentence.replace("{", "(").replace("}", ")")
    opened = made
    for pattern, slots in _STAND_INS:
        # Each stand-in is a name of its own, and more than two would make no sense.
        for _ in range(2):
            opened = pattern.sub(f"{{{rng.choice(slots)}}}", opened, count=1)
    return opened if opened != made else None


def read_code(count: int, rng: random.Random) -> Iterator[str]:
    """Pieces of Python's library, a few lines each, without its lines about people."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(folder.glob("*.py")) + sorted(folder.glob("json/*.py"))
    made = 0
    while made < count:
        lines = rng.choice(files).read_text("utf-8", "replace").splitlines()
        start = rng.randrange(max(1, len(lines) - 8))
        piece = [line for line in lines[start : start + rng.randint(2, 8)] if not _names(line)]
        text = "\n".join(piece).strip("\n")
        if len(text) > _SHORTEST:
            made += 1
            yield text[:_LONGEST]


def _read_texts(path: Path) -> Iterator[str]:
    for _, record in read_records(path):
        yield from (record[field] for field in _FIELDS if isinstance(record.get(field), str))


def _is_empty(sentence: str, small: Counter[str]) -> bool:
    words = _WORD.findall(sentence)
    if len(words) < 3 or not sentence.isascii():
        return False
    first = words[0]
    if first not in _HARMLESS_CAPITALS and small[first.lower()] < _COMMON:
        return False
    if any(not word.islower() and word not in _HARMLESS_CAPITALS for word in words[1:]):
        return False
    # Rare words in small letters are names more often than not in texts without capitals.
    return all(small[word.lower()] >= _COMMON for word in words if word.islower())


def _names(line: str) -> bool:
    return (any(c.isupper() for c in line) and "#" in line) or "@" in line or "by " in line.lower()
