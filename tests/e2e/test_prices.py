"""A server with a person's prices and the counting of tokens, as an operator runs it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from known_calls import build_request
from running_server import RunningServer
from store_segments import NOON_NS, make_call

from watchpost_collector.command import main

OWN = """
models:
  - model: our-model
    input: 1
    output: 2
"""
TRACE = "e7" * 16


def ask_until(server: RunningServer, sql: str, wanted: Any) -> list[tuple[Any, ...]]:
    """The rows, when they are the wanted ones or after a minute and a half."""
    give_up = time.monotonic() + 90
    while (rows := server.query(sql)) != wanted and time.monotonic() < give_up:
        time.sleep(0.25)
    return rows


def test_a_file_of_prices_that_is_wrong_stops_the_start_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(f"{OWN}    per_hour: 3\n")

    assert main(["up", "--data", str(tmp_path / "data"), "--prices", str(file)]) == 2

    assert f"{file}:6 'per_hour'" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_own_prices_count_tokens_and_the_alarm_of_a_model_without_a_price(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(OWN)
    environ = {"WATCHPOST_ESTIMATE_TOKENS": "on", "WATCHPOST_PRICES": str(file)}
    start_ms = (time.time_ns() - NOON_NS) / 1e6 - 60_000
    asked = json.dumps([{"role": "user", "content": "Where is my parcel?"}])
    said = {"gen_ai__input__messages": asked, "gen_ai__output__messages": asked}
    spans = [
        make_call("01" * 8, trace_id=TRACE, start_ms=start_ms, gen_ai__request__model="our-model"),
        make_call("02" * 8, trace_id=TRACE, start_ms=start_ms, usage=False, **said),
        make_call("03" * 8, trace_id=TRACE, start_ms=start_ms, gen_ai__request__model="new-model"),
    ]
    found = (
        "SELECT span_id, usage_source, price_state, cost > 0 FROM watchpost.generations "
        f"WHERE trace_id = '{TRACE}' ORDER BY span_id"
    )
    with RunningServer(tmp_path / "data", environ=environ) as server:
        server.send(build_request(spans).SerializeToString())
        server.flush()

        wanted = [
            ("01" * 8, "provider", "overridden", True),
            ("02" * 8, "estimated", "priced", True),
            ("03" * 8, "provider", "unpriced", None),
        ]
        assert ask_until(server, found, wanted) == wanted

        # The alarm is looked for every minute.
        unpriced: list[dict[str, Any]] = []
        give_up = time.monotonic() + 120
        while not unpriced and time.monotonic() < give_up:
            time.sleep(0.5)
            unpriced = server.status()["prices"]["unpriced"]
        assert unpriced == [{"provider": "openai", "model": "new-model", "calls": 1}]
        metrics = server.request("GET", "/metrics").body.decode()
        assert 'watchpost_unpriced_calls{provider="openai",model="new-model"} 1' in metrics
        assert "watchpost_estimated_calls_total 1" in metrics

        file.write_text(f"{OWN}  - {{model: new-model, input: 5}}\n")
        assert main(["prices", "load", str(file), "--url", server.otlp_url]) == 0
        wanted[2] = ("03" * 8, "provider", "overridden", True)
        assert server.query(found) == wanted
