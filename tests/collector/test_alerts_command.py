"""`watchpost alerts` against a real server, its rules over calls that were sent to it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from page_traffic import Sender
from running_server import RunningServer

from watchpost_collector.command import main

HOUR_S = 3600
DAYS = 8
CALLS = 24


@dataclass(frozen=True)
class Spiked:
    """A rule file about a service that had one dear hour, which ended at `ended`."""

    rules: Path
    ended: str
    trace: str


@pytest.fixture(scope="module")
def spiked(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Spiked:
    sender = Sender(server)
    now = time.time()
    hour = now // HOUR_S * HOUR_S - 2 * HOUR_S
    for day in range(DAYS + 1):
        trace = bytes([day + 1]) * 16
        for _ in range(CALLS):
            sender.add(
                trace,
                "chat",
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.usage.input_tokens": 100 if day else 5000,
                    "gen_ai.usage.output_tokens": 10,
                },
                minutes_ago=(now - hour) / 60 - 20 + day * 1440,
            )
    sender.send()
    rules = tmp_path_factory.mktemp("alerts") / "rules.yaml"
    narrowed = f"where: {{service: {sender.service}}}"
    rules.write_text(
        f"- name: Dear\n  kind: cost_spike\n  by: [service, model]\n  {narrowed}\n"
        f"- name: Failing\n  kind: error_rate\n  {narrowed}\n"
    )
    ended = datetime.fromtimestamp(hour + HOUR_S, UTC).isoformat()
    return Spiked(rules, ended, (bytes([1]) * 16).hex())


def test_check_says_which_rule_is_true_why_and_where_to_look(
    server: RunningServer, spiked: Spiked, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--url", server.query_url, "--at", spiked.ended)
    assert main(["alerts", "check", str(spiked.rules), *where]) == 1
    said = capsys.readouterr().out
    assert said.startswith("FIRING  Dear (cost_spike): service=shop-")
    assert "in 24 calls since" in said
    assert f"traces: {spiked.trace}" in said
    assert "ok      Failing (error_rate): quiet, 1 series" in said
    assert main(["alerts", "check", str(spiked.rules), "--rule", "Failing", *where]) == 0


def test_a_back_test_says_when_it_would_have_fired(
    server: RunningServer, spiked: Spiked, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--url", server.query_url)
    since = ("--since", "1d", "--json")
    assert main(["alerts", "test", str(spiked.rules), *since, *where]) == 0
    dear, failing = json.loads(capsys.readouterr().out)
    [episode] = dear["episodes"]
    assert episode["begins"] == datetime.fromisoformat(spiked.ended).timestamp()
    assert episode["first"]["value"] > 10 * episode["first"]["baseline"]
    assert failing["episodes"] == []


def test_a_rule_file_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("- name: a\n  kind: spikes\n")
    assert main(["alerts", "check", str(rules)]) == 2
    assert "rules.yaml:2 'spikes'" in capsys.readouterr().err
