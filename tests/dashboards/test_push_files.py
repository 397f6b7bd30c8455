"""Alerts as files that Grafana provisions from: they fit its published export, hold no secret, and
say after Grafana's own reading what a push says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from grafana_contract import validate
from grafana_state import CONTACTS, MATH, QUERY, SOURCE, THRESHOLD, fits

from watchpost_dashboards.pushing.alert_files import write_files
from watchpost_dashboards.pushing.alerting import (
    AlertRule,
    Alerts,
    ContactPoint,
    Receiver,
    build_receivers,
    build_route,
    build_rules,
    write_duration,
)

PROVISIONED = Path(__file__).parents[2] / "dashboards" / "watchpost_dashboards" / "grafana"
RULE = AlertRule("Costs $5 {{x}}", "budget", "select $__toTime", {"service": "service"}, ("a$b",))
HOOK = Receiver("webhook", {"url": "https://example.com/$$x", "password": "${SECRET}"})
ALERTS = Alerts("mine", (RULE,), (ContactPoint("a$b", (HOOK,), repeat_s=5400),), every_s=600)


def interpolate(told: Any, verbatim: tuple[str, ...] = ("annotations", "model")) -> Any:
    """What Grafana makes of a file: `$$` is a dollar sign, `${NAME}` of its environment."""
    if isinstance(told, dict):
        return {k: v if k in verbatim else interpolate(v, verbatim) for k, v in told.items()}
    if isinstance(told, list):
        return [interpolate(one, verbatim) for one in told]
    if not isinstance(told, str):
        return told
    pieces = (re.sub(r"\$\{?(\w+)\}?", r"<\1>", piece) for piece in told.split("$$"))
    return "$".join(pieces)


def test_every_file_fits_grafanas_published_export(tmp_path: Path) -> None:
    paths = list(write_files(ALERTS, tmp_path))
    assert [path.name for path in paths] == [
        *("watchpost-rules.yaml", "watchpost-contacts.yaml", "watchpost-policies.yaml"),
    ]
    for path in paths:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert told["apiVersion"] == 1
        validate("AlertingFileExport", told)


def test_grafana_reads_from_files_what_a_push_would_send(tmp_path: Path) -> None:
    told: dict[str, Any] = {}
    for path in write_files(ALERTS, tmp_path):
        told |= interpolate(yaml.safe_load(path.read_text(encoding="utf-8")))
    [group] = told["groups"]
    assert group["rules"] == build_rules(ALERTS)
    assert (group["name"], group["folder"], group["interval"]) == ("mine", "watchpost", "10m")
    assert "$__toTime" in group["rules"][0]["data"][0]["model"]["rawSql"]
    [point], [receiver] = told["contactPoints"], build_receivers(ALERTS)
    assert point["name"] == receiver.pop("name")
    receiver["settings"] = {"url": "https://example.com/$x", "password": "<SECRET>"}
    assert point["receivers"] == [receiver]
    [tree] = told["policies"]
    assert tree["routes"] == [build_route(ALERTS)]


def test_files_of_a_push_that_had_more_to_say_are_removed(tmp_path: Path) -> None:
    list(write_files(ALERTS, tmp_path))
    assert [path.name for path in write_files(Alerts("mine", (RULE,)), tmp_path)] == [
        "watchpost-rules.yaml"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["watchpost-rules.yaml"]


def test_a_rule_asks_and_judges_in_shapes_that_grafana_publishes() -> None:
    [rule] = build_rules(ALERTS)
    query, math, threshold = (one["model"] for one in rule["data"])
    fits(QUERY, query, "query")
    fits(MATH, math, "math")
    fits(THRESHOLD, threshold, "threshold")
    for receiver in build_receivers(ALERTS):
        needed, possible, secret = CONTACTS[receiver["type"]]
        assert needed <= set(receiver["settings"]) <= needed | possible | secret


def test_annotations_link_and_name_the_series_and_open_nothing_that_a_person_wrote() -> None:
    [rule] = build_rules(ALERTS)
    notes = rule["annotations"]
    assert notes["summary"].startswith('Costs $5 { {x} }: service={{ index .Labels "service" }}, ')
    assert "/d/watchpost-cost?from=now-24h&to=now&var-service={{ urlquery " in notes["dashboard"]
    assert "page" not in notes


def test_durations_are_spelled_as_grafana_spells_them_back() -> None:
    spelled = {0: "0s", 90: "1m30s", 300: "5m", 5400: "1h30m", 90_000: "1d1h", 1_209_600: "2w"}
    assert {seconds: write_duration(seconds) for seconds in spelled} == spelled


def test_the_provisioned_data_source_has_the_plugins_settings() -> None:
    [source] = yaml.safe_load((PROVISIONED / "datasource.yaml").read_text())["datasources"]
    assert set(source["secureJsonData"]) == {"password"}
    # A port is a number once Grafana has put its environment in.
    fits({**SOURCE, "port": str}, source["jsonData"], "jsonData")
