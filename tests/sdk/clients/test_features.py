"""What the documents say is tested of every client is what the tests say they show."""

from __future__ import annotations

import pytest
from provider_features import DOCUMENT, FEATURES, MARKS, collect, draw, shows


def test_the_tables_of_the_clients_are_those_the_tests_make() -> None:
    (tables,) = MARKS.finditer(DOCUMENT.read_text())
    told = tables[0].removeprefix(tables[1]).removesuffix(tables[2])
    assert told == draw(), "PYTHONPATH=tests python -m provider_features writes them"


def test_every_feature_is_shown_by_something_that_pytest_runs() -> None:
    shown = collect()
    assert {feature for feature, _ in shown} == set(FEATURES)
    assert all(name.startswith("test_") for tests in shown.values() for name in tests)


def test_a_feature_nobody_named_is_refused() -> None:
    with pytest.raises(KeyError):
        shows("telepathy", of=["openai chat"])(test_a_feature_nobody_named_is_refused)
