"""`watchpost doctor`: it finds what was broken on purpose, and says the cure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from otlp_bodies import build_request, only_spans, put
from running_server import RunningServer
from spool_outbox import Outbox, leave_segment

from watchpost_collector.access.issued_keys import issue_key, revoke_key
from watchpost_collector.checkup import machine, running
from watchpost_collector.checkup.finding import Finding

SECRET = "s" * 24


def pick(findings: Iterable[Finding], check: str) -> Finding:
    """The one finding of a check."""
    [found] = [finding for finding in findings if finding.check == check]
    return found


def cured(finding: Finding, words: str) -> bool:
    """Whether something is wrong and the cure says these words."""
    return finding.level == "wrong" and words in finding.cure


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    return directory


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`watchpost doctor` as a person would start it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATCHPOST")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("watchpost")), "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**kept, **environ},
    )


def test_this_machine_has_python_and_the_parts_under_test() -> None:
    findings = list(machine.check_python())
    assert pick(findings, "python").level == "ok"
    assert pick(findings, "extra server").level == "ok"


def test_a_private_directory_with_room_is_well(data: Path) -> None:
    assert pick(machine.check_data(data), "data").level == "ok"


def test_a_directory_that_is_not_there_yet_is_only_a_note(tmp_path: Path) -> None:
    findings = list(machine.check_data(tmp_path / "a" / "b"))
    assert pick(findings, "data").level == "note"
    assert pick(findings, "disk").where == str(tmp_path)


def test_a_directory_others_can_read_is_wrong(data: Path) -> None:
    data.chmod(0o755)
    assert cured(pick(machine.check_data(data), "data"), f"chmod 700 {data}")


def test_a_link_or_a_file_in_place_of_the_directory_is_wrong(data: Path) -> None:
    link, file = data / "link", data / "file"
    link.symlink_to(data)
    file.touch()
    for path in (link, file):
        assert cured(pick(machine.check_data(path), "data"), "directory itself")


def test_what_was_set_aside_or_waits_too_long_is_wrong(data: Path) -> None:
    assert {finding.level for finding in machine.check_spool(data)} == {"ok"}
    for folder, name in (("set-aside", "poison"), ("spool", "segment")):
        (data / folder).mkdir()
        (data / folder / name).write_bytes(b"x")
    findings = list(machine.check_spool(data))
    assert "1 files" in pick(findings, "set aside").what
    assert pick(findings, "spool").level == "ok"
    long_ago = time.time() - 7200
    os.utime(data / "spool" / "segment", (long_ago, long_ago))
    late = pick(machine.check_spool(data), "spool")
    assert cured(late, "watchpost up")
    assert "2 hours ago" in late.what


def test_keys_are_wrong_when_unreadable_readable_by_all_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    assert cured(pick(machine.check_keys("127.0.0.1", path, {}), "keys"), "readable file")
    path.write_text(f"admin:{SECRET}\nread:{SECRET}2")
    path.chmod(0o644)
    assert cured(pick(machine.check_keys("127.0.0.1", path, {}), "keys"), f"chmod 600 {path}")
    path.chmod(0o600)
    well = pick(machine.check_keys("0.0.0.0", path, {}), "keys")
    assert (well.level, well.what) == ("ok", "1 admin, 1 read")
    assert cured(pick(machine.check_keys("0.0.0.0", None, {}), "keys"), "WATCHPOST_KEYS")
    nonsense = pick(machine.check_keys("127.0.0.1", None, {"WATCHPOST_KEYS": SECRET}), "keys")
    assert nonsense.level == "wrong"
    assert SECRET not in str(nonsense)


def test_issued_keys_count_while_one_is_valid(tmp_path: Path) -> None:
    key, _ = issue_key(tmp_path, "shop", "read")
    well = pick(machine.check_keys("0.0.0.0", None, {}, tmp_path), "keys")
    assert (well.level, well.what) == ("ok", "1 read")
    (tmp_path / "keys.json").chmod(0o644)
    assert cured(pick(machine.check_keys("0.0.0.0", None, {}, tmp_path), "keys"), "chmod 600")
    revoke_key(tmp_path, key.id)
    nobody = pick(machine.check_keys("127.0.0.1", None, {}, tmp_path), "keys")
    assert cured(nobody, "keys create")


def test_vocabularies_are_found_where_tiktoken_looks(tmp_path: Path) -> None:
    # The wheel of litellm carries them; it is looked up and not imported, for it is slow.
    litellm = find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    carried = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
    environ = {"TIKTOKEN_CACHE_DIR": str(carried)}
    assert pick(machine.check_vocabularies(environ), "tiktoken").level == "ok"
    absent = pick(machine.check_vocabularies({"TIKTOKEN_CACHE_DIR": str(tmp_path)}), "tiktoken")
    assert absent.level == "note"
    assert "TIKTOKEN_CACHE_DIR" in absent.cure


def test_nobody_there_is_told_once_with_the_cure(data: Path) -> None:
    nowhere = ("--url", "http://127.0.0.1:9", "--query-url", "http://127.0.0.1:9")
    done = run("--data", str(data), *nowhere)
    assert done.returncode == 1
    assert done.stdout.count("no watchpost answers") == 1
    assert "watchpost up" in done.stdout
    assert done.stdout.endswith("1 to cure\n")


def test_a_running_server_is_looked_through(server: RunningServer) -> None:
    where = ("--url", server.otlp_url, "--query-url", server.query_url)
    done = run("--json", "--data", str(server.data), *where)
    findings = [Finding(**finding) for finding in json.loads(done.stdout)]
    for check in ("server", "recovery", "store", "backlog", "data"):
        assert pick(findings, check).level == "ok", check
    kept = [finding for finding in findings if finding.check == "retention"]
    assert [finding.what.split()[0] for finding in kept] == [
        *("content", "spans", "rollups", "logs", "metrics"),
    ]
    assert {finding.level for finding in kept} == {"ok"}
    assert done.returncode == int(any(finding.level == "wrong" for finding in findings))


def ask_of(server: RunningServer) -> running.Ask:
    """Rows as dictionaries, asked over the query port."""

    def ask(sql: str) -> list[dict[str, Any]]:
        rows = server.query(f"SELECT toJSONString(map({_pairs(sql)})) FROM ({sql})")
        return [json.loads(row) for (row,) in rows]

    return ask


def _pairs(sql: str) -> str:
    names = {
        "unpriced": ("provider", "model", "calls"),
        "length(attributes)": ("service", "most", "spans"),
        "ahead_s": ("service", "ahead_s"),
        "migrations": ("name",),
    }
    chosen = next(columns for word, columns in names.items() if word in sql)
    return ", ".join(f"'{name}', toString({name})" for name in chosen)


def test_what_emitters_do_wrong_is_found_in_the_store(server: RunningServer) -> None:
    request = build_request(2, service="doctor-tests")
    crowded, early = only_spans(request)
    for number in range(110):
        put(crowded, f"app.field.{number}", "x")
    for attribute in crowded.attributes:
        if attribute.key == "gen_ai.request.model":
            attribute.value.string_value = "model-nobody-sells"
    early.start_time_unix_nano += 600 * 10**9
    early.end_time_unix_nano += 600 * 10**9
    assert server.send(request.SerializeToString()).status == 200
    server.flush()
    found = [f for f in running.check_store(ask_of(server), server.query_url) if f.level == "wrong"]
    told = "\n".join(f"{finding.check}: {finding.what} {finding.cure}" for finding in found)
    assert "openai/model-nobody-sells have no price" in told
    assert "'doctor-tests' sends spans of 11" in told
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in told
    assert "in the future" in told


def test_a_store_without_this_versions_tables_is_wrong() -> None:
    def ask(sql: str) -> list[dict[str, Any]]:
        return [{"name": "0001_wire.sql"}] if "migrations" in sql else []

    store = pick(running.check_store(ask, "http://x"), "store")
    assert cured(store, "restart")
    assert "0002" in store.what


def test_a_server_with_keys_wants_one(tmp_path: Path) -> None:
    environ = {"WATCHPOST_KEYS": f"admin:{SECRET}"}
    with RunningServer(tmp_path / "locked", environ=environ) as locked:
        findings = list(running.check_server(locked.otlp_url, ""))
        assert cured(pick(findings, "spans"), "WATCHPOST_KEY")
        assert pick(running.check_server(locked.otlp_url, SECRET), "spans").level == "ok"


def test_what_a_start_could_not_use_of_its_spool_is_told_and_the_counters_add_up(
    tmp_path: Path,
) -> None:
    outbox = Outbox(tmp_path / "data")
    left = leave_segment(outbox, (2, 3))
    os.truncate(left.path, left.size_bytes - 7)
    (outbox.directory / "00000000000000000001-dir.spool").mkdir()
    damaged = RunningServer(tmp_path / "data", "--store", "http://default:x@127.0.0.1:9")
    damaged.start_without_store()
    try:
        torn, left_alone = (
            finding
            for finding in running.check_server(damaged.otlp_url, "")
            if finding.check == "recovery"
        )
        metrics = damaged.request("GET", "/metrics").body.decode()
        spans = damaged.status()["spans"]
    finally:
        damaged.kill()
    [aside] = outbox.set_aside.glob("*.envelopes")
    size = aside.stat().st_size
    assert cured(torn, "sent theirs again")
    assert torn.what.startswith(f"{size:,} bytes")
    assert cured(left_alone, "the log names each")
    assert left_alone.what.startswith("1 segments")
    assert f'watchpost_spool_torn_bytes_total{{signal="traces"}} {size}\n' in metrics
    assert 'watchpost_spool_unrecovered_segments_total{signal="traces"} 1\n' in metrics
    assert 'watchpost_spool_unrecovered_segments_total{signal="logs"} 0\n' in metrics
    ended = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
    assert spans["received"] + spans["recovered"] == 2 == sum(spans[name] for name in ended)


def test_something_else_on_the_port_is_no_watchpost(server: RunningServer) -> None:
    finding = pick(running.check_server(server.query_url, ""), "server")
    assert cured(finding, "is this a watchpost?")
