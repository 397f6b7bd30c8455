"""The package's template files: lines in sections, or words in sections with bars between.

`[name]` opens a section, `# ` begins a comment. It does not know what the lines are for.
"""

import re
from collections.abc import Iterator
from importlib.resources import files

_HEADING = re.compile(r"\[(\w+)\]")


def read_lines(name: str) -> dict[str, tuple[str, ...]]:
    """A file's lines by section."""
    sections: dict[str, list[str]] = {}
    for section, line in _read(name):
        sections.setdefault(section, []).append(line)
    return {section: tuple(lines) for section, lines in sections.items()}


def read_words() -> dict[str, tuple[str, ...]]:
    """The words that texts are filled with, by section."""
    return {
        section: tuple(word for line in lines for word in line.split(" | "))
        for section, lines in read_lines("words").items()
    }


def _read(name: str) -> Iterator[tuple[str, str]]:
    section = ""
    source = (files(__package__) / "templates" / f"{name}.txt").read_text("utf-8")
    for line in source.splitlines():
        heading = _HEADING.fullmatch(line)
        if heading:
            section = heading[1]
        elif line and not line.startswith("# "):
            yield section, line
