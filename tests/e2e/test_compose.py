"""docker-compose.yml without Docker: its start commands run here as plain processes, with the keys
of an env file, against the real engine behind ClickHouse's HTTP protocol."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from grafana_contract import validate
from running_clickhouse import RunningClickHouse

from watchpost_collector.alerts.rule_file import load_rules

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECRETS = {
    "CLICKHOUSE_PASSWORD": "store-pass-0123456789",
    "GRAFANA_READER_PASSWORD": "reader-pass-0123456789",
    "GRAFANA_ADMIN_PASSWORD": "grafana-pass-0123456789",
    "WATCHPOST_KEYS": "ingest:ingest-key-0123456789,admin:admin-key-0123456789",
    "WATCHPOST_GUARD_KEYS": "check:guard-key-0123456789",
}
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]*\}")


def fill_in(text: str) -> str:
    return REQUIRED.sub(lambda match: SECRETS[match.group(1)], text)


def send(url: str, body: object, key: str | None) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def one_span(trace_id: str) -> dict[str, object]:
    now = time.time_ns()
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "100"}},
        ],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def start(command: list[str], **environment: str) -> subprocess.Popen[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        command, env={**os.environ, "PATH": path, **environment}, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def clickhouse(tmp_path):
    """The engine over HTTP with the password of the env file; yields its port."""
    password = SECRETS["CLICKHOUSE_PASSWORD"]
    with RunningClickHouse(tmp_path / "engine", password=password) as running:
        yield running.port


def ask(port: int, sql: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/",
        sql.encode(),
        {"X-ClickHouse-User": "watchpost", "X-ClickHouse-Key": SECRETS["CLICKHOUSE_PASSWORD"]},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def wait_until(predicate, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if predicate():
            return True
        time.sleep(0.1)
    return False


def test_every_secret_is_required_and_named_in_the_example_env_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    named = re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(set(REQUIRED.findall(text))) == sorted(named)
    # A plain ${NAME} would start with an empty password; no value stands in the file itself.
    assert re.findall(r"\$\{(\w+)\}", text) == []


def test_nothing_is_published_beyond_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_mounted_file_exists() -> None:
    mounted = [
        volume.partition(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert mounted
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_the_collector_starts_as_composed_and_stores_over_http(clickhouse, tmp_path) -> None:
    ready = tmp_path / "ready.json"
    command = fill_in(COMPOSE["services"]["collector"]["command"])
    command = command.replace("clickhouse:8123", f"127.0.0.1:{clickhouse}")
    command = command.replace("/var/lib/watchpost", str(tmp_path / "data"))
    command = command.replace("--port 4318", "--port 0").replace("4317", "0")
    process = start(
        [*shlex.split(command), "--ready-file", str(ready)],
        WATCHPOST_KEYS=SECRETS["WATCHPOST_KEYS"],
    )
    with process:
        try:
            assert wait_until(ready.exists), "the collector never became ready"
            url = re.sub(r"//[^:/]+", "//127.0.0.1", json.loads(ready.read_text())["otlp"])
            url = url.removesuffix("/v1/traces").rstrip("/") + "/v1/traces"
            trace_id = os.urandom(16).hex()
            assert send(url, one_span(trace_id), key=None)[0] == 401
            assert send(url, one_span(trace_id), key="wrong-key-0123456789")[0] == 401
            assert send(url, one_span(trace_id), key="ingest-key-0123456789")[0] == 200
            counted = (
                "SELECT count(), sum(input_tokens) FROM watchpost.generations "
                f"WHERE trace_id = '{trace_id}'"
            )
            assert wait_until(lambda: ask(clickhouse, counted) == "1\t1000\n", 30)
        finally:
            process.terminate()


def test_the_alert_rules_are_written_as_composed_where_grafana_looks_for_them(tmp_path) -> None:
    service = COMPOSE["services"]["alerts"]
    places = dict(volume.split(":")[:2] for volume in service["volumes"])
    command = service["command"].replace(places["alerts"], str(tmp_path))
    command = command.replace("/etc/watchpost/alerts.yaml", str(ROOT / "examples/alerts.yaml"))
    assert places["./examples/alerts.yaml"] == "/etc/watchpost/alerts.yaml"

    with start(shlex.split(command)) as process:
        assert process.wait(60) == 0

    [path] = tmp_path.iterdir()
    written = yaml.safe_load(path.read_text())
    validate("AlertingFileExport", written)
    rules = load_rules(ROOT / "examples/alerts.yaml")
    assert [rule["title"] for rule in written["groups"][0]["rules"]] == [r.name for r in rules]
    grafana = COMPOSE["services"]["grafana"]
    assert "alerts:/etc/grafana/provisioning/alerting:ro" in grafana["volumes"]
    assert grafana["depends_on"]["alerts"]["condition"] == "service_completed_successfully"


def test_the_guards_start_as_composed_and_answer_only_with_a_key(tmp_path) -> None:
    command = fill_in(COMPOSE["services"]["guards"]["command"]).replace("--port 4319", "--port 0")
    ready = tmp_path / "ready.json"
    process = start(
        [*shlex.split(command), "--ready-file", str(ready)],
        WATCHPOST_GUARD_KEYS=SECRETS["WATCHPOST_GUARD_KEYS"],
    )
    with process:
        try:
            assert wait_until(ready.exists), "the guards never became ready"
            url = re.sub(r"//[^:/]+", "//127.0.0.1", json.loads(ready.read_text())["url"])
            question = {
                "text": "card 4111 1111 1111 1111",
                "direction": "input",
                "guards": ["pii"],
            }
            assert send(f"{url}/v1/check", question, key=None)[0] == 401
            status, body = send(f"{url}/v1/check", question, key="guard-key-0123456789")
            assert status == 200
            assert json.loads(body)["verdicts"][0]["tripped"] is True
        finally:
            process.terminate()
