"""Texts grown from templates: a file of sections, one template a line, slots filled at random.

`[name]` opens a section, `{name}` stands for a line of it, `\\n` for a line end, `#` begins a
comment at the start of a line. It does not know what the texts are for.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from watchpost.errors import ConfigError

_SLOT = re.compile(r"\{(\w+)\}")
_HEADING = re.compile(r"\[(\w+)\]")
# Deeper than any of our files nests: a section that contains itself is a mistake in the file.
_DEEPEST = 8

Grammar = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Grown:
    """One text and the number of the template at its root, by which sets are split."""

    text: str
    template: str


@cache
def load_grammar(name: str) -> Grammar:
    """The sections of one of the package's template files."""
    return parse_grammar((files(__package__) / "templates" / f"{name}.txt").read_text("utf-8"))


def parse_grammar(source: str) -> Grammar:
    """Sections by name. Raises ConfigError for a line outside a section or an unknown slot."""
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(source.splitlines(), 1):
        heading = _HEADING.fullmatch(line.strip())
        if heading:
            current = sections.setdefault(heading[1], [])
        elif current is not None and line.strip():
            current.append(line)
        elif line.strip() and not line.startswith("#"):
            raise ConfigError(f"template line {number}", line, "put it under a [section]")
    for name, lines in sections.items():
        for slot in {slot for line in lines for slot in _SLOT.findall(line)}:
            if slot not in sections:
                raise ConfigError(f"template section [{name}]", slot, "add the section it names")
    return {name: tuple(lines) for name, lines in sections.items()}


def grow(grammar: Grammar, section: str, count: int, rng: random.Random) -> Iterator[Grown]:
    """`count` texts of a section, its templates in turn."""
    templates = grammar[section]
    order = list(range(len(templates)))
    for position in range(count):
        if position % len(order) == 0:
            rng.shuffle(order)
        number = order[position % len(order)]
        yield Grown(fill(grammar, templates[number], rng), f"{section}/{number}")


def fill(grammar: Grammar, template: str, rng: random.Random, depth: int = 0) -> str:
    """One template with every slot filled. Raises ConfigError for sections that never end."""
    if depth > _DEEPEST:
        raise ConfigError("template", template, "let no section contain itself")

    def choose(slot: "re.Match[str]") -> str:
        return fill(grammar, rng.choice(grammar[slot[1]]), rng, depth + 1)

    return _SLOT.sub(choose, template).replace("\\n", "\n")
