"""A real `watchpost up` in a process of its own, and what tests ask of it over its sockets."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_READY_S = 180.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RunningServer:
    """The process and its URLs; start it in a `with` block, or let the fixture `server` do so."""

    def __init__(
        self, data: Path, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self._arguments = arguments
        self._environ = dict(environ or {})
        self._log = data.with_name(f"{data.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = 0
        self.otlp_url = self.grpc_url = self.query_url = self.page_url = ""

    def __enter__(self) -> RunningServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything this start of the server printed so far."""
        return self._log.read_bytes()[self._printed :].decode(errors="replace")

    def start(self) -> None:
        """Start it and wait until it is ready."""
        ready = self.data.with_name(f"{self.data.name}.ready")
        ready.unlink(missing_ok=True)
        self.launch("--ready-file", str(ready))
        assert self._process is not None
        give_up = time.monotonic() + _READY_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"the server did not get ready:\n{self.output}")
            time.sleep(0.05)
        urls = json.loads(ready.read_text())
        self.otlp_url, self.query_url = urls["otlp"], urls["query"]
        self.page_url, self.grpc_url = urls["page"], urls["grpc"]

    def start_without_store(self) -> None:
        """Start it and wait until it takes spans; its store may come later, or never."""
        self.launch()
        give_up = time.monotonic() + _READY_S
        while not (taking := re.search(r"taking spans at (\S+)/v1/traces", self.output)):
            assert time.monotonic() < give_up, self.output
            assert self.poll() is None, self.output
            time.sleep(0.05)
        self.otlp_url = taking.group(1)

    def wait_until_ready(self) -> None:
        """Wait for the last line of the start."""
        give_up = time.monotonic() + _READY_S
        while not (asks := re.search(r"ClickHouse +(\S+)(?s:.*)\nready\n", self.output)):
            assert time.monotonic() < give_up, self.output
            assert self.poll() is None, self.output
            time.sleep(0.05)
        self.query_url = asks.group(1)

    def wait_for_store(self) -> None:
        """Wait until questions are answered; the page may still be loading."""
        give_up = time.monotonic() + _READY_S
        while (status := self.status())["store"]["state"] != "ready":
            assert time.monotonic() < give_up, status
            time.sleep(0.05)
        host = urlsplit(self.otlp_url).hostname
        self.query_url = f"http://{host}:{status['query_port']}"

    def launch(self, *more: str) -> None:
        """Start the process and do not wait for it."""
        command = [str(Path(sys.executable).with_name("watchpost")), "up"]
        ports = ["--data", str(self.data), "--port", "0", "--grpc-port", "0", "--query-port", "0"]
        with self._log.open("ab") as log:
            self._printed = log.tell()
            self._process = subprocess.Popen(
                [*command, *ports, *self._arguments, *more],
                stdout=log,
                stderr=subprocess.STDOUT,
                # What emitters say is compared to the letter: nothing is counted beside it.
                env={**os.environ, "WATCHPOST_ESTIMATE_TOKENS": "off", **self._environ},
            )

    def stop(self) -> int:
        """End it as an operator would; its exit status."""
        return self.kill(signal.SIGTERM)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal and wait for its end; its exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def wait(self, timeout_s: float = 120.0) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def send(
        self,
        body: bytes,
        content_type: str = "application/x-protobuf",
        *,
        compress: bool = False,
        **headers: str,
    ) -> Answer:
        """POST an OTLP body; headers by name, with _ for -."""
        named = {"content-type": content_type, **_named(headers)}
        if compress:
            body, named["content-encoding"] = gzip.compress(body), "gzip"
        return self.request("POST", "/v1/traces", body, named)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request to the main port."""
        return _ask(method, self.otlp_url + path, body, headers or {})

    def status(self) -> Any:
        """What /api/status says."""
        return self.request("GET", "/api/status").json()

    def flush(self) -> Any:
        """Wait until everything acknowledged can be queried; the span counters then."""
        give_up = time.monotonic() + _READY_S
        answer = self.request("POST", "/api/flush")
        while answer.status == 503 and time.monotonic() < give_up:
            answer = self.request("POST", "/api/flush")
        assert answer.status == 200, answer.body
        return answer.json()["spans"]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a question, asked over the ClickHouse port as anyone would."""
        url = f"{self.query_url}/?default_format=JSONCompact"
        answer = _ask("POST", url, sql.encode(), {"content-type": "text/plain"})
        assert answer.status == 200, answer.body.decode()
        return [tuple(row) for row in answer.json()["data"]]

    def project(self, name: str) -> dict[str, str]:
        """The headers that send spans to another project of a keyless server."""
        return {"X-Watchpost-Project": name}


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _ask(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    # A body's length is always said, also when it is empty: a POST has one.
    request = urllib.request.Request(
        url, data=body if method == "POST" else None, headers=dict(headers), method=method
    )
    if method == "POST" and not request.has_header("Content-type"):
        request.add_header("Content-type", "application/octet-stream")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), dict(error.headers))
