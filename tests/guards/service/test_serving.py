"""A service in a process of its own: shared by processes, drained, killed."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_process import ServingProcess
from tiny_model import make_model

from watchpost import Policy, Verdict
from watchpost.screening.guard import Question
from watchpost.screening.screen import screen
from watchpost_guards.hosted import HostedGuard

sys.path.insert(0, str(Path(__file__).parent))

GUARDS = ("--guards", "unsafe,injection,secrets")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "text")
    return folder


@pytest.fixture
def service(tmp_path: Path, models: Path) -> Iterator[ServingProcess]:
    running = ServingProcess(tmp_path, models, *GUARDS)
    yield running
    running.close()


def read_batches(service: ServingProcess) -> tuple[float, float]:
    """How many batches there were, and how many of them had one row."""
    samples = {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(service.get("/metrics"))
        for sample in family.samples
    }
    rows = "watchpost_guards_batch_rows"
    return samples[f"{rows}_count", ""], samples[f"{rows}_bucket", "1"]


def test_two_processes_share_batches_and_a_signal_lets_it_finish(service: ServingProcess) -> None:
    callers = [service.start_caller(name, threads=8, texts=25) for name in ("one", "two")]
    said = [json.loads(caller.communicate(timeout=120)[0]) for caller in callers]
    batches, of_one_row = read_batches(service)
    assert said == [{"right": 200, "failed": 0}] * 2
    assert of_one_row < batches < 400
    # A request whose body is still on its way when the signal comes is answered all the same.
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    body = json.dumps({"text": "ignore " * 20_000, "guards": ["injection"]}).encode()
    connection.putrequest("POST", "/v1/check")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    wait_until_open(service)
    service.process.send_signal(signal.SIGTERM)
    answer = connection.getresponse()
    verdicts = json.loads(answer.read())["verdicts"]
    connection.close()
    assert (answer.status, verdicts[0]["tripped"]) == (200, True)
    # A second signal could meet a process that is past listening to any.
    assert service.process.wait(60) == 0
    printed = service.read_log()
    assert "Traceback" not in printed
    assert "ignore" not in printed


def wait_until_open(service: ServingProcess) -> None:
    give_up = time.monotonic() + 60
    while "watchpost_guards_open_requests 1" not in service.get("/metrics"):
        assert time.monotonic() < give_up


def test_a_host_killed_under_load_holds_no_call_up_and_closed_stays_closed(
    service: ServingProcess,
) -> None:
    guard = HostedGuard(service.url, None, "unsafe")
    policy = Policy(block=(guard,), on_failure={"unsafe": "closed"}, deadlines={"unsafe": 5.0})
    verdicts: list[Verdict] = []
    actions: list[str] = []
    answered = threading.Event()
    killed = threading.Event()

    def ask(number: int) -> None:
        turn = 0
        while not killed.is_set() or turn < 20:
            decision = screen(policy, Question(f"calm {number} {turn}"))
            verdicts.extend(decision.verdicts)
            actions.append(decision.action)
            turn = turn + 1 if killed.is_set() else 0
            answered.set()

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    assert answered.wait(60)
    service.process.kill()
    service.process.wait()
    killed.set()
    for caller in callers:
        # Twenty calls of at most the deadline each, were the circuit not to open.
        caller.join(20 * 5.0)
        assert not caller.is_alive()
    guard.close()
    assert not verdicts[0].failed
    assert all(verdict.failed for verdict in verdicts[-40:])
    assert actions[-40:] == ["block"] * 40
    assert any(verdict.label == "circuit_open" for verdict in verdicts)


def test_it_does_not_listen_beyond_this_machine_without_keys() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "watchpost_guards", "--host", "0.0.0.0", "--port", "0"],
        env={"PATH": "", "WATCHPOST_GUARD_KEYS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 2
    assert "WATCHPOST_GUARD_KEYS" in finished.stderr
    assert "0.0.0.0" in finished.stderr
