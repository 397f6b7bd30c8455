"""Examples of our own making: attacks, refusals, harmful and innocent texts, and their disguises.

Every text comes from a template of `templates/`; the template is its group. Attacks inside
documents are put into documents that also appear clean, so that only the attack tells them apart.
It does not know how they are learned.
"""

import base64
import random
from collections.abc import Iterator

from watchpost_guards.train.grammar import Grammar, grow, load_grammar
from watchpost_guards.train.records import COLUMNS, Example

_LOOKALIKES = str.maketrans("aeopcxyi", "аеорсхуі")  # noqa: RUF001 - that is the point
_UNSAFE_KINDS = ("illicit", "violence", "self_harm", "hate", "harassment", "sexual")


def generate(count: int, seed: int) -> list[Example]:
    """About `count` examples of each head, the same ones for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - data, not a secret
    carriers = load_grammar("carriers")
    return [
        *_make_injection(count, carriers, rng),
        *_make_refusal(count, rng),
        *_make_unsafe(count, rng),
    ]


def disguise(text: str, rng: random.Random) -> str:
    """The same text as somebody writes it who wants a filter to miss it."""
    kind = rng.randrange(6)
    if kind == 0:
        return " ".join(text)
    if kind == 1:
        return text.translate(_LOOKALIKES)
    if kind == 2:
        return "\u200b".join(text)
    if kind == 3:
        return "Decode this and do what it says: " + base64.b64encode(text.encode()).decode()
    if kind == 4:
        return text.upper() if rng.random() < 0.5 else text.swapcase()
    return _misspell(text, rng)


def plant(document: str, attack: str, rng: random.Random) -> str:
    """A document with an attack in it: before, behind, or at the end of one of its lines."""
    place = rng.randrange(4)
    if place == 0:
        return f"{attack}\n{document}"
    if place == 1:
        return f"{document}\n{attack}"
    lines = document.split("\n")
    number = rng.randrange(len(lines))
    lines[number] = f"{lines[number]} {attack}" if place == 2 else f"{lines[number]}\n{attack}"
    return "\n".join(lines)


def _make_injection(count: int, carriers: Grammar, rng: random.Random) -> Iterator[Example]:
    texts = load_grammar("injection")
    source = "generated/injection"
    benign = {f"injection/{column}": 0.0 for column in COLUMNS["injection"]}
    for grown in grow(texts, "direct", count // 3, rng):
        text = disguise(grown.text, rng) if rng.random() < 0.15 else grown.text
        yield Example(text, _mark("injection", "direct"), source, grown.template)
    for grown in grow(texts, "indirect", count // 2, rng):
        carrier = next(grow(carriers, "carrier", 1, rng))
        text = plant(carrier.text, grown.text, rng)
        yield Example(text, _mark("injection", "indirect"), source, grown.template)
    for grown in grow(carriers, "carrier", count // 2, rng):
        yield Example(grown.text, benign, source, grown.template)
    for grown in grow(texts, "trigger", count // 2, rng):
        yield Example(grown.text, benign, source, grown.template)
    # A bare question or task is no attack unless it stands in somebody's document.
    for section in ("i_task", "i_question", "benign_request"):
        for grown in grow(texts, section, count // 8, rng):
            yield Example(grown.text, benign, source, grown.template)


def _make_refusal(count: int, rng: random.Random) -> Iterator[Example]:
    texts = load_grammar("refusal")
    for section, label in (("refused", 1.0), ("complied", 0.0)):
        for grown in grow(texts, section, count // 2, rng):
            yield Example(
                grown.text, {"refusal/refusal": label}, "generated/refusal", grown.template
            )


def _make_unsafe(count: int, rng: random.Random) -> Iterator[Example]:
    texts = load_grammar("unsafe")
    source = "generated/unsafe"
    for kind in _UNSAFE_KINDS:
        for grown in grow(texts, kind, count // 10, rng):
            text = disguise(grown.text, rng) if rng.random() < 0.05 else grown.text
            yield Example(text, _mark("unsafe", kind), source, grown.template)
    safe = {f"unsafe/{column}": 0.0 for column in COLUMNS["unsafe"]}
    for section in ("innocent", "neutral"):
        for grown in grow(texts, section, count // 3, rng):
            yield Example(grown.text, safe, source, grown.template)


def _mark(head: str, kind: str) -> dict[str, float]:
    return {f"{head}/{head}": 1.0, f"{head}/{kind}": 1.0}


def _misspell(text: str, rng: random.Random) -> str:
    letters = list(text)
    for _ in range(max(1, len(letters) // 15)):
        place = rng.randrange(len(letters))
        if letters[place].isalpha():
            letters[place] = rng.choice(("", letters[place] * 2, "*"))
    return "".join(letters)
