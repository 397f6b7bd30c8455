"""The rules of a page, one by one: what can be said of a kind, and what must hold together.

A value of `where` is any text: it is bound to the rule's SQL, never part of it. It runs no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watchpost.yaml_page import Fields, Node
from watchpost_collector.alerts.alert_page import AlertPage
from watchpost_collector.alerts.dimensions import CHECKS, SCORES, SEGMENT, is_known
from watchpost_collector.alerts.rule import (
    DIRECTIONS,
    GUARD_MEASURE,
    INPUT_LENGTH,
    KINDS,
    LATENCIES,
    MEASURES,
    PERIODS,
    SCORE_MEASURE,
    SENSITIVITIES,
    VERSIONS,
    Rule,
)

_MOST_BY = 4
_MOST_VALUES = 100
_SHARED = ("name", "kind", "where", "by", "sensitivity", "notify", "for", "no_data")
_MOST_WINDOW_S = 7 * 86_400
_LEAST_NO_DATA_S, _MOST_NO_DATA_S = 1800, 30 * 86_400
_DEFAULT_MEASURES = ("cost", "output_tokens", "latency", "errors", "refusals")


class RuleReader:
    """Reads the rules of one page."""

    def __init__(self, page: AlertPage) -> None:
        self.page = page

    def read_rule(self, node: Node) -> Rule:
        said = self.page.read_fields(node, None)
        for key in ("name", "kind"):
            if key not in said:
                raise self.page.refuse(node, f"a rule has a `{key}`")
        chosen = self.page.read_choice(said["kind"], tuple(KINDS))
        kind = KINDS[chosen]
        fields = self.page.read_fields(node, (*_SHARED, *kind.keys))
        values: dict[str, Any] = {
            "window_h": kind.window_h,
            "min_calls": kind.min_calls,
            "by": kind.by,
        }
        values |= self._read_told(chosen, fields)
        rule = Rule(
            name=self.page.read_text(fields["name"]),
            kind=chosen,
            where=self._read_where(chosen, fields),
            is_routed="notify" in fields,
            line=node.start_mark.line + 1,
            **values,
        )
        self._check(rule, node, fields)
        return rule

    def _read_told(self, kind: str, fields: Fields) -> dict[str, Any]:
        """What was said, under the names of `Rule`."""
        readers: dict[str, tuple[str, Callable[[Node], Any]]] = {
            "by": ("by", lambda node: self._read_names(node, kind)),
            "sensitivity": ("sensitivity", lambda node: self.page.read_choice(node, SENSITIVITIES)),
            "notify": ("notify", lambda node: tuple(dict.fromkeys(self.page.read_texts(node)))),
            "for": ("hold_s", lambda node: self.page.read_span(node, _MOST_WINDOW_S)),
            "no_data": (
                "no_data_s",
                lambda node: self.page.read_span(node, _MOST_NO_DATA_S, _LEAST_NO_DATA_S),
            ),
            "window": ("window_h", self._read_hours),
            "min_calls": ("min_calls", lambda node: int(self.page.read_number(node, 1, 10**9))),
            "direction": ("direction", lambda node: self.page.read_choice(node, DIRECTIONS)),
            "measure": ("measure", lambda node: self.page.read_choice(node, LATENCIES)),
            "above": ("above", lambda node: self.page.read_number(node, 0, 1)),
            "above_ms": ("above_ms", lambda node: self.page.read_number(node, 0, 1e9)),
            "limit": ("limit", lambda node: self.page.read_number(node, 0.000001, 1e12)),
            "period": ("period", lambda node: self.page.read_choice(node, PERIODS)),
            "of": ("of", lambda node: self.page.read_choice(node, VERSIONS)),
            "measures": ("measures", self._read_measures),
            "on": ("on", lambda node: self._read_name(node, kind, also=(INPUT_LENGTH,))),
        }
        return {
            name: read(fields[key]) for key, (name, read) in readers.items() if key in fields
        } | ({} if "measures" in fields or kind != "regression" else self._choose_measures(fields))

    def _choose_measures(self, fields: Fields) -> dict[str, tuple[str, ...]]:
        # Guards know no release, no provider and no operation: they are asked where they can be.
        named = [self.page.read_text(node) for node in self._list_names(fields)]
        asked = all(is_known(name, CHECKS) for name in named)
        return {"measures": _DEFAULT_MEASURES if asked else _DEFAULT_MEASURES[:-1]}

    def _list_names(self, fields: Fields) -> list[Node]:
        named = [fields["of"]] if "of" in fields else []
        if "by" in fields:
            named += self.page.read_items(fields["by"])
        if "where" in fields:
            named += [key for key, _ in self.page.read_pairs(fields["where"], None)]
        return named

    def _read_where(self, kind: str, fields: Fields) -> tuple[tuple[str, tuple[str, ...]], ...]:
        if "where" not in fields:
            return ()
        found = []
        for key, value in self.page.read_pairs(fields["where"], None):
            values = tuple(self.page.read_texts(value))
            if not 1 <= len(values) <= _MOST_VALUES:
                raise self.page.refuse(key, f"give it 1 to {_MOST_VALUES} values")
            found.append((self._read_name(key, kind), values))
        return tuple(found)

    def _read_names(self, node: Node, kind: str) -> tuple[str, ...]:
        names = tuple(self._read_name(one, kind) for one in self.page.read_items(node))
        if len(set(names)) != len(names) or len(names) > _MOST_BY:
            raise self.page.refuse(node, f"name at most {_MOST_BY}, each once")
        return names

    def _read_name(self, node: Node, kind: str, also: Sequence[str] = ()) -> str:
        name = self.page.read_text(node)
        columns = KINDS[kind].columns
        if name not in also and not is_known(name, columns):
            allowed = ", ".join((*also, *columns, f"{SEGMENT}KEY"))
            raise self.page.refuse(node, f"use {allowed}")
        return name

    def _read_measures(self, node: Node) -> tuple[str, ...]:
        found = []
        for one in self.page.read_items(node):
            name = self.page.read_text(one)
            prefix, colon, rest = name.partition(":")
            if name not in MEASURES and not (f"{prefix}{colon}" in _PREFIXES and rest):
                allowed = ", ".join((*MEASURES, f"{GUARD_MEASURE}NAME", f"{SCORE_MEASURE}NAME"))
                raise self.page.refuse(one, f"use {allowed}")
            found.append(name)
        if not found or len(set(found)) != len(found):
            raise self.page.refuse(node, "name one or several measures, each once")
        return tuple(found)

    def _check(self, rule: Rule, node: Node, fields: Fields) -> None:
        """What must hold of several keys together."""
        if rule.kind == "budget" and "limit" not in fields:
            raise self.page.refuse(node, "a budget has a `limit` in dollars")
        if rule.kind == "volume" and rule.direction != "up" and rule.min_calls < 10:
            raise self.page.refuse(
                fields["min_calls"], "write 10 or more: of fewer calls none is missed"
            )
        if rule.kind != "regression":
            return
        for name in self._list_names(fields):
            for measure in rule.measures:
                columns = _columns_of(measure)
                if columns is not None and not is_known(self.page.read_text(name), columns):
                    cure = f"{measure} is not counted by this: leave one of them out"
                    raise self.page.refuse(name, cure)

    def _read_hours(self, node: Node) -> int:
        seconds = self.page.read_span(node, _MOST_WINDOW_S)
        if seconds < 3600 or seconds % 3600:
            raise self.page.refuse(node, "write whole hours: 1h, 6h, 1d")
        return seconds // 3600


_PREFIXES = (GUARD_MEASURE, SCORE_MEASURE)


def _columns_of(measure: str) -> Mapping[str, str] | None:
    """What a measure that does not come from calls is counted by; None for the others."""
    if measure == "refusals" or measure.startswith(GUARD_MEASURE):
        return CHECKS
    return SCORES if measure.startswith(SCORE_MEASURE) else None
