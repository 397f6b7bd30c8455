"""A guard that asks a service: what it sends, and that it fails where there is no verdict."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from watchpost import Policy
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost.screening.screen import screen
from watchpost_guards.hosted import DEADLINE_HEADER, HostedGuard

VERDICT = {"guard": "pii", "label": "EMAIL", "probability": 1.0, "tripped": True, "new": "field"}
SAID = {"verdicts": [{**VERDICT, "findings": [{"start": 0, "end": 3, "label": "E", "score": 1.0}]}]}


class Service(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked and over how many connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.connections = 0
        self.status, self.answer = 200, json.dumps(SAID).encode()
        self.silent = threading.Event()
        self.over = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever stopped waiting is gone when the answer comes."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((headers, json.loads(body)))
        if self.server.silent.is_set():
            self.server.over.wait(30)
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


def test_many_questions_go_over_one_connection_with_key_and_deadline(service: Service) -> None:
    guard = HostedGuard(service.url, "secret", "pii")
    policy = Policy(flag=(guard,), deadlines={"pii": 2.0})
    verdicts = [screen(policy, Question("abc", model="m")).verdicts[0] for _ in range(3)]
    guard.close()
    assert all(verdict.tripped and verdict.findings for verdict in verdicts)
    assert service.connections == 1
    headers, body = service.asked[0]
    assert headers["authorization"] == "Bearer secret"
    assert 0 < int(headers[DEADLINE_HEADER]) <= 2000
    assert body == {"text": "abc", "direction": "input", "guards": ["pii"], "model": "m"}


def test_what_is_known_beside_a_text_leaves_only_for_a_guard_that_needs_it(
    service: Service,
) -> None:
    question = Question("abc", "output", context=("document",), prompt="asked", system="secret")
    bare = HostedGuard(service.url, None, "pii")
    told = HostedGuard(service.url, None, "pii", tells=["context", "prompt"])
    for guard in (bare, told):
        guard.check(question)
        guard.close()
    (_, first), (_, second) = service.asked
    assert first.keys() == {"text", "direction", "guards"}
    assert (second["context"], second["prompt"]) == (["document"], "asked")
    assert "system" not in second


@pytest.mark.parametrize(
    ("status", "answer", "label"),
    [
        (429, b"{}", "busy"),
        (500, b"abc", "error"),
        (401, b"{}", "error"),
        (200, b"abc", "error"),
        (200, b'{"verdicts": []}', "error"),
        (200, b'{"verdicts": [{"guard": "pii", "probability": 7}]}', "error"),
    ],
)
def test_what_is_no_verdict_has_failed_and_repeats_nothing(
    service: Service, status: int, answer: bytes, label: str
) -> None:
    service.status, service.answer = status, answer
    guard = HostedGuard(service.url, None, "pii")
    decision = screen(Policy(block=(guard,), on_failure={"pii": "closed"}), Question("abc"))
    guard.close()
    (verdict,) = decision.verdicts
    assert (verdict.failed, verdict.tripped, verdict.label) == (True, False, label)
    assert "abc" not in verdict.reason
    assert decision.action == "block"


def test_a_service_that_says_nothing_fails_at_the_deadline(service: Service) -> None:
    service.silent.set()
    guard = HostedGuard(service.url, None, "pii")
    decision = screen(Policy(flag=(guard,), deadlines={"pii": 0.05}), Question("abc"))
    guard.close()
    assert decision.verdicts[0].failed


def test_a_service_that_is_away_has_failed() -> None:
    policy = Policy(
        block=(HostedGuard("http://127.0.0.1:9", None, "pii"),), on_failure={"pii": "closed"}
    )
    decision = screen(policy, Question("abc"))
    assert decision.verdicts[0].failed
    assert not decision.verdicts[0].tripped
    assert decision.action == "block"


def test_a_hosted_guard_needs_a_url_and_knows_what_it_can_tell() -> None:
    with pytest.raises(ConfigError):
        HostedGuard("127.0.0.1:4319", None, "pii")
    with pytest.raises(ConfigError):
        HostedGuard("http://127.0.0.1:4319", None, "pii", tells=["everything"])
