"""Alerts end to end: rules over real calls, told to a real target, once, whoever was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alert_answers import Answers
from hook_server import HookServer, wait_until
from page_traffic import Sender
from playwright.sync_api import Page, expect
from running_server import RunningServer

from watchpost_collector.alerting.ledger import FILE_NAME, Ledger
from watchpost_collector.alerting.running import Alerting
from watchpost_collector.alerting.sending import open_channels
from watchpost_collector.alerts.rule_file import load_alerts
from watchpost_collector.checkup.running import check_server
from watchpost_collector.command import main


def write_rules(path: Path, url: str, service: str) -> Path:
    """Errors of one service, told to a webhook on loopback."""
    path.write_text(f"""
contacts:
- name: oncall
  webhook: {{url: "{url}", allow: [127.0.0.0/8, "::1/128"]}}
rules:
- name: Errors
  kind: error_rate
  above: 0.1
  by: [service]
  where: {{service: {service}}}
  notify: [oncall]
""")
    return path


def send_errors(server: RunningServer) -> str:
    """Forty calls that failed just now; their service."""
    sender = Sender(server)
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    for nth in range(40):
        sender.add(bytes([nth + 1]) * 16, "chat", attributes, minutes_ago=0, error="timeout")
    sender.send()
    return sender.service


class Evaluating:
    """`watchpost alerts run` in a process of its own, until it is killed."""

    def __init__(self, server: RunningServer, rules: Path, state: Path) -> None:
        command = str(Path(sys.executable).with_name("watchpost"))
        words = ["alerts", "run", str(rules), "--url", server.query_url, "--state", str(state)]
        self._process = subprocess.Popen([command, *words], stdout=subprocess.DEVNULL)
        self._state = state / FILE_NAME

    def wait_for_round(self, since: float) -> None:
        """Wait until the rules were evaluated."""
        wait_until(lambda: self._state.exists() and self._read()["evaluated_at"] >= since)

    def kill(self) -> None:
        """As a power cut would."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> dict[str, int]:
        told: dict[str, int] = json.loads(self._state.read_text())
        return told


def test_an_alert_is_told_once_although_the_evaluator_is_killed_and_starts_again(
    server: RunningServer, tmp_path: Path
) -> None:
    service = send_errors(server)
    with HookServer() as hook:
        rules = write_rules(tmp_path / "rules.yaml", hook.url, service)
        first = Evaluating(server, rules, tmp_path / "state")
        hook.wait_for(1)
        wait_until(lambda: not Ledger(tmp_path / "state").read().parcels)
        first.kill()
        began = time.time()
        second = Evaluating(server, rules, tmp_path / "state")
        second.wait_for_round(int(began))
        second.kill()
    [taken] = hook.taken
    [alert] = taken.told["alerts"]
    assert (alert["labels"]["rule"], alert["labels"]["service"]) == ("Errors", service)
    assert alert["values"]["error_rate value"] == 1.0
    assert alert["values"]["calls"] == 40
    assert "timeout" not in json.dumps(taken.told)


def test_a_collector_tells_what_an_earlier_run_left_and_says_what_fires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], browse: Callable[..., Page]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with HookServer(503) as hook:
        rules = write_rules(tmp_path / "rules.yaml", hook.url, "bot")
        file = load_alerts(rules)
        # An evaluator that ended while its target was away.
        sends = open_channels(file.contacts, None, {})
        alerting = Alerting(file, sends, Answers("bot"), data)
        alerting.start()
        hook.wait_for(1)
        alerting.close()
        with RunningServer(data, "--alerts", str(rules)) as server:
            hook.wait_for(2)
            wait_until(lambda: b'fate="delivered"} 1' in server.request("GET", "/metrics").body)
            where = ("--url", server.otlp_url)
            assert main(["alerts", "status", *where]) == 1
            said = capsys.readouterr().out
            assert "firing" in said
            assert "service=bot" in said
            shown = browse("/", base=server.page_url).locator("[data-test=table-alerts]")
            expect(shown).to_contain_text("service=bot")
            shown.page.close()
            assert main(["alerts", "silence", "Errors", "--for", "2h", *where]) == 0
            name = capsys.readouterr().out.split()[0]
            assert main(["alerts", "status", "--json", *where]) == 0
            state = json.loads(capsys.readouterr().out)
            assert state["rules"][0]["alerts"][0]["state"] == "silenced"
            assert [one["id"] for one in state["silences"]] == [name]
            assert main(["alerts", "unsilence", name, *where]) == 0
            assert main(["alerts", "silence", "Error", "--for", "2h", *where]) == 2
            assert "the file has Errors" in capsys.readouterr().err
            wrong = ("--for", "2h", "--where", "servise=bot")
            assert main(["alerts", "silence", *wrong, *where]) == 2
            assert "use names that rules split" in capsys.readouterr().err
            alerting_told = server.status()["alerting"]
            assert alerting_told["alerts"]["firing"] == 1
            assert alerting_told["deliveries"]["delivered"] == 1
            found = {one.check: one for one in check_server(server.otlp_url, "")}["alerts"]
            assert (found.level, found.what.startswith("pending 0, firing 1")) == ("ok", True)
    ids = [taken.headers["idempotency-key"] for taken in hook.taken]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_rule_file_that_cannot_be_run_is_told_before_anything_starts(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "contacts: [{name: oncall, slack: {url: '${NO_SUCH_VARIABLE}'}}]\n"
        "rules: [{name: Errors, kind: error_rate}]\n"
    )
    running = RunningServer(tmp_path / "data", environ={"WATCHPOST_ALERTS": str(rules)})
    running.launch()
    assert running.wait() == 2
    assert "rules.yaml:1" in running.output
    assert "set this environment variable" in running.output
    assert not os.path.exists(tmp_path / "data")
