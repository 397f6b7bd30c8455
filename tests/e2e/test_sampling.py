"""Sampling as a person uses it: one command, while the server runs, and the counters that tell."""

from __future__ import annotations

import time

from known_calls import build_request
from running_server import RunningServer
from store_segments import make_call, name_segment

from watchpost_collector.command import main

_GIVE_UP_S = 120.0


def test_a_share_is_put_in_force_while_the_server_runs_and_what_it_leaves_out_is_told(
    server: RunningServer,
) -> None:
    project = name_segment("sampled")
    rule = ("sampling", "set", "--project", project, "--data", str(server.data))
    before = server.flush()
    assert main([*rule, "--keep", "0.000001", "--content", "0.5", "--slow-ms", "60000"]) == 0
    sent, give_up = 0, time.monotonic() + _GIVE_UP_S
    try:
        while (counts := server.flush())["sampled_out"] == before["sampled_out"]:
            assert time.monotonic() < give_up, "the rule is not in force"
            body = build_request([make_call(trace_id=f"{sent + 1:032x}")]).SerializeToString()
            assert server.send(body, **server.project(project)).status == 200
            sent += 1
    finally:
        assert main([*rule, "--keep", "default"]) == 0

    ended = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
    assert counts["received"] + counts["recovered"] == sum(counts[name] for name in ended)
    left_out = counts["sampled_out"] - before["sampled_out"]
    where = f"WHERE project = '{project}'"
    assert server.query(f"SELECT count() FROM watchpost.spans {where}") == [(sent - left_out,)]
    assert server.query(f"SELECT sum(calls) FROM watchpost.usage_hourly {where}") == [(sent,)]
    told = server.request("GET", "/metrics").body.decode()
    assert f"watchpost_spans_sampled_out_total {counts['sampled_out']}" in told
