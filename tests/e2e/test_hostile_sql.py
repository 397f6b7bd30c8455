"""The query endpoint of a real server against statements that would read, write, connect or change.

The canaries are proved to sing: without the gate, the same engine does these things in a session
that may only read.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hostile_statements import FAMILIES
from ordinary_statements import ORDINARY
from running_server import RunningServer

SONG = "canary-7f3a-must-never-be-read"
STATE = (
    "SELECT name, engine, toString(cityHash64(create_table_query)) FROM system.tables "
    "WHERE database = 'watchpost' ORDER BY name",
    "SELECT number, name FROM watchpost.migrations ORDER BY number",
    "SELECT name, value FROM system.settings WHERE changed ORDER BY name",
    "SELECT name FROM system.databases ORDER BY name",
    "SELECT name FROM system.functions WHERE origin != 'System'",
)


class Doorbell:
    """A loopback port that counts who connects to it, and answers nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.rings = 0
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            first = connection.recv(4)
            connection.close()
            if first == b"stop":
                return
            self.rings += 1

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"stop")
        self._thread.join()
        self._listener.close()


class Cage:
    """A file to read, a directory to write to, a port to ring, and how to tell that it happened."""

    def __init__(self, directory: Path, doorbell: Doorbell) -> None:
        self.secret = directory / "canary.txt"
        self.secret.write_text(SONG + "\n")
        self.target = directory / "written.csv"
        self._directory = directory
        self._doorbell = doorbell

    def fill(self, statement: str) -> str:
        """The statement with its three placeholders filled in."""
        filled = statement.replace("SECRET", str(self.secret)).replace("TARGET", str(self.target))
        return filled.replace("PORT", str(self._doorbell.port))

    def traces(self) -> tuple[list[str], int]:
        """The files there are, and how often the port was rung."""
        return sorted(path.name for path in self._directory.iterdir()), self._doorbell.rings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server nobody else asks to erase or to keep for other days: both change tables."""
    with RunningServer(tmp_path_factory.mktemp("server") / "data") as running:
        before = None
        # Its own upkeep looks after the tables once, at the beginning.
        while (now := read_state(running)) != before:
            before = now
            time.sleep(3)
        yield running


@pytest.fixture(scope="module")
def cage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cage]:
    doorbell = Doorbell()
    yield Cage(tmp_path_factory.mktemp("cage"), doorbell)
    doorbell.close()


def ask(server: RunningServer, target: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(server.query_url + target, data=body)
    request.add_header("Content-Type", "text/plain")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")


def read_state(server: RunningServer) -> list[object]:
    """What a statement could have changed, as the endpoint itself shows it."""
    return [server.query(question) for question in STATE]


def find_escapes(server: RunningServer, cage: Cage, statement: str) -> Iterator[str]:
    """What is wrong with the answers to a hostile statement, however it is sent."""
    filled = cage.fill(statement)
    ways: list[tuple[str, bytes | None]] = [("/", filled.encode())]
    if len(filled) < 4000:
        ways.append((f"/?query={quote(filled[:7])}", filled[7:].encode()))
    for target, body in ways:
        status, text = ask(server, target, body)
        if status < 400 or not text.startswith("Code: "):
            yield f"answered {status}: {text[:200]}"
        if SONG in text:
            yield "the canary was read"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_statement_comes_to_nothing(
    server: RunningServer, cage: Cage, family: str
) -> None:
    state = read_state(server)
    escaped: dict[str, list[str]] = {}
    for statement in FAMILIES[family]:
        traces = cage.traces()
        wrong = list(find_escapes(server, cage, statement))
        if cage.traces() != traces:
            wrong.append(f"it left traces: {cage.traces()}")
        if wrong:
            escaped[statement] = wrong
    assert escaped == {}
    assert read_state(server) == state


def test_there_are_enough_of_them_and_each_only_once() -> None:
    statements = [statement for family in FAMILIES.values() for statement in family]
    assert len(statements) > 200
    assert len(set(statements)) == len(statements)


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("SELECT * FROM {t:Identifier}", {"t": "system.processes"}),
        ("SELECT * FROM {d:Identifier}.processes", {"d": "system"}),
        ("SELECT * FROM default.{t:Identifier}", {"t": "SECRET"}),
        ("SELECT * FROM {t:Identifier}", {"t": "SECRET"}),
        ("SELECT 1 WHERE '' IN {t:Identifier}", {"t": "system.processes"}),
        ("SELECT {x:Identifier}('SECRET')", {"x": "file"}),
        ("SELECT {a:Identifier} FROM (SELECT 1 AS x)", {"a": "x\n     Function sum"}),
        ("SELECT * FROM {u:String}", {"u": "SECRET"}),
        ("SELECT file({f:String})", {"f": "SECRET"}),
        ("SELECT * FROM url({u:String}, 'LineAsString')", {"u": "http://127.0.0.1:PORT/"}),
        ("SELECT dictGet({d:String}, 'x', 1)", {"d": "other.secrets"}),
        ("SELECT {n:UInt8}", {"n": "1; DROP TABLE watchpost.spans"}),
        ("SELECT {n:UInt8}", {"n": "(SELECT file('SECRET'))"}),
    ],
)
def test_a_parameter_smuggles_nothing(
    server: RunningServer, cage: Cage, question: str, parameters: dict[str, str]
) -> None:
    traces = cage.traces()
    fields = {f"param_{name}": cage.fill(value) for name, value in parameters.items()}
    status, text = ask(server, f"/?{urlencode(fields)}", cage.fill(question).encode())
    assert 400 <= status < 500, text
    assert SONG not in text
    assert cage.traces() == traces
    assert server.query("EXISTS TABLE watchpost.spans") == [(1,)]


def test_a_hostile_text_as_a_value_is_only_a_value(server: RunningServer) -> None:
    text = "'; DROP TABLE watchpost.spans; SELECT file('/etc/hostname') --"
    status, answer = ask(server, f"/?{urlencode({'param_s': text})}", b"SELECT {s:String}")
    assert (status, answer) == (200, text.replace("'", "\\'") + "\n")


@pytest.mark.parametrize(
    "sent",
    [
        {"readonly": "0"},
        {"readonly": "2", "max_execution_time": "0", "max_memory_usage": "0"},
        {"allow_ddl": "1"},
        {"user": "default", "password": ""},
        {"role": "admin"},
        {"profile": "default"},
        {"format_schema": "/etc/hostname:x"},
        {"database": "default"},
        {"session_id": "a"},
        {"file": "/etc/hostname"},
    ],
    ids=lambda sent: "-".join(sent),
)
def test_url_fields_open_nothing(server: RunningServer, sent: dict[str, str]) -> None:
    for statement in ("DROP TABLE watchpost.spans", "SELECT file('/etc/hostname')"):
        status, _ = ask(server, f"/?{urlencode(sent)}", statement.encode())
        assert 400 <= status < 500
    asked = b"SELECT value FROM system.settings WHERE name = 'readonly' FORMAT CSV"
    assert ask(server, f"/?{urlencode(sent)}", asked) == (200, '"1"\n')
    assert server.query("EXISTS TABLE watchpost.spans") == [(1,)]


def test_an_unknown_default_format_is_not_used_to_read_a_template(server: RunningServer) -> None:
    status, text = ask(server, "/?default_format=Template", b"SELECT 1")
    assert (status, "Template" in text) == (403, True)


def test_ordinary_questions_are_answered(server: RunningServer) -> None:
    refused = {}
    for statement in ORDINARY:
        status, text = ask(server, "/?default_format=JSON", statement.encode())
        if status != 200 or "data" not in json.loads(text):
            refused[statement] = text[:300]
    assert refused == {}
    assert len(ORDINARY) > 60


def test_the_server_takes_spans_and_answers_while_a_question_runs_long(
    server: RunningServer,
) -> None:
    long = threading.Thread(
        target=ask, args=(server, "/", b"SELECT sum(sipHash64(number)) FROM numbers(100000000)")
    )
    long.start()
    assert server.request("GET", "/healthz").status == 200
    assert ask(server, "/", b"SELECT 1") == (200, "1\n")
    long.join()


UNGUARDED = """
import sys, chdb
directory, secret, target, port = sys.argv[1:]
engine = chdb.connect(directory)
engine.query("CREATE DATABASE watchpost")
engine.query("CREATE TABLE watchpost.spans (a Int8) ENGINE = Memory")
reader = chdb.connect(directory)
reader.query("SET http_max_tries = 1")
reader.query("SET readonly = 1")
print(reader.query(f"SELECT file('{secret}')", "TSV").bytes().decode())
reader.query(f"SELECT 1 INTO OUTFILE '{target}'", "TSV")
try:
    reader.query(f"DESCRIBE TABLE url('http://127.0.0.1:{port}/x.csv', 'CSV')", "TSV")
except RuntimeError:
    pass
engine.query("EXPLAIN AST SELECT 1; DROP TABLE watchpost.spans", "TSV")
print("dropped", engine.query("EXISTS TABLE watchpost.spans", "TSV").bytes() == b"0\\n")
"""


def test_without_the_gate_the_same_statements_do_what_they_say(tmp_path: Path) -> None:
    doorbell = Doorbell()
    cage = Cage(tmp_path, doorbell)
    arguments = [
        str(tmp_path / "engine"),
        cage.fill("SECRET"),
        cage.fill("TARGET"),
        cage.fill("PORT"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", UNGUARDED, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    doorbell.close()
    assert SONG in done.stdout
    assert cage.target.exists()
    assert doorbell.rings > 0
    assert "dropped True" in done.stdout
