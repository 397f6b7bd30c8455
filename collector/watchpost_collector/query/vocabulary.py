"""The words a foreign query may use, read from `vocabulary.txt`.

That file is the review: every function of the engine stands in it either as allowed or as refused,
and what is in neither (an engine newer than the review) is refused. This file only reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names by kind; those of `any_case` sets are spelled in lower case."""

    nodes: frozenset[str]
    functions: frozenset[str]
    functions_any_case: frozenset[str]
    aggregates: frozenset[str]
    aggregates_any_case: frozenset[str]
    combinators: tuple[str, ...]
    dictionary_functions: frozenset[str]
    table_functions: frozenset[str]
    system_tables: frozenset[str]
    information_tables: frozenset[str]
    formats: frozenset[str]
    refused: frozenset[str]

    def has_function(self, name: str) -> bool:
        """Whether `name` is an allowed scalar, aggregate or window function."""
        if name in self.functions or name.lower() in self.functions_any_case:
            return True
        return self._has_aggregate(name)

    def _has_aggregate(self, name: str) -> bool:
        if name in self.aggregates or name.lower() in self.aggregates_any_case:
            return True
        return any(
            self._has_aggregate(name[: -len(ending)])
            for ending in self.combinators
            if len(name) > len(ending) and name.lower().endswith(ending.lower())
        )


@cache
def read_vocabulary() -> Vocabulary:
    """The checked-in vocabulary."""
    text = files(__package__).joinpath("vocabulary.txt").read_text(encoding="ascii")
    words: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ").replace(" ", "_")
        elif not line.startswith("#"):
            words.setdefault(section, []).extend(line.split())
    combinators = tuple(words.pop("combinators"))
    return Vocabulary(combinators=combinators, **{k: frozenset(v) for k, v in words.items()})
