"""`watchpost keys`, as a person types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost.serving.keys import Grant
from watchpost_collector.access.issued_keys import KeyFile
from watchpost_collector.command import main
from watchpost_collector.command.keys import read_expiry

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def keys(data: Path, *words: str) -> int:
    return main(["keys", *words, "--data", str(data)])


def test_the_secret_stands_alone_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(tmp_path, "create", "--project", "shop", "--scope", "ingest", "--name", "ci") == 0
    shown = capsys.readouterr()
    assert KeyFile(tmp_path).identify(shown.out.strip()) == Grant("ingest", "shop")
    assert "from now on every request needs one" in shown.err
    assert keys(tmp_path, "create", "--scope", "admin", "--expires", "90d") == 0
    assert "from now on" not in capsys.readouterr().err


def test_a_list_shows_every_key_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys(tmp_path, "create", "--project", "shop", "--scope", "read", "--name", "board")
    secret = capsys.readouterr().out.strip()
    assert keys(tmp_path, "list", "--json") == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["project"], row["scope"], row["name"], row["state"]) == (
        *("shop", "read", "board"),
        "valid",
    )
    assert keys(tmp_path, "revoke", row["id"]) == 0
    assert "revoked the read key" in capsys.readouterr().err
    assert keys(tmp_path, "list") == 0
    table = capsys.readouterr().out
    assert "revoked" in table
    assert secret.split("_", 2)[2] not in table
    assert KeyFile(tmp_path).identify(secret) is None


def test_what_cannot_be_used_is_named_with_its_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(tmp_path, "revoke", "nobody") == 2
    assert "keys list" in capsys.readouterr().err
    assert keys(tmp_path, "create", "--scope", "read", "--name", "a\x1b[2J") == 2
    assert keys(tmp_path, "create", "--scope", "read", "--project", "a b") == 2
    assert not list(KeyFile(tmp_path).list())


def test_an_expiry_is_a_span_of_time_or_a_date() -> None:
    assert read_expiry("90d", NOW) == NOW + timedelta(days=90)
    assert read_expiry("12h", NOW) == NOW + timedelta(hours=12)
    assert read_expiry("2w", NOW) == NOW + timedelta(weeks=2)
    assert read_expiry("2027-01-31", NOW) == datetime(2027, 1, 31, tzinfo=UTC)
    assert read_expiry("2027-01-31T10:00:00+02:00", NOW) == datetime(2027, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "d", "-3d", "tomorrow", "0d", "2026-01-01", "9" * 30 + "d"])
def test_an_expiry_that_is_none_or_lies_behind_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--expires"):
        read_expiry(text, NOW)
