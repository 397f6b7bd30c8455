"""What the SDK says a call cost and what the store makes of it: one sum, worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from cost_cases import ANTHROPIC, OPENAI, Cost
from family_costs import COHERE, GOOGLE, MISTRAL, OLLAMA
from known_calls import PlainSpan
from store_segments import name_segment, pack_segment

from watchpost.accounting import settle
from watchpost.providers import find_by_chunk, find_by_result, openai_speech
from watchpost.record import Generation, Result, to_attributes
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.explanation import explain

# The list knows the prices of tiers since October 2026.
NOON_NS = 1_795_000_000 * 1_000_000_000
CASES = [
    case
    for case in (*OPENAI, *ANTHROPIC, *GOOGLE, *MISTRAL, *COHERE, *OLLAMA)
    if not case.prices and case.source == "provider"
]


def read(case: Cost) -> Generation:
    found = find_by_chunk(case.chunks[0]) if case.chunks else find_by_result(case.answer)
    assert found is not None
    result = found.read_stream(case.chunks) if case.chunks else found.read_result(case.answer)
    return Generation(
        operation=found.operation,
        provider=case.provider or found.name,
        request=found.read_request(case.asked),
        result=result,
    )


def speak(model: str, text: str, *, answered: bool = True) -> Generation:
    """A text that was read out, as the SDK reads it."""
    return Generation(
        operation="generate_content",
        provider="openai",
        request=openai_speech.read_request({"model": model, "input": text}),
        result=openai_speech.read_result({}) if answered else Result(),
    )


def span_of(number: int, generation: Generation) -> PlainSpan:
    settled = settle(generation, {}, NOON_NS)
    attributes = to_attributes(settled, content=False)
    trace_id = f"{number + 1:032x}"
    return PlainSpan(
        "call", attributes, trace_id[16:], "", trace_id, NOON_NS, NOON_NS + 10**9, scope="watchpost"
    )


@pytest.fixture(scope="module")
def project(store: Store) -> str:
    """Every case, and two texts read out, in one segment; the project they are in."""
    book = PriceBook(store)
    book.load_packaged()
    name = name_segment("agree")
    generations = [
        *map(read, CASES),
        speak("tts-1", "a" * 1000),
        speak("tts-1-hd", "a" * 1000),
        speak("tts-1", "never answered", answered=False),
    ]
    spans = [span_of(number, generation) for number, generation in enumerate(generations)]
    store.insert_segment(pack_segment(name, spans, name), name)
    book.resolve(name)
    return name


@pytest.fixture(scope="module")
def costs(store: Store, project: str) -> Mapping[int, tuple[Decimal | None, Decimal | None]]:
    """What the store made of each case and what the SDK said, by the number of the case."""
    rows = store.query(
        "select trace_id, cost, cost_reported from watchpost.generations "
        "where project = {p:String}",
        {"p": project},
    )
    return {int(trace, 16) - 1: (cost, said) for trace, cost, said in rows}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_the_store_makes_of_a_call_the_sum_that_the_sdk_said(
    costs: Mapping[int, tuple[Decimal | None, Decimal | None]], number: int
) -> None:
    usd = CASES[number].usd

    assert costs[number] == (usd, usd)


def test_speech_is_paid_by_the_character(
    costs: Mapping[int, tuple[Decimal | None, Decimal | None]],
) -> None:
    # 1,000 characters at 15 and at 30 dollars a million.
    assert costs[len(CASES)] == (Decimal("0.015"), Decimal("0.015"))
    assert costs[len(CASES) + 1] == (Decimal("0.03"), Decimal("0.03"))


def test_speech_of_which_nobody_told_the_characters_has_no_cost(
    costs: Mapping[int, tuple[Decimal | None, Decimal | None]],
) -> None:
    assert costs[len(CASES) + 2] == (None, None)


def test_every_sum_is_explained_line_by_line(store: Store, project: str) -> None:
    traces = store.query(
        "select trace_id from watchpost.generations where project = {p:String}", {"p": project}
    )
    found = [one for (trace,) in traces.rows for one in explain(store, trace, project=project)]

    assert [one for one in found if not one.agrees] == []
    assert any(line.told == "characters spoken" for one in found for line in one.lines)
    assert any(line.told.startswith("audio tokens read") for one in found for line in one.lines)
