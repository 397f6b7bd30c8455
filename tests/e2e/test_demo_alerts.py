"""The demo's days, looked at by the rules that a user begins with: what was planted, no more."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_weeks import send_demo
from running_server import RunningServer

from watchpost_collector.command import main
from watchpost_collector.demo.assistant import EXPERT, WRITER
from watchpost_collector.demo.plot import PASTING_CUSTOMER
from watchpost_collector.demo.setting import SERVICE

RULES = Path(__file__).resolve().parents[2] / "examples" / "alerts.yaml"
# A Thursday; far from the hours that other tests write.
NOW = datetime(2026, 6, 18, 15, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def rules(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, narrowed to the demo's service as their first line says, over its days."""
    send_demo(server, NOW)
    narrowed = re.sub(
        r"^(  kind: .*)$",
        rf"\1\n  where: {{service: {SERVICE}}}",
        RULES.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    path = tmp_path_factory.mktemp("rules") / "alerts.yaml"
    path.write_text(narrowed)
    return path


def check(
    server: RunningServer,
    rules: Path,
    at: datetime,
    capsys: pytest.CaptureFixture[str],
    *only: str,
) -> list[dict[str, Any]]:
    """What fires: the rule's name with each of its alerts."""
    where = ["--url", server.query_url, "--at", at.isoformat()]
    for name in only:
        where += ["--rule", name]
    status = main(["alerts", "check", str(rules), "--json", *where])
    outcomes = json.loads(capsys.readouterr().out)
    assert len(outcomes) == (len(only) or 10)
    assert all(outcome["series"] for outcome in outcomes)
    fired = [
        {"rule": outcome["rule"], **alert} for outcome in outcomes for alert in outcome["alerts"]
    ]
    assert status == bool(fired)
    return fired


def test_the_planted_spike_and_the_planted_version_are_told_and_nothing_else(
    server: RunningServer, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spike, version = check(server, rules, NOW, capsys)
    assert spike["rule"] == "Cost spike"
    [finding] = spike["findings"]
    assert finding["series"] == {"service": SERVICE, "model": EXPERT}
    assert finding["value"] > 3 * finding["baseline"]
    assert version["rule"] == "Prompt version worse than its predecessor"
    measures = {finding["measure"] for finding in version["findings"]}
    assert {"output_tokens", "refusals"} <= measures
    for finding in version["findings"]:
        assert (finding["subject"], finding["against"]) == ("v3", "v2")
        assert finding["series"] == {"service": SERVICE, "prompt.name": "reply"}
    # Who looks at the traces that are named sees the pasting customer, and the version.
    for alert, where in (
        (spike, f"user_id = '{PASTING_CUSTOMER}'"),
        (version, "prompt_version = 'v3'"),
    ):
        ids = ", ".join(f"'{trace}'" for trace in alert["traces"])
        count = "count(distinct trace_id)"
        seen = f"select {count} from watchpost.generations where trace_id in ({ids}) and {where}"
        assert server.query(seen) == [(len(alert["traces"]),)]
        assert alert["traces"]


def test_the_outage_is_told_in_its_hours_and_a_weekend_is_not(
    server: RunningServer, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = ("Errors", "Traffic falls off")
    outage = (NOW - timedelta(days=3)).replace(minute=0)
    [errors] = check(server, rules, outage, capsys, *rates)
    assert errors["rule"] == "Errors"
    assert errors["findings"][0]["series"] == {"service": SERVICE, "model": WRITER}
    saturday = NOW - timedelta(days=5)
    assert check(server, rules, saturday, capsys, *rates) == []
