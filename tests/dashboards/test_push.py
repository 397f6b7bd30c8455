"""Pushing to a Grafana over a socket: it is made so, a second push does nothing, what was removed
goes, what others made stays, and a Grafana notices every field that would be wrong."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from grafana_contract import TOKEN, GrafanaContract, Sent, walk

from watchpost.errors import ConfigError
from watchpost_dashboards.pushing.alerting import (
    FOLDER_UID,
    AlertRule,
    Alerts,
    ContactPoint,
    Receiver,
)
from watchpost_dashboards.pushing.connection import GrafanaError, connect
from watchpost_dashboards.pushing.push import (
    Done,
    Source,
    push_alerts,
    push_dashboards,
    push_folder,
    push_source,
    read_dashboards,
)

SLACK = Receiver("slack", {"url": "https://hooks.example.com/secret"}, has_secrets=True)
MAIL = Receiver("email", {"addresses": "a@example.com;b@example.com"})
HOOK = Receiver("webhook", {"url": "https://example.com/hook", "httpMethod": "POST"})
SPIKE = AlertRule(
    "Spike {{x}} $HOME", "cost_spike", "select '' as service, 1. as value", {"service": "service"},
    notify=("oncall", "team {{b}}"), hold_s=5400,
)  # fmt: skip
SILENT = AlertRule("Silent", "absence", "select 1", {}, tells_no_data=True)
ALERTS = Alerts(
    "watchpost",
    (SPIKE, SILENT),
    (
        ContactPoint("oncall", (SLACK, MAIL), repeat_s=14_400),
        ContactPoint("team {{b}}", (HOOK,), is_one=True, tells_end=False),
    ),
    page="https://watchpost.example.com",
)
# Maps whose names are anybody's, and texts that are anybody's too.
FREE = ("labels", "annotations")


@pytest.fixture
def grafana() -> Iterator[GrafanaContract]:
    with GrafanaContract() as opened:
        yield opened


def push(grafana: GrafanaContract, alerts: Alerts = ALERTS, key: str = "k" * 20) -> list[str]:
    """Everything but dashboards: what was done, but for what was left as it was."""
    with connect(grafana.url, TOKEN) as api:
        done = [*push_source(api, Source("http://127.0.0.1:8123", key)), *push_folder(api)]
        done += push_alerts(api, alerts)
    return tell(done)


def push_sheets(grafana: GrafanaContract) -> list[str]:
    """The dashboards likewise."""
    with connect(grafana.url, TOKEN) as api:
        return tell([*push_folder(api), *push_dashboards(api)])


def tell(done: list[Done]) -> list[str]:
    return [f"{one.how} {one.what}: {one.name}" for one in done if one.how != "unchanged"]


def test_an_empty_grafana_gets_everything_and_a_second_push_changes_nothing(
    grafana: GrafanaContract,
) -> None:
    first = push(grafana)
    assert {line.split()[0] for line in first} == {"created"}
    assert "created alert rule: Silent" in first
    assert "created contact point: watchpost: oncall (slack)" in first
    assert "created notification policy: watchpost" in first
    before = copy.deepcopy(grafana.state)
    grafana.sent.clear()

    # Grafana shows no secret: whether it is still the same cannot be seen.
    assert push(grafana) == [
        "written data source: watchpost",
        "written contact point: watchpost: oncall (slack)",
    ]

    assert grafana.state == before
    assert [sent.method for sent in grafana.sent] == ["PUT", "PUT"]


def test_an_alert_reaches_the_contacts_that_its_rule_names(grafana: GrafanaContract) -> None:
    push(grafana)
    [group] = grafana.state.groups.values()
    spike, silent = group["rules"]
    assert (spike["for"], spike["noDataState"], spike["orgID"]) == (
        "1h30m",
        "OK",
        grafana.state.org,
    )
    assert (silent["for"], silent["noDataState"]) == ("0s", "NoData")
    [route] = grafana.state.policies["routes"]
    assert route["object_matchers"] == [["watchpost", "=", spike["labels"]["watchpost"]]]
    assert "watchpost_notify" not in silent["labels"]
    for branch, receiver in zip(route["routes"], ("oncall", "team {{b}}"), strict=True):
        [[label, operator, pattern]] = branch["object_matchers"]
        assert (operator, branch["receiver"]) == ("=~", f"watchpost: {receiver}")
        assert re.fullmatch(pattern, spike["labels"][label])
        assert not re.fullmatch(pattern, "|once|other|")
        assert branch["continue"] is True
    assert route["routes"][0]["repeat_interval"] == "4h"
    assert route["routes"][1]["group_by"] == ["watchpost"]


def test_what_left_the_file_is_removed_and_what_others_made_stays(grafana: GrafanaContract) -> None:
    push(grafana)
    state = grafana.state
    [(place, group)] = state.groups.items()
    group["rules"].append({**group["rules"][0], "uid": "handmade", "title": "By hand"})
    state.contacts["theirs"] = {**MAIL_POINT, "uid": "theirs", "name": "theirs"}
    state.policies["routes"].append({"receiver": "theirs", "object_matchers": [["team", "=", "a"]]})
    other = replace(ALERTS, group="other", rules=(SILENT,), contacts=(ALERTS.contacts[1],))
    assert "created alert rule: Silent" in push(grafana, other)

    less = replace(ALERTS, rules=(replace(SPIKE, hold_s=0),), contacts=(ALERTS.contacts[1],))
    done = push(grafana, replace(less, rules=(replace(SPIKE, notify=("team {{b}}",)),)))

    assert "removed alert rule: Silent" in done
    assert "removed contact point: watchpost: oncall (slack)" in done
    assert "removed contact point: watchpost: oncall (email)" in done
    assert "updated notification policy: watchpost" in done
    assert [rule["title"] for rule in state.groups[place]["rules"]] == [SPIKE.name, "By hand"]
    assert sorted({point["name"] for point in state.contacts.values()}) == [
        *("other: team {{b}}", "theirs", "watchpost: team {{b}}"),
    ]
    told = [route.get("object_matchers") for route in state.policies["routes"]]
    assert told == [
        [["watchpost", "=", "other"]],
        [["watchpost", "=", "watchpost"]],
        [["team", "=", "a"]],
    ]

    assert "removed notification policy: watchpost" in push(grafana, replace(less, contacts=()))
    assert [one["name"] for one in state.contacts.values() if "watchpost" in one["name"]] == []


def test_dashboards_are_put_back_and_those_of_an_earlier_version_go(
    grafana: GrafanaContract,
) -> None:
    shipped = read_dashboards()
    assert push_sheets(grafana)[1:] == [
        f"created dashboard: {sheet['title']}" for sheet in shipped.values()
    ]
    assert push_sheets(grafana) == []
    sheets = grafana.state.sheets
    uid, changed = next(iter(shipped.items()))
    sheets[uid]["dashboard"]["panels"].pop()
    for name, tags in (("watchpost-old", ["watchpost"]), ("watchpost-mine", []), ("theirs", [])):
        old = {"title": "Old", "tags": tags}
        sheets[name] = {"folderUid": FOLDER_UID, "dashboard": old}

    assert push_sheets(grafana) == [
        f"updated dashboard: {changed['title']}",
        "removed dashboard: Old",
    ]

    assert set(sheets) == {*shipped, "watchpost-mine", "theirs"}


MAIL_POINT = {"type": "email", "settings": dict(MAIL.settings), "disableResolveMessage": False}


def test_what_people_change_is_put_back_but_a_paused_rule_and_a_renamed_folder(
    grafana: GrafanaContract,
) -> None:
    push(grafana)
    state = grafana.state
    [group] = state.groups.values()
    group["rules"][0] |= {"isPaused": True, "noDataState": "Alerting"}
    state.folders[FOLDER_UID] = "LLM"
    state.sources["watchpost"]["isDefault"] = True
    state.sources["watchpost"]["jsonData"] |= {"host": "elsewhere", "validateSql": True}

    done = push(grafana, key="")

    assert "updated data source: watchpost" in done
    assert f"updated alert rule: {SPIKE.name}" in done
    [group] = state.groups.values()
    assert group["rules"][0]["noDataState"] == "OK"
    assert group["rules"][0]["isPaused"] is True
    assert group["rules"][1]["isPaused"] is False
    assert state.folders == {FOLDER_UID: "LLM"}
    source = state.sources["watchpost"]
    assert (source["isDefault"], source["jsonData"]["validateSql"]) == (True, True)
    assert (source["jsonData"]["host"], source["secret"]) == ("127.0.0.1", {"password": "k" * 20})


def test_a_grafana_refuses_every_field_that_would_be_wrong() -> None:
    with GrafanaContract(keeps_states=True) as grafana:
        push(grafana)
        push_sheets(grafana)
    writes = [one for one in grafana.sent if one.method in ("POST", "PUT")]
    sheets = [one for one in writes if one.target.endswith("/db")]
    writes = [one for one in writes if one not in sheets[1:]]
    paths = {urlsplit(one.target).path.split("/")[-1] for one in writes}
    assert {"datasources", "folders", "db", "watchpost", "contact-points", "policies"} <= paths
    tried = 0
    for sent in writes:
        assert sent.before is not None
        grafana.state = copy.deepcopy(sent.before)
        for place in walk(sent.body):
            for wrong in () if is_of_a_panel(sent, place) else mutate(sent.body, place):
                tried += 1
                assert judge(grafana, sent, wrong) in (400, 404, 409), f"{sent.target} {place}"
        assert grafana.state == sent.before
        assert judge(grafana, sent, sent.body) in (200, 202)
    assert tried > 200


def judge(grafana: GrafanaContract, sent: Sent, body: Any) -> int:
    """The status of the request with another body."""
    raw = json.dumps(body).encode()
    return grafana.judge(sent.method, sent.target, sent.headers, raw)[0]


def is_of_a_panel(sent: Sent, place: tuple[Any, ...]) -> bool:
    # What is inside of a dashboard's panels and variables is held to its own schema elsewhere.
    return sent.target.endswith("/dashboards/db") and len(place) > 2


def mutate(body: Any, place: tuple[Any, ...]) -> Iterator[Any]:
    """The body with this value of another type, and with its name misspelled."""
    *way, last = place
    value = body
    for name in place:
        value = value[name]
    for wrong in ({"a": 1} if isinstance(value, str | list) else "x", 5 if value != 5 else "5"):
        # The number of an expression may be any; so may a port.
        if isinstance(wrong, int) and isinstance(value, int) and not isinstance(value, bool):
            continue
        made = copy.deepcopy(body)
        inner = made
        for name in way:
            inner = inner[name]
        inner[last] = wrong
        yield made
    if isinstance(last, str) and not (way and way[-1] in FREE):
        made = copy.deepcopy(body)
        inner = made
        for name in way:
            inner = inner[name]
        inner[f"{last}_"] = inner.pop(last)
        yield made


def test_a_wrong_token_and_an_old_or_absent_grafana_are_told_with_their_cure(
    grafana: GrafanaContract,
) -> None:
    def complain(url: str, token: str = TOKEN) -> str:
        with pytest.raises((GrafanaError, ConfigError)) as caught, connect(url, token) as api:
            list(push_folder(api))
        return str(caught.value)

    said = complain(grafana.url, "glsa_wrong_0123")
    assert "401 Invalid API key" in said
    assert "set GRAFANA_TOKEN" in said
    assert "glsa_wrong" not in said
    with GrafanaContract(version="10.4.2") as old:
        assert complain(old.url) == "this is Grafana 10.4.2: 11 or newer is needed"
    assert complain(old.url).startswith(f"no Grafana answers at {old.url}")
    for url in ("", "grafana:3000", "ftp://x", "http://u:p@x", "http://x/?y=1"):
        assert complain(url).startswith("GRAFANA_URL=")
    assert complain(grafana.url, "").startswith("GRAFANA_TOKEN=")


def test_a_source_that_is_no_address_is_refused_before_anything_is_sent(
    grafana: GrafanaContract,
) -> None:
    with (
        connect(grafana.url, TOKEN) as api,
        pytest.raises(ConfigError, match="WATCHPOST_QUERY_URL"),
    ):
        list(push_source(api, Source("clickhouse:9000")))
    with connect(grafana.url, TOKEN) as api:
        list(push_source(api, Source("https://reader:p%40ss@ch.example.com/proxy")))
    assert grafana.state.sources["watchpost"]["jsonData"] == {
        "host": "ch.example.com",
        "port": 8443,
        "protocol": "http",
        "secure": True,
        "username": "reader",
        "defaultDatabase": "watchpost",
        "path": "/proxy",
    }
    assert grafana.state.sources["watchpost"]["secret"] == {"password": "p@ss"}
