"""`watchpost grafana push` and `watchpost alerts push` from the command line to a Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from grafana_contract import TOKEN, GrafanaContract

from watchpost_collector.command import main

RULES = """
contacts:
- name: oncall
  slack: {url: "${SLACK_WEBHOOK}"}
  webhook: {url: https://alerts.example.com/hook, token: "${HOOK_TOKEN}"}
  repeat: 4h
  group: contact
- name: team
  email: {to: [a@example.com, b@example.com]}
  resolved: false
mail: {host: smtp.example.com, from: alerts@example.com}
notify: [team]
every: 10m
page: https://watchpost.example.com
rules:
- {name: Dear, kind: cost_spike, by: [service], notify: [oncall], for: 30m}
- {name: Silent, kind: absence, no_data: 6h}
"""
SECRETS = {"SLACK_WEBHOOK": "https://hooks.example.com/T0/secret", "HOOK_TOKEN": "hook-secret-012"}


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaContract]:
    with GrafanaContract() as opened:
        monkeypatch.setenv("GRAFANA_URL", opened.url)
        monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
        yield opened


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def test_everything_is_pushed_and_said_and_a_second_time_nothing_is_new(
    grafana: GrafanaContract, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ["--source", "http://watchpost:8123", "--key", "admin-key-0123456789"]
    arguments = ["grafana", "push", "--alerts", str(rules), *source]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "created    data source: watchpost\n" in said
    assert "created    alert rule: Dear\n" in said
    assert "created    contact point: watchpost: team (email)\n" in said
    assert main(arguments) == 0
    assert "created" not in capsys.readouterr().out

    assert grafana.state.sources["watchpost"]["jsonData"]["host"] == "watchpost"
    assert grafana.state.sources["watchpost"]["secret"] == {"password": "admin-key-0123456789"}
    [(place, group)] = grafana.state.groups.items()
    assert (place, group["interval"]) == (("watchpost", "watchpost"), 600)
    dear, silent = group["rules"]
    assert (dear["for"], dear["labels"]["watchpost_notify"]) == ("30m", "|oncall|")
    assert (silent["noDataState"], silent["labels"]["watchpost_notify"]) == ("NoData", "|team|")
    settings = {point["type"]: point["settings"] for point in grafana.state.contacts.values()}
    assert settings == {
        "slack": {"url": SECRETS["SLACK_WEBHOOK"]},
        "webhook": {
            "url": "https://alerts.example.com/hook",
            "httpMethod": "POST",
            "authorization_scheme": "Bearer",
            "authorization_credentials": SECRETS["HOOK_TOKEN"],
        },
        "email": {"addresses": "a@example.com;b@example.com"},
    }
    assert not any(secret in said for secret in SECRETS.values())


def test_alerts_alone_need_no_endpoint_and_groups_stay_apart(
    grafana: GrafanaContract, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "push", str(rules)]) == 2
    assert "run `watchpost grafana push` first" in capsys.readouterr().err
    assert main(["grafana", "push"]) == 0
    for group in ("team a", "team b"):
        assert main(["alerts", "push", str(rules), "--group", group]) == 0
    assert {group for _, group in grafana.state.groups} == {"team a", "team b"}
    assert len(grafana.state.contacts) == 6
    assert len(grafana.state.policies["routes"]) == 2
    capsys.readouterr()
    assert main(["alerts", "push", str(rules), "--group", "a/b"]) == 2
    assert "--group='a/b' cannot be used" in capsys.readouterr().err


def test_files_hold_references_and_no_secrets_and_ask_no_grafana(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "provisioning"
    assert main(["alerts", "push", str(rules), "--to-file", str(folder)]) == 0
    written = [Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines()]
    assert {path.parent for path in written} == {folder}
    text = "".join(path.read_text() for path in written)
    assert not any(secret in text for secret in SECRETS.values())
    points = yaml.safe_load((folder / "watchpost-contacts.yaml").read_text())["contactPoints"]
    assert points[0]["receivers"][1]["settings"]["url"] == "${SLACK_WEBHOOK}"


def test_what_is_missing_is_named_with_its_cure(
    grafana: GrafanaContract,
    rules: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("SLACK_WEBHOOK", "GRAFANA_TOKEN", "GRAFANA_URL"):
        monkeypatch.delenv(name)
        assert main(["alerts", "push", str(rules)]) == 2
        assert name in capsys.readouterr().err
        monkeypatch.setenv(name, grafana.url)
    assert grafana.sent == []
