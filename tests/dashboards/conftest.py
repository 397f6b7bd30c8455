"""A server of its own with traffic for panels to show, which measures itself every second."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
from dashboard_traffic import HOUR_S, STANDING, Ask, Frame, plan_demo, push_prompt, send_shop
from running_server import RunningServer

from watchpost_collector.demo.history import relive
from watchpost_dashboards.macros import View, expand


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the traffic in it."""
    data = tmp_path_factory.mktemp("dashboards") / "data"
    with RunningServer(data, "--segments", "plan,topic", "--telemetry-interval", "1") as server:
        relive(plan_demo(), server.otlp_url, lambda handled: None)
        for hours_ago in (0, 1, 2, 3, 26, 27):
            send_shop(server, hours_ago)
        push_prompt(server)
        server.flush()
        yield server


@pytest.fixture(scope="session")
def ask(watched: RunningServer) -> Ask:
    """Asks as Grafana does, for the last `hours` and what is chosen, at the read-only endpoint."""

    def ask_for(sql: str, hours: float = 1.0, **chosen: list[str]) -> Frame:
        until = int(time.time()) + 60
        view = View(until - int(hours * HOUR_S), until, 60, {**STANDING, **chosen})
        sent = expand(sql, view)
        assert "$" not in sent
        url = f"{watched.query_url}/?default_format=JSONCompact"
        request = urllib.request.Request(url, sent.encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        return Frame({column["name"]: column["type"] for column in told["meta"]}, told["data"])

    return ask_for
