"""The tagger's model card: what it learned from, and its figures beside a baseline's.

Tables are of the exported 8-bit network at its own thresholds. It does not know whence they came.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watchpost_guards.models.tagger import Kind
from watchpost_guards.train.tagging.passages import Passage

Figures = dict[str, dict[str, Any]]
"""By set, and by kind or "all": known, found, precision, recall, F1, F2."""

_COLUMNS = ("known", "found", "precision", "recall", "F1", "F2")


def write_card(
    figures: Figures,
    beside: Figures,
    kinds: Sequence[Kind],
    *,
    revision: str,
    command: str,
    learned: Sequence[Passage],
) -> str:
    """The card as Markdown; `beside` are figures of a run that learned from no labelled set."""
    counts = Counter(passage.source for passage in learned)
    lines = [
        "# Model card of the tagger",
        "",
        f"Revision `{revision}`, written by `{command}`.",
        "",
        "Finds people, addresses, places, organisations, days and telephone numbers by their "
        "context, on the states of the encoder's frozen layers and on how words are written. "
        "English first; other European languages are in a few templates, other scripts in names.",
        "",
        "A span counts as found when findings of its kind cover half of it, a finding as "
        "right when half of it lies in spans of its kind; places and addresses count as one. The "
        "baseline calls every run of capitalised words a person, unless it begins a sentence.",
        "",
        "## These weights",
        "",
        *_tables(figures),
    ]
    if beside:
        lines += [
            "## The same network, learned from texts of our own only",
            "",
            "Every labelled set is another domain to it: none of their texts, templates or names "
            "was learned from, nor a threshold chosen by them. It is not what is shipped.",
            "",
            *_tables(beside),
        ]
    lines += [
        "## Thresholds",
        "",
        "Chosen where F2 is best at a precision of 0.85 or more, on held-out templates.",
        "",
        *_table(("kind", "probability"), ((kind.label, f"{kind.threshold:.2f}") for kind in kinds)),
        "",
        "## Learned from",
        "",
        *_table(("source", "texts"), ((name, str(n)) for name, n in sorted(counts.items()))),
    ]
    return "\n".join(lines) + "\n"


def _tables(figures: Figures) -> Iterator[str]:
    for name, rows in figures.items():
        yield f"### {name}: {rows['texts']} texts"
        yield ""
        shown = ((label, *_row(row)) for label, row in rows.items() if isinstance(row, Mapping))
        yield from _table(("", *_COLUMNS), shown)
        yield ""


def _row(row: Mapping[str, float | None]) -> Iterator[str]:
    for column in _COLUMNS:
        value = row[column]
        yield "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
