"""The console's dispatch: fast help, clean errors, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from watchpost_collector import command


def test_help_names_every_subcommand_and_imports_none_of_them() -> None:
    program = (
        "import sys\nfrom watchpost_collector.command import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'chdb', 'clickhouse_connect', 'uvicorn', 'nicegui', 'openai'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for subcommand in command.SUBCOMMANDS:
        assert subcommand.name in done.stdout


def test_no_word_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    assert "usage: watchpost" in capsys.readouterr().out


def test_an_unknown_word_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["frobnicate"])
    assert caught.value.code == 2
    assert "frobnicate" in capsys.readouterr().err


def test_a_missing_extra_names_the_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What importing the file of a subcommand does where the server's packages are not installed.
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    needy = command.Subcommand("serve", "uvicorn", "needs the server's packages")
    monkeypatch.setattr(command, "SUBCOMMANDS", (needy,))
    assert command.main(["serve"]) == 2
    assert 'pip install "watchpost[server]"' in capsys.readouterr().err


def test_every_subcommand_explains_itself() -> None:
    for subcommand in command.SUBCOMMANDS:
        with pytest.raises(SystemExit) as caught:
            command.main([subcommand.name, "--help"])
        assert caught.value.code == 0
