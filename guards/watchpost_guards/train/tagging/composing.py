"""Texts to learn from, put together from templates, borrowed prose and fillers.

One to several lines make a text; then it is rewritten as people write: without capitals, in
capitals, with names in small letters. Its group is its first template, by which sets are split. It
does not know how texts are learned.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from watchpost.errors import ConfigError
from watchpost_guards.train.tagging.fillers import Filler, slots
from watchpost_guards.train.tagging.passages import Passage, Piece, lay_out, rewrite
from watchpost_guards.train.tagging.pools import load_pools
from watchpost_guards.train.tagging.prose import keep_empty, open_slots, read_code
from watchpost_guards.train.tagging.sections import read_lines

_SLOT = re.compile(r"\{(" + "|".join(slots()) + r")\}")
_BRACED = re.compile(r"\{(\w+)\}")
_LONGEST = 520
_SEAMS = (" ", " ", " ", "\n", "\n", "\n\n")

Sections = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Stock:
    """Lines to choose from: with slots by section, without anything, borrowed with slots, code."""

    told: Sections
    nothing: Sections
    opened: Sequence[str]
    empty: Sequence[str]
    code: Sequence[str]


def load_stock(sentences: Sequence[str], seed: int) -> Stock:
    """The templates of this package beside what was borrowed."""
    rng = random.Random(seed)  # noqa: S311 - data, not a secret
    empty = keep_empty(sentences)
    opened = [made for sentence in empty if (made := open_slots(sentence, rng)) is not None]
    plain = [sentence for sentence in empty if open_slots(sentence, rng) is None]
    return Stock(
        _read_templates("sentences"),
        _read_templates("nothing"),
        opened,
        plain,
        tuple(read_code(1500, rng)),
    )


def compose(stock: Stock, count: int, seed: int) -> Iterator[Passage]:
    """`count` texts, the same ones for the same stock and seed."""
    rng = random.Random(seed)  # noqa: S311
    filler = Filler(load_pools(seed), rng)
    for _ in range(count):
        filler.move()
        lines, source = _choose_lines(stock, rng)
        pieces: list[Piece] = []
        for number, line in enumerate(lines):
            if number:
                pieces.append(Piece(rng.choice(_SEAMS)))
            pieces += fill(line, filler)
            if sum(len(piece.text) for piece in pieces) > _LONGEST:
                break
        yield lay_out(_restyle(pieces, rng), lines[0], source)


def fill(line: str, filler: Filler) -> list[Piece]:
    """A template's pieces."""
    pieces, position = [], 0
    for slot in _SLOT.finditer(line):
        pieces.append(Piece(_unescape(line[position : slot.start()])))
        pieces += filler.fill(slot[1])
        position = slot.end()
    pieces.append(Piece(_unescape(line[position:])))
    return [piece for piece in pieces if piece.text]


def _read_templates(name: str) -> Sections:
    """A template file's lines by section. Raises ConfigError for a slot that nothing fills."""
    sections = read_lines(name)
    known = set(slots())
    for lines in sections.values():
        for line in lines:
            unknown = set(_BRACED.findall(line)) - known
            if unknown:
                raise ConfigError(f"slot of {name}.txt", min(unknown), "use one of the filler's")
    return sections


def _choose_lines(stock: Stock, rng: random.Random) -> tuple[list[str], str]:
    chance = rng.random()
    if chance < 0.52:
        section = rng.choice(tuple(stock.told))
        lines = [rng.choice(stock.told[section])]
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 3, 5))):
            lines.append(_another(stock, section, rng))
        # A line in the middle of prose is seen without what began the text.
        if len(lines) > 1 and rng.random() < 0.3:
            lines.reverse()
        return lines, f"generated/{section}"
    if chance < 0.74:
        lines = [rng.choice(stock.opened)]
        for _ in range(rng.choice((0, 0, 1, 2))):
            lines.append(rng.choice((rng.choice(stock.empty), rng.choice(stock.opened))))
        return lines, "borrowed/opened"
    if chance < 0.9:
        section = rng.choice(("plain", "plain", "plain", "code", "calls"))
        lines = rng.choices(stock.nothing[section], k=rng.choice((1, 1, 1, 2, 3)))
        return lines, f"generated/{section}"
    if chance < 0.96:
        return rng.choices(stock.empty, k=rng.choice((1, 1, 2, 3))), "borrowed/empty"
    return [rng.choice(stock.code)], "borrowed/code"


def _another(stock: Stock, section: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.55:
        return rng.choice(stock.told[section])
    if chance < 0.75:
        return rng.choice(stock.nothing["plain"])
    return rng.choice(stock.opened) if chance < 0.85 else rng.choice(stock.empty)


def _restyle(pieces: Sequence[Piece], rng: random.Random) -> list[Piece]:
    """As somebody else would have typed it."""
    chance = rng.random()
    if chance < 0.17:
        pieces = rewrite(pieces, str.lower, all_of=True)
    elif chance < 0.21:
        pieces = rewrite(pieces, str.upper, all_of=True)
    elif chance < 0.31:
        pieces = [_lower_one(piece) if rng.random() < 0.7 else piece for piece in pieces]
    elif chance < 0.37:
        pieces = rewrite(pieces, str.upper, all_of=False)
    elif chance < 0.40:
        pieces = rewrite(pieces, str.title, all_of=True)
    if rng.random() < 0.06:
        pieces = rewrite(pieces, lambda text: text.replace(",", "").replace("'", ""), all_of=True)
    if pieces and rng.random() < 0.05:
        pieces = [*pieces[:-1], Piece(pieces[-1].text.rstrip(".!?"), pieces[-1].kind)]
    return list(pieces)


def _lower_one(piece: Piece) -> Piece:
    return Piece(piece.text.lower(), piece.kind) if piece.kind else piece


def _unescape(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")
