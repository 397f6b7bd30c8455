"""A database of its own process behind the ClickHouse protocol, which chaos kills and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

PASSWORD = "only-for-chaos"
PROGRAM = Path(__file__).parents[1] / "clickhouse_over_http.py"


class Database:
    """The process; it keeps its port and its directory however often it dies."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port = int(held.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Its address for `--store`, with a patience that a stopped database can outlast."""
        return f"http://default:{PASSWORD}@127.0.0.1:{self.port}?send_receive_timeout=5"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, str(PROGRAM), str(self.directory), str(self.port), PASSWORD]
        self.directory.mkdir(exist_ok=True)
        with self.directory.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self.port).encode()

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def pause(self) -> None:
        """Stop it where it stands: connections are taken and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
