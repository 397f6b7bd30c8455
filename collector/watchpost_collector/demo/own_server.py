"""The demo's own watchpost: the real `watchpost up` in a process of its own, and questions to it.

It knows ports, files and HTTP; nothing about what is stored or asked.
"""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import CollectorError, ConfigError, WatchpostError
from watchpost_collector.demo.setting import SEGMENTS

OTLP_PORT = 4318
GRPC_PORT = 4317
QUERY_PORT = 8123
MARK = "made-by-watchpost-demo"
# Bounds against waiting forever, not expectations: a crowded machine starts and stores slowly.
START_S = 240.0
STOP_S = 30.0
ANSWER_S = 120.0
STORE_S = 600.0
_PAUSE_S = 0.2
_UP = "from watchpost_collector.command import main; raise SystemExit(main())"


def prepare_folder(data: Path) -> Path:
    """An empty folder for the demo; what an earlier demo left there goes, anything else stays.

    Raises ConfigError for a folder with other things in it.
    """
    if data.exists() and any(data.iterdir()):
        if not (data / MARK).exists():
            cure = "name an empty or a new folder: the demo starts from nothing"
            raise ConfigError("--data", str(data), cure)
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / MARK).touch()
    return data


class OwnServer:
    """A running `watchpost up`, on its usual ports where they are free; a context manager."""

    def __init__(self, data: Path) -> None:
        self._ready = data / "ready.json"
        self._log = data / "server.log"
        command = [sys.executable, "-c", _UP, "up", "--data", str(data / "store")]
        command += ["--port", str(_free_or_any(OTLP_PORT))]
        command += ["--grpc-port", str(_free_or_any(GRPC_PORT))]
        command += ["--query-port", str(_free_or_any(QUERY_PORT))]
        command += ["--segments", ",".join(SEGMENTS)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--ready-file", str(self._ready)],
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which then stops the server in order.
                start_new_session=True,
            )
        self.otlp_url = self.query_url = self.page_url = ""

    def __enter__(self) -> OwnServer:
        give_up = time.monotonic() + START_S
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                said = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise WatchpostError(f"the server did not start: {' '.join(said)}")
            time.sleep(0.05)
        urls = json.loads(self._ready.read_text())
        self.otlp_url, self.query_url, self.page_url = urls["otlp"], urls["query"], urls["page"]
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it in order; by force when that takes too long."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> None:
        """Stays until the server ends by itself."""
        self._process.wait()

    def flush(self) -> None:
        """Waits until everything sent can be asked for."""
        wait_until_stored(self.otlp_url, STORE_S)

    def ask(self, sql: str) -> list[list[Any]]:
        """The rows of one statement, from the query endpoint; 64-bit numbers as numbers."""
        settings = "default_format=JSONCompact&output_format_json_quote_64bit_integers=0"
        answered = _post(self.query_url, f"/?{settings}", sql.encode())
        rows: list[list[Any]] = json.loads(answered)["data"]
        return rows


def wait_until_stored(url: str, limit_s: float) -> None:
    """Ask the server at `url` to store what it acknowledged, and again while it says "later".

    Raises CollectorError when it still says so after `limit_s` seconds, or says anything else.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            _post(url, "/api/flush", b"")
            return
        except _NotYetError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


class _NotYetError(CollectorError):
    """Raised where the server asks to come back."""


def _post(url: str, path: str, body: bytes) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_S)
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        answered = response.read()
    except OSError as error:
        raise CollectorError(f"the demo's server at {url} does not answer") from error
    finally:
        connection.close()
    if response.status != 200:
        kind = (
            _NotYetError if response.status == http.client.SERVICE_UNAVAILABLE else CollectorError
        )
        raise kind(f"{url}{path} answered {response.status}: {answered[:300]!r}")
    return answered


def _free_or_any(port: int) -> int:
    """The port when nobody has it, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port
