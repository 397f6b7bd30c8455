from __future__ import annotations

import json
from pathlib import Path

from otlp_bodies import build_request, only_spans
from running_server import RunningServer

# `name` is field 5 and a text; here it is a number. upb takes that for an unknown field and lets
# it pass; the engine refuses the whole insert.
POISON = b"\x28\x01"


def build_poison(spans: int) -> bytes:
    request = build_request(spans, service="poison")
    span = only_spans(request)[0]
    span.ClearField("name")
    span.MergeFromString(POISON)
    return request.SerializeToString()


def test_a_poisoned_request_is_set_aside_with_a_reason_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with RunningServer(data, "--flush-interval", "600") as running:
        for number in range(9):
            good = build_request(3, service="healthy").SerializeToString()
            assert running.send(build_poison(2) if number == 4 else good).status == 200

        counts = running.flush()

        assert (counts["stored"], counts["set_aside"], counts["waiting"]) == (24, 2, 0)
        rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'healthy'")
        assert rows == [(24,)]
        assert list((data / "spool").glob("*.spool")) == []
        [reason] = (data / "set-aside").glob("*.reason.json")
        told = json.loads(reason.read_text())
        assert told["spans"] == 2
        assert "engine error" in told["reason"]
        assert running.send(build_request(1).SerializeToString()).status == 200
        assert running.flush()["stored"] == 25
