"""The engine behind the ClickHouse protocol as a process that tests start, ask, stop and kill."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

PASSWORD = "only-for-tests"
PROGRAM = Path(__file__).with_name("clickhouse_over_http.py")


class RunningClickHouse:
    """The process; start it in a `with` block. It keeps its port and its directory if restarted.

    What it says goes to `log`, else where the tests' own words go.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        password: str = PASSWORD,
        log: Path | None = None,
    ) -> None:
        self.directory = directory
        self.port = port
        self.password = password
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningClickHouse:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def dsn(self) -> str:
        """Its address for `--store` and `open_store`."""
        return f"http://default:{quote(self.password)}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, str(PROGRAM), str(self.directory), str(self.port), self.password]
        with contextlib.ExitStack() as stack:
            said = stack.enter_context(self.log.open("ab")) if self.log else None
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

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
