"""A watched file: changes are seen, slips change nothing, writers take turns."""

from __future__ import annotations

import logging
import stat
import threading
import time
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.watched_file import WatchedFile, rewrite


def parse(content: bytes) -> int:
    try:
        return int(content)
    except ValueError as error:
        raise ConfigError("number", content, "write a number") from error


def wait_for(file: WatchedFile[int], value: int) -> bool:
    """Whether the file is read as this within a few seconds."""
    give_up = time.monotonic() + 10
    while file.read() != value and time.monotonic() < give_up:
        time.sleep(0.02)
    return file.read() == value


def test_a_change_is_seen_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "number"
    file = WatchedFile(path, parse, -1)
    assert file.read() == -1
    rewrite(path, lambda _: b"7")
    assert wait_for(file, 7)
    path.unlink()
    assert wait_for(file, -1)


def test_a_version_that_cannot_be_read_changes_nothing_and_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "number"
    rewrite(path, lambda _: b"7")
    file = WatchedFile(path, parse, -1)
    rewrite(path, lambda _: b"seven")
    give_up = time.monotonic() + 10
    with caplog.at_level(logging.ERROR):
        while not caplog.records and time.monotonic() < give_up:
            assert file.read() == 7
            time.sleep(0.02)
    assert "nothing changes" in caplog.text
    with pytest.raises(ConfigError):
        WatchedFile(path, parse, -1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"7")
    (tmp_path / "number").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="no link"):
        WatchedFile(tmp_path / "number", parse, -1)


def test_writers_take_turns_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "number"

    def count() -> None:
        for _ in range(20):
            rewrite(path, lambda content: str(int(content or b"0") + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == b"80"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_change_that_fails_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "number"
    rewrite(path, lambda _: b"7")
    with pytest.raises(ConfigError):
        rewrite(path, lambda content: str(parse(content + b"x")).encode())
    assert path.read_bytes() == b"7"
    rewrite(path, lambda content: content + b"1")
    assert path.read_bytes() == b"71"
