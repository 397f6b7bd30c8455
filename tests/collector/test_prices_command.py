from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from known_calls import build_request
from running_server import RunningServer
from store_segments import make_call

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.command import main
from watchpost_collector.command.prices import fetch_list

OWN = """
version: "%s"
models:
  - model: command-model
    input: %s
    output: 8
    tiers: {batch: {discount: 50%%}}
  - match: "command-gpu-*"
    gpu: {per_hour: 3.60}
"""
LONG_AGO, LATER = "2026-09-20", "2026-09-23"


@pytest.fixture(scope="module")
def trace(server: RunningServer) -> str:
    """A trace of three calls: two of a person's model, one of a pattern's."""
    trace = "c0" * 16
    spans = [
        make_call(trace_id=trace, gen_ai__request__model="command-model"),
        make_call(
            trace_id=trace,
            start_ms=5,
            gen_ai__request__model="command-model",
            openai__response__service_tier="batch",
        ),
        make_call(
            trace_id=trace, start_ms=9, lasts_ms=2000, gen_ai__request__model="command-gpu-7"
        ),
    ]
    server.send(build_request(spans).SerializeToString(), X_Watchpost_Backfill="1")
    server.flush()
    return trace


def run(server: RunningServer, *words: str) -> int:
    return main(["prices", *words, "--url", server.otlp_url])


def test_prices_are_loaded_explained_corrected_and_filled_back(
    server: RunningServer, trace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = f"SELECT sum(cost), count(cost) FROM watchpost.generations WHERE trace_id = '{trace}'"
    hourly = "SELECT sum(cost) FROM watchpost.usage_hourly WHERE model = 'command-model'"
    assert server.query(cost) == [(None, 0)] or server.query(cost)[0][1] == 0
    file = tmp_path / "own.yaml"

    file.write_text(OWN % ("wrong", 20))
    assert run(server, "load", str(file)) == 0
    assert "3 calls that had no price have one" in capsys.readouterr().out

    # 100 x 20 + 10 x 8, half of it, and two seconds of an hour at 3.60
    assert Decimal(str(server.query(cost)[0][0])) == Decimal("0.00208") * Decimal("1.5") + Decimal(
        "0.002"
    )
    assert run(server, "explain", trace) == 0
    told = capsys.readouterr().out
    assert "100 input tokens" in told
    assert "x $20 a million = $0.002" in told
    assert "batch tier" in told
    assert "by pattern" in told
    assert "2 seconds of GPU" in told

    file.write_text(OWN % ("right", 2))
    assert run(server, "load", str(file)) == 0
    span = ("--since", LONG_AGO, "--until", LATER, "--model", "command-model")
    before = server.query(cost)
    assert run(server, "backfill", *span, "--dry-run") == 0
    assert "2 would be priced anew: $0.00312 before, $0.00042 after" in capsys.readouterr().out
    assert server.query(cost) == before
    assert run(server, "backfill", *span) == 0
    assert "2 were priced anew: $0.00312 before, $0.00042 after" in capsys.readouterr().out
    assert Decimal(str(server.query(hourly)[0][0])) == Decimal("0.00042")
    assert run(server, "backfill", *span) == 0
    assert "0 were priced anew" in capsys.readouterr().out

    assert run(server, "explain", trace, "--json") == 0
    calls: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["calls"]
    assert [call["agrees"] for call in calls] == [True] * 3
    assert [call["total"] for call in calls] == ["0.000280000", "0.000140000", "0.002000000"]


class _Publisher(BaseHTTPRequestHandler):
    """Answers what the public list's makers would."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/data.json" else 404)
        self.end_headers()
        self.wfile.write(b"[1]")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def publisher() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Publisher) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_list_is_fetched_from_an_address_or_a_file(publisher: str, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text("[2]")

    assert fetch_list(f"{publisher}/data.json") == b"[1]"
    assert fetch_list(str(file)) == b"[2]"


def test_a_list_that_cannot_be_fetched_is_said_with_the_way_out(
    publisher: str, tmp_path: Path
) -> None:
    with pytest.raises(CollectorError, match=r"does not answer .*give the file with --from"):
        fetch_list(f"{publisher}/elsewhere")
    with pytest.raises(CollectorError, match=r"Connection refused.*give the file with --from"):
        fetch_list("http://127.0.0.1:9/data.json")
    with pytest.raises(ConfigError, match="--from"):
        fetch_list(str(tmp_path / "none.json"))


def test_what_the_server_refuses_is_told(
    server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong"
    file.write_text("models:\n  - {model: m, inptu: 1}\n")

    assert run(server, "load", str(file)) == 2
    assert "wrong:2 'inptu'" in capsys.readouterr().err
    assert run(server, "update", "--from", str(file)) == 2
    assert "format of genai-prices" in capsys.readouterr().err
    assert run(server, "explain", "f" * 32) == 2
    assert "no call of trace" in capsys.readouterr().err
