"""What tests show of every client, and the tables of it in the documents.

A test says what it shows: `@shows("errors")`. Of whom is read from what the test is run with, so a
cell of a table stands for a test, and what no test shows has none.
`PYTHONPATH=tests python -m provider_features` writes the tables.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from provider_table import CASES, PARAMETERS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "sdk" / "clients.md"
MODULES = (
    *sorted((ROOT / "tests" / "sdk" / "clients").glob("test_*.py")),
    ROOT / "tests" / "sdk" / "test_openai_family.py",
    ROOT / "tests" / "sdk" / "test_openai_guards.py",
    ROOT / "tests" / "sdk" / "test_batches.py",
)
MARKS = re.compile(r"(<!-- features -->\n\n).*?(\n\n<!-- /features -->)", re.DOTALL)

Test = TypeVar("Test", bound=Callable[..., Any])


def _always(row: Any) -> bool:
    return True


def _is_whole(row: Any) -> bool:
    return not getattr(row, "streaming", False)


def _is_stream(row: Any) -> bool:
    return getattr(row, "streaming", True)


def _has(*names: str) -> Callable[[Any], bool]:
    """Whether a row says that there is something to be seen: a test that finds 0 shows nothing."""
    return lambda row: isinstance(row, str) or any(getattr(row, name, None) for name in names)


def _has_types(row: Any) -> bool:
    """Whether a client has objects of its own for what it is asked."""
    return repr(row.arguments("x", typed=True)) != repr(row.arguments("x"))


ASKED = {
    "result": _is_whole,
    "async": _is_whole,
    "stream": _is_stream,
    "async stream": _is_stream,
    "typed objects": _has_types,
    "errors": _always,
    "stream left early": _always,
    "stream cut short": _always,
    "retries": _always,
    "unpatched: `@observe`": _always,
    # Of an answer without tokens the test has nothing to find.
    "unpatched: `record`": _has("input_tokens", "tokens"),
    "both: counted once": _always,
}
RECORDED = {
    "tokens": _has("input_tokens", "tokens"),
    "dollars": _has("cost_usd", "cost"),
    "cached tokens": _has("cache_read_tokens"),
    "reasoning tokens": _has("reasoning_tokens"),
    "thoughts": _always,
    "tools": _always,
    "media": _always,
    "choices": _always,
    "log-probabilities": _always,
    "as sent": _always,
}
GUARDED = {
    "question blocked": _always,
    "question redacted": _always,
    "answer blocked": _always,
    "answer redacted": _always,
    "tool arguments redacted": _always,
}
TABLES = (
    ("Asked, answered, broken off", ASKED),
    ("Recorded", RECORDED),
    ("Guarded", GUARDED),
)
FEATURES = {name: applies for _, table in TABLES for name, applies in table.items()}
SHOWN: dict[tuple[str, str], set[str]] = {}
"""The tests that show a feature of a row."""


def shows(*features: str, of: Iterable[Any] = ()) -> Callable[[Test], Test]:
    """Say what a test shows: of what it is run with, and of the rows named."""

    def note(test: Test) -> Test:
        for row in (*of, *_find_rows(test)):
            for feature in features:
                if FEATURES[feature](row):
                    SHOWN.setdefault((feature, name_row(row)), set()).add(test.__name__)
        return test

    return note


def name_row(row: Any) -> str:
    """What stands at the left of a row."""
    return row if isinstance(row, str) else str(row.row_name)


def _find_rows(test: Callable[..., Any]) -> Iterator[Any]:
    for name in inspect.signature(test).parameters:
        for value in PARAMETERS.get(name, ()):
            yield value[0] if isinstance(value, tuple) else value
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            yield from (value for value in mark.args[1] if hasattr(value, "row_name"))


def collect() -> dict[tuple[str, str], set[str]]:
    """What all tests show together."""
    for path in MODULES:
        spec = importlib.util.spec_from_file_location(f"shown_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Its data classes look themselves up there.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return SHOWN


def draw() -> str:
    """The tables: of the ways to ask, and of all other calls what any of them shows."""
    shown = collect()
    asked = list(dict.fromkeys(name_row(case) for case in CASES))
    others = sorted({row for _, row in shown} - set(asked))
    drawn = [f"### {title}\n\n{_draw_table(list(table), asked)}" for title, table in TABLES]
    found = [name for name in FEATURES if any((name, row) in shown for row in others)]
    return "\n\n".join([*drawn, f"### Other calls\n\n{_draw_table(found, others)}"])


def _draw_table(features: list[str], rows: list[str]) -> str:
    lines = [f"| | {' | '.join(features)} |", f"|---|{':-:|' * len(features)}"]
    for row in rows:
        cells = ["✓" if (feature, row) in SHOWN else "-" for feature in features]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Write the tables into the document."""
    tables = draw()
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(MARKS.sub(lambda found: f"{found[1]}{tables}{found[2]}", text))


if __name__ == "__main__":
    # The tests import it by its name, and must fill the same table.
    import provider_features

    provider_features.main()
