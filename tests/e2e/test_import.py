"""`watchpost import` into a real server: every line once, whatever happens on the way."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import litellm
import pytest

WATCHPOST = Path(sys.executable).with_name("watchpost")
VOCABULARIES = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"


@pytest.fixture
def command(server):
    """How the import is called, for this server."""
    return [
        *(str(WATCHPOST), "import", "--url", server.otlp_url),
    ]


def run_import(command, *arguments):
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
    )


def environment():
    return {**os.environ, "TIKTOKEN_CACHE_DIR": str(VOCABULARIES)}


def write_lines(path, lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def count(server, service, table="generations"):
    [(rows,)] = server.query(
        f"SELECT toInt32(count()) FROM watchpost.{table} WHERE service = '{service}'"
    )
    return rows


def test_plain_lines_are_stored_once_with_tokens_verdicts_and_metadata(server, command, tmp_path):
    lines = [
        {"prompt": f"Question {number % 7}", "reply": "Certainly, here it is.", "label": number}
        for number in range(40)
    ]
    lines[5]["prompt"] = "Write to nina.keller@example.com"
    path = write_lines(tmp_path / "replies.jsonl.gz", lines)
    first = run_import(command, path, "--service", "plain-import")
    assert (first.returncode, first.stdout) == (0, "stored 40, already there 0, bad 0\n")
    again = run_import(command, path, "--service", "plain-import")
    assert again.stdout == "stored 0, already there 40, bad 0\n"
    [row] = server.query(
        "SELECT toInt32(count()), toInt32(uniqExact(trace_id)), min(input_tokens) > 0, "
        "min(output_tokens) > 0, any(usage_source), any(price_state) "
        "FROM watchpost.generations WHERE service = 'plain-import'"
    )
    assert row == (40, 40, 1, 1, "estimated", "unpriced") or row == (
        *(40, 40, True, True, "estimated", "unpriced"),
    )
    verdicts = server.query(
        "SELECT guard, direction, toInt32(count()), toInt32(countIf(tripped)) "
        "FROM watchpost.verdicts WHERE service = 'plain-import' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert verdicts == [
        ("length", "input", 40, 0),
        ("length", "output", 40, 0),
        ("pii", "input", 40, 1),
        ("pii", "output", 40, 0),
        ("secrets", "input", 40, 0),
        ("secrets", "output", 40, 0),
    ]
    labels = server.query(
        "SELECT attributes['watchpost.metadata.label'] FROM watchpost.spans "
        "WHERE service = 'plain-import'"
    )
    assert sorted(int(label) for (label,) in labels) == list(range(40))


def test_a_personal_detail_is_masked_in_what_is_stored_unless_all_is_wanted(
    server, command, tmp_path
):
    line = {"prompt": "Write to nina.keller@example.com", "reply": "Done."}
    for capture, expected in (("redacted", "[EMAIL_ADDRESS]"), ("full", "nina.keller@")):
        path = write_lines(tmp_path / f"{capture}.jsonl", [{**line, "note": capture}])
        run_import(command, path, "--service", f"import-{capture}", "--capture", capture)
        [(content,)] = server.query(
            "SELECT input_messages FROM watchpost.content WHERE trace_id IN (SELECT trace_id "
            f"FROM watchpost.spans WHERE service = 'import-{capture}')"
        )
        assert expected in content


def test_bad_lines_are_named_and_the_rest_is_kept(server, command, tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text(
        '{"prompt": "a", "reply": "b"}\n'
        "{not json\n"
        '{"level": "info"}\n'
        '{"prompt": "c", "reply": "d", "model": "gpt-4.1-mini"}\n'
    )
    done = run_import(command, path, "--service", "mixed-import", "--model", "gpt-4.1")
    assert (done.returncode, done.stdout) == (1, "stored 2, already there 0, bad 2\n")
    assert f"{path}:2: not JSON" in done.stderr
    assert f"{path}:3: no call found in it (its fields: level)" in done.stderr
    priced = server.query(
        "SELECT model, price_state FROM watchpost.generations "
        "WHERE service = 'mixed-import' ORDER BY model"
    )
    assert priced == [("gpt-4.1", "priced"), ("gpt-4.1-mini", "priced")]


def test_an_import_that_is_killed_goes_on_where_it_was(server, command, tmp_path):
    lines = [{"prompt": f"Number {n}?", "reply": f"It is {n}, again {n}."} for n in range(3000)]
    path = write_lines(tmp_path / "long.jsonl", [*lines, *lines[:50]])
    arguments = [*command, str(path), "--service", "killed-import"]
    process = subprocess.Popen(arguments, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not count(server, "killed-import", "spans") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    assert process.wait() != 0
    done = run_import(command, path, "--service", "killed-import")
    stored, present = (int(part.split()[-1]) for part in done.stdout.split(", ")[:2])
    assert stored + present == 3050
    assert 0 < present < 3050
    assert count(server, "killed-import") == count(server, "killed-import", "spans") == 3050
    assert run_import(command, path).stdout == "stored 0, already there 3050, bad 0\n"


def test_a_batch_output_is_stored_with_the_request_of_its_input(server, command, tmp_path):
    asked = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Two and two?"}]}
    said = {
        "id": "chatcmpl-batch-1",
        "model": "gpt-4.1-mini-2025-04-14",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "4"}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 1},
    }
    inputs = write_lines(
        tmp_path / "input.jsonl",
        [{"custom_id": n, "method": "POST", "url": "/v1/x", "body": asked} for n in ("a", "b")],
    )
    outputs = write_lines(
        tmp_path / "output.jsonl",
        [
            {"id": "r1", "custom_id": "a", "response": {"status_code": 200, "body": said}},
            {"id": "r2", "custom_id": "b", "response": None, "error": {"code": "expired"}},
        ],
    )
    done = run_import(command, inputs, outputs, "--service", "batch-import")
    assert done.stdout.startswith("stored 2, already there 0, bad 0, joined to their answers 2\n")
    rows = server.query(
        "SELECT g.status, g.error_type, toInt32(input_tokens), c.input_messages LIKE '%Two and%' "
        "FROM watchpost.generations g JOIN watchpost.content c USING (trace_id, span_id) "
        "WHERE service = 'batch-import' ORDER BY g.status DESC"
    )
    assert [(*row[:3], bool(row[3])) for row in rows] == [
        ("ok", "", 11, True),
        ("error", "expired", 0, True),
    ]


def test_otlp_lines_keep_their_ids_and_are_screened(server, command, tmp_path):
    asked = '[{"role":"user","parts":[{"type":"text","content":"Mail nina.keller@example.com"}]}]'
    span = {
        "traceId": "0af7651916cd43dd8448eb211c803101",
        "spanId": "b7ad6b7169203101",
        "name": "chat gpt-4.1",
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.input.messages", "value": {"stringValue": asked}},
        ],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "otlp-import"}}]}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    path = tmp_path / "traces.json"
    path.write_text(json.dumps(document, indent=2))
    assert run_import(command, path).stdout == "stored 1, already there 0, bad 0\n"
    assert run_import(command, path).stdout == "stored 0, already there 1, bad 0\n"
    [(trace_id, messages)] = server.query(
        "SELECT trace_id, input_messages FROM watchpost.content WHERE span_id = 'b7ad6b7169203101'"
    )
    assert trace_id == "0af7651916cd43dd8448eb211c803101"
    assert "nina.keller" not in messages
    tripped = server.query(
        "SELECT guard FROM watchpost.verdicts WHERE tripped AND span_id = 'b7ad6b7169203101'"
    )
    assert tripped == [("pii",)]


def test_no_server_and_no_file_are_told_in_one_line(command, tmp_path):
    path = write_lines(tmp_path / "one.jsonl", [{"prompt": "a", "reply": "b"}])
    nobody = run_import([str(WATCHPOST), "import", "--url", "http://127.0.0.1:9"], path)
    assert nobody.returncode == 2
    assert "no watchpost answers at http://127.0.0.1:9" in nobody.stderr
    missing = run_import(command, tmp_path / "none.jsonl")
    assert missing.returncode == 2
    assert "none.jsonl" in missing.stderr
