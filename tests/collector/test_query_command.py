"""`watchpost query` in a process of its own, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import RunningServer

from watchpost.errors import ConfigError
from watchpost_collector.command.query import DEFAULT_URL, Endpoint, find_endpoint

NOWHERE = "http://127.0.0.1:9"


def run(*arguments: str, text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """The console script, as a person would start it."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("watchpost")), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )


def test_an_answer_is_shown_as_a_table(server: RunningServer) -> None:
    done = run("query", "--url", server.query_url, "SELECT 'é' AS letter, 42 AS number")
    assert (done.returncode, done.stderr) == (0, "")
    assert "letter" in done.stdout
    assert "é" in done.stdout
    assert "42" in done.stdout


def test_an_answer_is_written_as_json_lines_or_csv(server: RunningServer) -> None:
    where = ("--url", server.query_url)
    done = run("query", *where, "--format", "json", "SELECT number FROM numbers(2)")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"number": 0}, {"number": 1}]
    done = run("query", *where, "--format", "csv", "SELECT 1 AS a, 'x,y' AS b")
    assert done.stdout == '"a","b"\n1,"x,y"\n'


def test_the_question_may_come_from_standard_input(server: RunningServer) -> None:
    done = run(
        "query", "-", "--format", "csv", text="SELECT 7", WATCHPOST_QUERY_URL=server.query_url
    )
    assert done.stdout == '"7"\n7\n'


def test_what_strangers_stored_does_not_steer_the_terminal(server: RunningServer) -> None:
    done = run("query", "--url", server.query_url, "SELECT char(27, 93, 48, 59, 120, 7) AS title")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_a_wrong_question_is_one_clean_line(server: RunningServer) -> None:
    done = run("query", "--url", server.query_url, "SELECT file('/etc/hostname')")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("watchpost: file() is not allowed")


def test_a_server_that_is_not_there_is_told_with_the_cure() -> None:
    done = run("query", "--url", NOWHERE, "SELECT 1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no watchpost answers at http://127.0.0.1:9" in done.stderr
    assert "watchpost up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_is_asked_for_where_one_is_needed(tmp_path: Path) -> None:
    key = "k" * 24
    with RunningServer(tmp_path / "data", environ={"WATCHPOST_KEYS": f"admin:{key}"}) as locked:
        done = run("query", "--url", locked.query_url, "SELECT 1")
        assert done.returncode == 2
        assert "WATCHPOST_KEY" in done.stderr
        where = ("query", "--url", locked.query_url, "--format", "csv", "SELECT 1 AS x")
        assert run(*where, WATCHPOST_KEY=key).stdout == '"x"\n1\n'
        assert run(*where, "--key", key).stdout == '"x"\n1\n'


def test_the_argument_wins_over_the_environment_and_both_over_the_default(tmp_path: Path) -> None:
    environ = {"WATCHPOST_QUERY_URL": "http://b:1", "WATCHPOST_KEY": "from-environment"}
    assert find_endpoint(None, None, None, {}) == Endpoint(DEFAULT_URL)
    assert find_endpoint(None, None, None, environ) == Endpoint("http://b:1", "from-environment")
    assert find_endpoint("http://a:1", None, "k", environ) == Endpoint("http://a:1", "k")
    (tmp_path / "ready.json").write_text('{"query": "http://c:1"}')
    assert find_endpoint(None, tmp_path, None, environ).url == "http://c:1"


def test_a_data_directory_where_nothing_runs_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"watchpost up --data"):
        find_endpoint(None, tmp_path, None, {})


@pytest.mark.parametrize("url", ["x", "127.0.0.1:8123", "ftp://x", "http://", "http://a:b"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    done = run("query", "--url", url, "SELECT 1")
    assert done.returncode == 2
    assert "--url" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_running_on_a_data_directory_is_found_by_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = [str(Path(sys.executable).with_name("watchpost")), "up", "--data", str(data)]
    process = subprocess.Popen(
        [*up, "--port", "0", "--no-grpc", "--query-port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert any(line == "ready\n" for line in process.stdout)
        done = run("query", "--data", str(data), "--format", "csv", "SELECT 1 AS x")
        assert done.stdout == '"x"\n1\n'
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
