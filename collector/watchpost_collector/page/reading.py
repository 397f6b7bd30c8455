"""What the overview shows, read from the store in one go. Runs on a worker thread; knows the
queries and the shapes of their answers, nothing of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from watchpost_collector.page import queries
from watchpost_collector.page.filters import RANGES, Filters, Window, bind, choose_window

Row = dict[str, Any]


class Table(Protocol):
    """An answer: column names and rows of values."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def rows(self) -> Sequence[Sequence[Any]]: ...


class Reader(Protocol):
    """A bounded, read-only door to the store."""

    def query(self, sql: str, parameters: Mapping[str, Any], project: str) -> Table: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the overview page, of one window."""

    window: Window
    stored: bool
    tiles: Row
    guard_tile: Row
    by_model_over_time: list[Row]
    latency_over_time: list[Row]
    tokens_over_time: list[Row]
    by_model: list[Row]
    by_prompt: list[Row]
    by_guard: list[Row]
    choices: dict[str, list[str]]


def read_rows(reader: Reader, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Rows as dictionaries by column name."""
    table = reader.query(sql, parameters, str(parameters["project"]))
    return [dict(zip(table.names, row, strict=True)) for row in table.rows]


def find_window(reader: Reader, filters: Filters) -> tuple[Window, bool]:
    """The window to read, and whether anything at all is stored."""
    bound = {"project": filters.project}
    [spans] = read_rows(reader, queries.ANY_SPAN, bound)
    extent = (0, 0)
    if not RANGES[filters.range]:
        # Only `all` has to look at everything to know where it begins and ends.
        [found] = read_rows(reader, queries.EXTENT, bound)
        extent = (int(found["first_ms"]), int(found["last_ms"]))
    return choose_window(filters, extent), bool(spans["any_span"])


def choose_query(name: str, window: Window) -> str:
    """The text that answers a question of `queries.ALL` from as few rows as the window allows."""
    # Sums over the whole window have no use for hours.
    by_day = window.daily if name.endswith("_OVER_TIME") else window.hourly
    endings = ["_DAILY"] * by_day + ["_HOURLY"] * window.hourly + [""]
    chosen = next(name + end for end in endings if name + end in queries.ALL)
    return str(queries.ALL[chosen])


def read_overview(reader: Reader, filters: Filters) -> Overview:
    """Run the overview's queries, one after the other."""
    window, stored = find_window(reader, filters)
    bound = bind(filters, window)

    def read(name: str) -> list[Row]:
        return read_rows(reader, choose_query(name, window), bound)

    [sums], [times] = read("TILES"), read("LATENCY_TILES")
    [guard_tile] = read("GUARD_TILE")
    return Overview(
        window=window,
        stored=stored,
        tiles=sums | times,
        guard_tile=guard_tile,
        by_model_over_time=read("BY_MODEL_OVER_TIME"),
        latency_over_time=read("LATENCY_OVER_TIME"),
        tokens_over_time=read("TOKENS_BY_PROMPT_OVER_TIME"),
        by_model=read("BY_MODEL"),
        by_prompt=read("BY_PROMPT"),
        by_guard=read("BY_GUARD"),
        choices=read_choices(reader, window, bound),
    )


def read_choices(reader: Reader, window: Window, bound: Mapping[str, Any]) -> dict[str, list[str]]:
    """The stored values of each dimension inside the window, without the empty one."""
    [calls] = read_rows(reader, choose_query("CHOICES", window), bound)
    [verdicts] = read_rows(reader, choose_query("GUARD_CHOICES", window), bound)
    found = {
        "project": calls["projects"],
        "service": calls["services"],
        "environment": calls["environments"],
        "model": calls["models"],
        "prompt": calls["prompts"],
        "version": calls["versions"],
        "guard": verdicts["guards"],
    }
    return {name: [str(value) for value in values if value] for name, values in found.items()}
