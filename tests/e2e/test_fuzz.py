"""A small `make fuzz`: a few hundred mutations for each parser, and what was accepted is stored."""

from __future__ import annotations

from contextlib import ExitStack

from fuzz.bench import fuzz
from fuzz.engine import list_engine_parsers, store_accepted
from fuzz.parsers import list_parsers

from watchpost_collector.intake.admission import Admission
from watchpost_collector.store.client import Store


def test_no_parser_raises_anything_but_our_errors_and_what_is_accepted_is_stored(
    store: Store,
) -> None:
    accepted: list[Admission] = []
    with ExitStack() as opened:
        parsers = [*list_parsers(accepted), *list_engine_parsers(store, opened)]
        found = [fuzz(parser, seconds=3, seed=20260, most=300) for parser in parsers]

    assert {one.name: one.wrong for one in found if one.wrong} == {}
    assert all(one.inputs for one in found)
    assert accepted
    assert store_accepted(store, accepted[:100]) == []
