"""The spill: private, in order, bounded, and left for the next process."""

import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from watchpost.export.spill import Spill, default_directory


def open_spill(directory: Path, destination: str = "http://c", max_bytes: int = 1000) -> Spill:
    return Spill(directory / "spill", destination, max_bytes)


def bodies(spill: Spill) -> list[bytes | None]:
    return [spill.read(item) for item in spill.stored()]


def test_batches_come_back_in_the_order_they_went_in(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    for number in range(20):
        assert spill.append(b"%d" % number, spans=number) == 0
    assert bodies(open_spill(tmp_path)) == [b"%d" % number for number in range(20)]
    assert [item.spans for item in spill.stored()] == list(range(20))


def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        spill = open_spill(tmp_path)
        spill.append(b"secret", 1)
    finally:
        os.umask(old)
    (item,) = spill.stored()
    assert stat.S_IMODE(item.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(item.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(item.path.parent.parent.stat().st_mode) == 0o700


def test_a_directory_that_is_open_to_others_is_not_used(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    spill.append(b"x", 1)
    spill.stored()[0].path.parent.chmod(0o755)
    with pytest.raises(PermissionError):
        spill.append(b"y", 1)


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    spill.append(b"x", 1)
    directory = spill.stored()[0].path.parent
    elsewhere = tmp_path / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    with pytest.raises(PermissionError):
        spill.append(b"y", 1)


def test_a_link_in_place_of_a_batch_is_not_sent(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    spill.append(b"x", 1)
    (item,) = spill.stored()
    item.path.unlink()
    item.path.symlink_to("/etc/hostname")
    assert spill.stored() == []


def test_when_it_is_full_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spill = open_spill(tmp_path, max_bytes=10)
    assert spill.append(b"aaaa", 2) == 0
    assert spill.append(b"bbbb", 3) == 0
    assert spill.append(b"cccc", 4) == 2
    assert bodies(spill) == [b"bbbb", b"cccc"]
    assert spill.append(b"x" * 11, 5) == 5


def test_destinations_never_see_each_others_batches(tmp_path: Path) -> None:
    open_spill(tmp_path, "http://a").append(b"for a", 1)
    assert bodies(open_spill(tmp_path, "http://b")) == []
    assert bodies(open_spill(tmp_path, "http://a")) == [b"for a"]


def test_what_was_delivered_is_gone_and_gone_twice_is_fine(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    spill.append(b"x", 1)
    (item,) = spill.stored()
    spill.remove(item)
    spill.remove(item)
    assert spill.read(item) is None
    assert spill.stored() == []


def test_only_one_process_delivers_at_a_time(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from watchpost.export.spill import Spill\n"
        f"with Spill(Path({str(tmp_path / 'spill')!r}), 'http://c', 1000).claim() as mine:\n"
        "    print(mine)"
    )
    command = [sys.executable, "-c", program]
    with open_spill(tmp_path).claim() as mine:
        assert mine
        assert subprocess.check_output(command, text=True).strip() == "False"
    assert subprocess.check_output(command, text=True).strip() == "True"


def test_it_lives_in_the_accounts_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_directory() == Path("/somewhere/watchpost/spill")


def test_a_child_forked_while_its_parent_delivers_does_not_keep_the_right_to(
    tmp_path: Path,
) -> None:
    spill = open_spill(tmp_path)
    reading, writing = os.pipe()
    with spill.claim() as mine:
        assert mine
        with warnings.catch_warnings():
            # Newer Pythons warn of threads; this child touches nothing they may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    with open_spill(tmp_path).claim() as mine:
        assert mine
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)


def test_half_a_batch_of_a_killed_process_goes_in_time_and_a_fresh_one_stays(
    tmp_path: Path,
) -> None:
    spill = open_spill(tmp_path)
    spill.append(b"x", 1)
    directory = spill.stored()[0].path.parent
    old, fresh = directory / "old.part", directory / "fresh.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    with spill.claim():
        assert not old.exists()
        assert fresh.exists()
