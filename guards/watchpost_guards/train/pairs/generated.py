"""Answers of our own making: sentences of documents and supported answers, kept or broken.

Every sentence is told twice with the same harmless edits, once with one more that makes it wrong,
so that neither length nor shared words tell the two apart. It does not know how they are learned.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from watchpost_guards.models.evidence import find_words
from watchpost_guards.models.sentences import split_sentences
from watchpost_guards.train.pairs.edits import BREAKING, KEEPING, Setting, read_marks, swap_speaker
from watchpost_guards.train.pairs.records import Example

MADE = "generated "
"""What the sources of made examples begin with, before their document's set."""

_SHORTEST, _LONGEST = 7, 45
# The share of twins whose wrong one is a sentence of another document altogether.
_STRANGE = 0.06
_TRIES = 12
# Documents of at least so many characters are what sentences are taken from.
_LONG = 400


def generate(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """About `count` examples from the documents and supported answers of others, two by two."""
    rng = random.Random(seed)  # noqa: S311 - a choice of sentences
    documents = sorted({(example.source, example.context) for example in examples})
    siblings: dict[str, list[str]] = defaultdict(list)
    for source, context in documents:
        siblings[source].append(context)
    own = [example for example in examples if example.supported]
    long: dict[str, list[str]] = defaultdict(list)
    for source, context in documents:
        if len(context) > _LONG:
            long[source].append(context)
    kinds = sorted(long or siblings)
    found: list[Example] = []
    while len(found) < count:
        if rng.random() < 0.45:
            example = rng.choice(own)
            source, context, text = example.source, example.context, example.answer
        else:
            source = rng.choice(kinds)
            text = context = rng.choice((long or siblings)[source])
        other = rng.choice(siblings[source])
        setting = Setting.of(context, other)
        sentence = _pick(text, setting, rng)
        if sentence is not None:
            found += _tell_twice(f"{MADE}{source}", context, sentence, setting, rng)
    return found


def _pick(text: str, setting: Setting, rng: random.Random) -> str | None:
    """One of a text's sentences, or two joined; in a dialogue with who says it."""
    sentences = split_sentences(text)
    whole = [n for n, s in enumerate(sentences) if _is_fit(text[s.start : s.end])]
    if not whole:
        return None
    number = rng.choice(whole)
    chosen = sentences[number]
    said = " ".join(text[chosen.start : chosen.end].split())
    name, _, rest = said.partition(": ")
    if name in setting.speakers:
        return f"{name} says: {rest}"
    if chosen.speaker:
        return f"{chosen.speaker} says: {said}"
    if rng.random() < 0.2 and number + 1 < len(sentences) and said.endswith("."):
        following = sentences[number + 1]
        return f"{said} {' '.join(text[following.start : following.end].split())}"
    return said


def _is_fit(sentence: str) -> bool:
    words = len(find_words(sentence))
    return (
        _SHORTEST <= words <= _LONGEST and sentence[-1] in ".!\"'\u201d" and sentence[0].isalnum()
    )


def _tell_twice(
    source: str, context: str, sentence: str, setting: Setting, rng: random.Random
) -> Iterator[Example]:
    steps = rng.sample(KEEPING, rng.choice((0, 1, 1, 2, 2)))
    order = rng.random()
    right = _keep(sentence, steps, setting, random.Random(order))  # noqa: S311
    if rng.random() < _STRANGE:
        wrong = _pick(setting.other, setting, rng)
        if wrong is not None and wrong not in context:
            yield Example(source, context, right, supported=True)
            yield Example(source, context, wrong, False, ((0, len(wrong)),))
        return
    for _ in range(_TRIES):
        breaking = rng.choice(BREAKING)
        if setting.speakers and rng.random() < 0.2:
            breaking = swap_speaker
        marked = breaking(right, setting, rng)
        if marked is not None:
            wrong, places = read_marks(marked)
            if wrong != right and wrong not in context:
                yield Example(source, context, right, supported=True)
                yield Example(source, context, wrong, False, tuple(places), certain=True)
                return


def _keep(sentence: str, steps: Sequence[object], setting: Setting, rng: random.Random) -> str:
    for step in steps:
        sentence = step(sentence, setting, rng) or sentence  # type: ignore[operator]
    return sentence
