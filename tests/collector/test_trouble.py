from __future__ import annotations

import logging

import pytest

from watchpost.errors import CollectorError
from watchpost_collector.trouble import locate, read_code, retell, summarize

QUOTING = "Code: 72. DB::Exception: Cannot read number here: my secret (CANNOT_PARSE_NUMBER)"


def test_an_error_of_the_engine_is_told_by_its_code_and_name_alone() -> None:
    error = CollectorError(f"query: {QUOTING}")

    assert summarize(error) == "engine error 72 CANNOT_PARSE_NUMBER"
    assert read_code(error) == 72


@pytest.mark.parametrize("error", [KeyError("my secret"), ValueError("my secret"), RuntimeError()])
def test_of_an_error_that_is_not_ours_only_the_kind_is_told(error: Exception) -> None:
    assert summarize(error) == type(error).__name__
    assert read_code(error) is None


def test_our_own_words_and_those_of_the_system_are_told_in_one_line() -> None:
    assert summarize(CollectorError("the disk is full\nmore")) == "CollectorError: the disk is full"
    assert "No space left" in summarize(OSError(28, "No space left on device"))


def test_an_error_is_located_where_it_was_raised() -> None:
    try:
        int("my secret")
    except ValueError as error:
        place = locate(error)

    assert place.startswith("test_trouble.py:")
    assert "secret" not in place


def test_what_other_libraries_log_of_an_error_is_told_the_same_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    others = logging.getLogger("watchpost.tests.others")
    retell(others.name)
    error = CollectorError(f"query: {QUOTING}")
    try:
        raise error
    except CollectorError:
        others.exception(error)
        others.exception("a handler of %s raised", "my secret")
    others.error(error)
    others.error("a plain sentence of %d words", 5)

    told = "unexpected: engine error 72 CANNOT_PARSE_NUMBER at test_trouble.py:"
    *quoting, plain = caplog.records
    assert all(record.getMessage().startswith(told) for record in quoting)
    assert plain.getMessage() == "a plain sentence of 5 words"
    assert "secret" not in caplog.text
