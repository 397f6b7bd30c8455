from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer

from watchpost.serving.keys import parse_keys
from watchpost_collector.command import main
from watchpost_collector.erasure.application import ErasureApp
from watchpost_collector.erasure.eraser import Eraser

SECRET = "admin-key-0123456789"


def test_a_trial_says_what_would_go(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    done = main(["erase", "--user", "nobody-at-all", "--url", server.otlp_url, "--dry-run"])

    assert done == 0
    assert "This user has 0 traces here" in capsys.readouterr().out


def test_nothing_is_erased_unasked(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", "--user", "nobody-at-all", "--url", server.otlp_url]) == 2
    assert "give --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--trace", "0x12", "--yes"], "32 hexadecimal digits"),
        (["--user", "a", "--url", "http://127.0.0.1:1", "--yes"], "no watchpost answers"),
        (["--user", "a", "--url", "ftp://x", "--yes"], "write it like"),
        (["--user", "a", "--data", "/nonexistent", "--yes"], "watchpost up --data"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_cure(
    server: RunningServer,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    place = [] if {"--url", "--data"} & set(arguments) else ["--url", server.otlp_url]

    assert main(["erase", *arguments, *place]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_an_admin_key_may_erase(scope: str, tmp_path: Path) -> None:
    keys = parse_keys(f"{scope}:{SECRET}")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("an order without a right to it is not even read")

    async def send(message: Any) -> None:
        sent.append(dict(message))

    app = ErasureApp(Eraser(tmp_path, tmp_path, []), keys)
    for headers in ([], [(b"authorization", f"Bearer {SECRET}".encode())]):
        scope_of = {"type": "http", "method": "POST", "path": "/api/erase", "headers": headers}
        await app(scope_of, receive, send)

    assert [message["status"] for message in sent if "status" in message] == [401, 401]
