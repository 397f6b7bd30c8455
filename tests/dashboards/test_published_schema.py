"""The dashboards' JSON against the schema that Grafana publishes as grafana-foundation-sdk: read
into its types, every value is of the type it should be, and none is lost on the way."""

from __future__ import annotations

import copy
import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_state import QUERY, fits

from watchpost_dashboards.plugin import PLUGIN
from watchpost_dashboards.pushing.push import read_dashboards

register_default_plugins()
SHEETS = read_dashboards()


def find_faults(sheet: dict[str, Any]) -> Iterator[str]:
    """What Grafana's types know nothing of, or know as something else."""
    # Of an annotation's query the types know that of Grafana's own data source alone, and say so.
    sheet = copy.deepcopy(sheet)
    for note in sheet.get("annotations", {}).get("list", ()):
        if note.get("datasource", {}).get("type") == PLUGIN:
            fits(QUERY, note.pop("target"), "target")
    try:
        read = Dashboard.from_json(copy.deepcopy(sheet))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"cannot be read: {error!r}"
        return
    yield from find_lost(sheet, json.loads(json.dumps(read, cls=JSONEncoder)), "")
    yield from find_mistyped(read, Dashboard, "")


def find_lost(told: Any, kept: Any, place: str) -> Iterator[str]:
    if isinstance(told, dict) and isinstance(kept, dict):
        for name, value in told.items():
            if name not in kept:
                yield f"{place}.{name} is unknown"
            else:
                yield from find_lost(value, kept[name], f"{place}.{name}")
    elif isinstance(told, list) and isinstance(kept, list) and len(told) == len(kept):
        for number, (one, other) in enumerate(zip(told, kept, strict=True)):
            yield from find_lost(one, other, f"{place}[{number}]")
    elif told != kept:
        yield f"{place} became {kept!r}"


def find_mistyped(value: Any, hint: Any, place: str) -> Iterator[str]:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object, Dataquery) or isinstance(hint, typing.TypeVar):
        return
    if origin in (typing.Union, types.UnionType):
        if all(any(find_mistyped(value, one, place)) for one in inside):
            yield f"{place} is {value!r}, not {hint}"
    elif origin is typing.Literal:
        if value not in inside:
            yield f"{place} is {value!r}, not one of {inside}"
    elif origin in (list, dict):
        if not isinstance(value, origin):
            yield f"{place} is no {origin.__name__}"
            return
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in pairs:
            yield from find_mistyped(one, inside[-1], f"{place}.{name}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [*hint, *(one.value for one in hint)]:
            yield f"{place} is {value!r}, no {hint.__name__}"
    elif hint is float or hint in (int, str, bool, type(None)):
        wanted = (int, float) if hint is float else hint
        if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
            yield f"{place} is {value!r}, no {hint.__name__}"
    elif isinstance(hint, type):
        if not isinstance(value, hint):
            yield f"{place} is no {hint.__name__}"
            return
        for name, of in typing.get_type_hints(hint).items():
            yield from find_mistyped(getattr(value, name, None), of, f"{place}.{name}")


@pytest.mark.parametrize("uid", SHEETS)
def test_every_dashboard_fits_grafanas_published_schema(uid: str) -> None:
    assert list(find_faults(SHEETS[uid])) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("title",), 5),
        (("titel",), "x"),
        (("tags",), [1]),
        (("refresh",), {}),
        (("time", "from"), 5),
        (("time", "untill"), "now"),
        (("panels", 0, "gridPos", "w"), "12"),
        (("panels", 0, "titel"), "x"),
        (("panels", 0, "targets"), "x"),
        (("panels", 0, "fieldConfig", "defaults", "unitt"), "ms"),
        (("panels", 0, "fieldConfig", "defaults", "unit"), 5),
        (("templating", "list", 0, "multi"), "yes"),
        (("templating", "list", 0, "refresh"), 9),
    ],
)
def test_a_field_that_would_be_wrong_is_found(place: tuple[Any, ...], wrong: object) -> None:
    sheet = copy.deepcopy(SHEETS["watchpost-overview"])
    inner: Any = sheet
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = wrong
    assert list(find_faults(sheet)) != []
