"""What a dashboard is made of, as values: variables, panels, their columns, and rollouts marked on
them. It knows neither SQL nor Grafana's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Shape = Literal["stat", "series", "bars", "table", "trace"]
Kind = Literal["query", "choice", "text"]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a person may choose above the panels.

    `source` is SQL for a `query`, the choices for a `choice`, and what stands there at first for a
    `text`. Many values may be taken at once, all at first, unless `single`.
    """

    name: str
    source: str
    label: str = ""
    kind: Kind = "query"
    single: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """How a table shows one of its columns: a Grafana unit, a heading, pixels, decimals.

    `page` is a link out of Grafana, in which `${__value.raw}` is the cell's own value.
    """

    unit: str = ""
    title: str = ""
    width: int = 0
    decimals: int | None = None
    page: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `width` in Grafana's 24 columns, `height` in its rows, `unit` a Grafana unit id.

    `narrows` says which variables a click on a value sets in the dashboard of traces, each to a
    label of the series, to a table's column (the first one bears the link), or to `=a word`.
    From the first of `limits` on a value is orange, from the second on red.
    """

    title: str
    description: str
    shape: Shape
    sql: str
    unit: str = "short"
    width: int = 12
    height: int = 8
    narrows: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    limits: tuple[float, ...] = ()
    most: float | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """Moments marked on every panel over time: SQL with `time`, `text` and `tags`."""

    name: str
    sql: str
    colour: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One dashboard. `since` is how far back it looks at first, as Grafana writes it."""

    name: str
    title: str
    description: str
    panels: Sequence[Panel]
    variables: Sequence[Variable]
    rollouts: Sequence[Rollout] = ()
    since: str = "now-24h"

    @property
    def uid(self) -> str:
        """Its fixed name in a link."""
        return f"watchpost-{self.name}"
