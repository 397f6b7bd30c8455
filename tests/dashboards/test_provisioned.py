"""The dashboards' JSON: what is checked in is what is built, and Grafana can lay it out."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from watchpost_dashboards.drawing import build
from watchpost_dashboards.panel import Sheet
from watchpost_dashboards.provisioned import FOLDER, SHEETS, find_path
from watchpost_dashboards.source import PLUGIN, SOURCE_UID

ONE_EACH = pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
TRACES = next(sheet for sheet in SHEETS if sheet.name == "traces")
# What Grafana fills in by itself.
BUILT_IN = {"__url_time_range", "__field", "__data", "__value"}


def test_what_is_checked_in_is_what_is_built_and_nothing_else_lies_there() -> None:
    assert {path.name: json.loads(path.read_text()) for path in FOLDER.iterdir()} == {
        find_path(sheet).name: build(sheet) for sheet in SHEETS
    }


def test_every_dashboard_has_an_id_of_its_own_and_a_link_to_the_others() -> None:
    built = [build(sheet) for sheet in SHEETS]
    assert len({one["uid"] for one in built}) == len({one["title"] for one in built}) == len(SHEETS)
    for one in built:
        assert set(one["links"][0]["tags"]) <= set(one["tags"])


@ONE_EACH
def test_panels_have_ids_and_places_that_do_not_overlap(sheet: Sheet) -> None:
    panels = build(sheet)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(sheet.panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, (a, b)


@ONE_EACH
def test_every_panel_says_what_to_do_when_it_looks_bad(sheet: Sheet) -> None:
    titles = [panel.title for panel in sheet.panels]
    assert len(set(titles)) == len(titles)
    for panel in build(sheet)["panels"]:
        assert len(re.findall(r"\w+", panel["description"])) > 10, panel["title"]


@ONE_EACH
def test_every_query_goes_to_the_provisioned_data_source(sheet: Sheet) -> None:
    built = build(sheet)
    asking = [
        *built["panels"],
        *(target for panel in built["panels"] for target in panel["targets"]),
        *(one for one in built["templating"]["list"] if one["type"] == "query"),
        *built["annotations"].get("list", ()),
    ]
    assert len(asking) > 2 * len(sheet.panels)
    assert all(one["datasource"] == {"type": PLUGIN, "uid": SOURCE_UID} for one in asking)


@ONE_EACH
def test_every_variable_that_is_used_is_there(sheet: Sheet) -> None:
    built = build(sheet)
    names = {one["name"] for one in built["templating"]["list"]}
    assert {"project", "service", "environment", "model", "prompt", "version", "segment"} <= names
    used = set(re.findall(r"\$\{(\w+)", json.dumps(built)))
    assert used - BUILT_IN <= names


def list_links(built: dict[str, Any]) -> list[str]:
    found = []
    for panel in built["panels"]:
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        links = [*config["defaults"].get("links", ())]
        for override in config["overrides"]:
            links += [
                link
                for one in override["properties"]
                if one["id"] == "links"
                for link in one["value"]
            ]
        found += [link["url"] for link in links if link["url"].startswith("/d/")]
    return found


@ONE_EACH
def test_panels_link_to_the_traces_behind_them(sheet: Sheet) -> None:
    known = {variable.name for variable in TRACES.variables}
    links = list_links(build(sheet))
    if sheet.name != "operations":
        assert links
    for link in links:
        path, _, query = link.partition("?")
        assert path == f"/d/{TRACES.uid}"
        assert "${__url_time_range}" in query.split("&")
        assert set(re.findall(r"var-(\w+)=", query)) <= known
        # Nothing is chosen twice over there.
        assert not set(re.findall(r"var-(\w+)=", query)) & set(re.findall(r"\{(\w+):query", query))
