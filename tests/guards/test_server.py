"""The guard service over real sockets, asked by hand and by HostedGuard."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from watchpost import Policy
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost.screening.screen import screen
from watchpost_guards.hosted import HostedGuard
from watchpost_guards.server import LARGEST_BODY, refuse_open_door

CARD = "4111 1111 1111 1111"
KEYS = "first-key-0123456789, second-key-0123456789"


class Service:
    """One `python -m watchpost_guards` in a process of its own."""

    def __init__(self, folder: Path, keys: str = "") -> None:
        ready = folder / "ready.json"
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "watchpost_guards", "--port", "0", "--ready-file", str(ready)],
            env={**os.environ, "WATCHPOST_GUARD_KEYS": keys},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        give_up = time.monotonic() + 90
        while not (ready.exists() and ready.stat().st_size):
            assert self._process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        self.url = json.loads(ready.read_text())["url"]

    def stop(self) -> str:
        """End it; everything it printed."""
        self._process.terminate()
        self._process.wait(30)
        self._log.seek(0)
        with self._log:
            return self._log.read()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("guards"))
    yield running
    printed = running.stop()
    assert CARD not in printed
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("locked"), KEYS)
    yield running
    running.stop()


def post(service: Service, body: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    raw = body if isinstance(body, bytes) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/v1/check", raw, {"content-type": "application/json", **named})
    answer = connection.getresponse()
    read = json.loads(answer.read())
    connection.close()
    return answer.status, read


def test_every_guard_answers_when_none_is_named(service: Service) -> None:
    status, answer = post(service, {"text": f"card {CARD}"})
    verdicts = {verdict["guard"]: verdict for verdict in answer["verdicts"]}
    assert status == 200
    assert sorted(verdicts) == ["length", "pii", "secrets"]
    assert verdicts["pii"]["findings"] == [
        {"start": 5, "end": 24, "label": "CREDIT_CARD", "score": 1.0}
    ]
    assert not verdicts["secrets"]["tripped"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        ({"text": 5}, 400),
        ({"text": CARD, "direction": "sideways"}, 400),
        ({"text": CARD, "guards": "pii"}, 400),
        ({"text": CARD, "guards": ["mind reader"]}, 404),
        (b'"' + b"x" * LARGEST_BODY + b'"', 413),
    ],
)
def test_what_cannot_be_understood_is_refused_without_repeating_it(
    service: Service, body: Any, status: int
) -> None:
    answered, answer = post(service, body)
    assert answered == status
    assert CARD not in json.dumps(answer)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "localhost"}, 200),
    ],
)
def test_a_web_page_cannot_use_it(service: Service, headers: dict[str, str], status: int) -> None:
    assert post(service, {"text": "x"}, **headers)[0] == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer first-key-0123456789", 200),
        ("bearer second-key-0123456789", 200),
        ("Bearer wrong", 401),
        ("Basic first-key-0123456789", 401),
        ("", 401),
    ],
)
def test_with_keys_a_caller_shows_one(locked: Service, header: str, status: int) -> None:
    assert post(locked, {"text": "x"}, authorization=header)[0] == status


def test_it_does_not_listen_beyond_this_machine_without_keys() -> None:
    with pytest.raises(ConfigError) as error:
        refuse_open_door("0.0.0.0", ())
    assert error.value.value == "0.0.0.0"
    assert "WATCHPOST_GUARD_KEYS" in error.value.cure
    refuse_open_door("0.0.0.0", ("key",))
    refuse_open_door("::1", ())
    finished = subprocess.run(
        [sys.executable, "-m", "watchpost_guards", "--host", "0.0.0.0", "--port", "0"],
        env={**os.environ, "WATCHPOST_GUARD_KEYS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 2
    assert "WATCHPOST_GUARD_KEYS" in finished.stderr


def test_a_hosted_guard_masks_like_the_one_in_process(locked: Service) -> None:
    guard = HostedGuard(locked.url, "first-key-0123456789", "pii")
    policy = Policy(redact=(guard,))
    decisions = [screen(policy, Question(f"card {CARD}!")) for _ in range(3)]
    guard.close()
    assert {decision.text for decision in decisions} == {"card [CREDIT_CARD]!"}
    assert decisions[0].verdicts[0].revision.startswith("1+presidio-")


def test_a_hosted_guard_without_its_service_has_failed() -> None:
    policy = Policy(
        block=(HostedGuard("http://127.0.0.1:9", None, "pii"),), on_failure={"pii": "closed"}
    )
    decision = screen(policy, Question(CARD))
    assert decision.verdicts[0].failed
    assert not decision.verdicts[0].tripped
    assert decision.action == "block"


def test_a_hosted_guard_with_a_wrong_key_has_failed(locked: Service) -> None:
    guard = HostedGuard(locked.url, "wrong", "pii")
    verdict = screen(Policy(flag=(guard,)), Question(CARD)).verdicts[0]
    guard.close()
    assert verdict.failed


def test_a_hosted_guard_needs_a_url() -> None:
    with pytest.raises(ConfigError):
        HostedGuard("127.0.0.1:4319", None, "pii")
