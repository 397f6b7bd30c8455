"""Errors say what, with which value, and what to do; and never show a secret."""

from __future__ import annotations

from watchpost.errors import (
    BadPayload,
    Blocked,
    CollectorError,
    ConfigError,
    Full,
    GuardUnavailable,
    MissingExtra,
    WatchpostError,
)
from watchpost.screening.guard import Verdict


def test_every_error_has_one_root() -> None:
    kinds = (BadPayload, Blocked, ConfigError, Full, GuardUnavailable, MissingExtra)
    assert all(issubclass(kind, WatchpostError) for kind in kinds)
    assert issubclass(BadPayload, CollectorError)
    assert issubclass(Full, CollectorError)


def test_a_config_error_names_setting_value_and_cure() -> None:
    error = ConfigError("port", "x" * 500, "give a number")
    assert str(error).startswith("port='xxx")
    assert str(error).endswith("...  cannot be used: give a number".replace("  ", " "))
    assert len(str(error)) < 200


def test_a_config_error_shows_no_secret() -> None:
    assert "hunter2" not in str(ConfigError("WATCHPOST_KEY", "hunter2", "give another"))


def test_a_missing_extra_says_which_command_cures_it() -> None:
    assert 'pip install "watchpost[guards]"' in str(MissingExtra("guards"))


def test_blocked_names_the_guard_that_tripped_and_no_text() -> None:
    safe, bad = Verdict("pii"), Verdict("injection", label="jailbreak", tripped=True)
    error = Blocked("input", [safe, bad])
    assert error.verdict is bad
    assert error.verdicts == (safe, bad)
    assert str(error) == "input blocked by guard 'injection' (jailbreak)"


def test_full_says_when_to_come_back() -> None:
    error = Full("the spool is full", 30)
    assert error.retry_after_s == 30
    assert str(error) == "the spool is full: send it again in 30 s"
