from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest
from price_cases import land_call, make_price, price_of
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.table import add_prices

SONNET = {
    "gen_ai__provider__name": "anthropic",
    "gen_ai__request__model": "claude-sonnet-4-5",
}
USED_IN, USED_OUT = "gen_ai__usage__input_tokens", "gen_ai__usage__output_tokens"

OWN = """
models:
  - model: case-tiers
    input: 1
    output: 2
    above:
      - tokens: 1000
        input: 10
      - tokens: 10000
        input: 100
        output: 200
      - tokens: 100000
        input: 1000
    tiers:
      batch: {discount: 50%}
      priority: {input: 4}
  - model: case-media
    input: 1
    output: 2
    audio_input: 10
    audio_output: 20
    image_input: 5
    image_output: 50
    reasoning: 3
    per_search: 0.01
  - {model: case-image, per_image: 0.04}
  - {model: case-second, per_second: 0.0001}
  - {model: case-request, per_request: 0.005, output: 1}
  - model: case-own-gpu
    gpu: {per_hour: 2.50, gpus: 2, concurrency: 8}
"""


Case = tuple[dict[str, Any], str]


def _own(model: str, attributes: dict[str, Any], dollars: str) -> Case:
    return {**attributes, "gen_ai__request__model": model}, dollars


# Worked out by hand from the providers' price pages, USD per million tokens.
FROM_PRICE_PAGES: tuple[Case, ...] = (
    # 1,000,000 x 2.50 + 100,000 x 10
    ({USED_IN: 1_000_000, USED_OUT: 100_000}, "3.5"),
    # 600 x 2.50 + 400 x 1.25 + 50 x 10
    (
        {USED_IN: 1000, "gen_ai__usage__cache_read__input_tokens": 400, USED_OUT: 50},
        "0.0025",
    ),
    # 100 x 3 + 500 x 0.30 + 300 x 3.75 (five minutes) + 100 x 6 (an hour) + 10 x 15
    (
        {
            **SONNET,
            USED_IN: 1000,
            "gen_ai__usage__cache_read__input_tokens": 500,
            "gen_ai__usage__cache_write__input_tokens": 400,
            "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": 100,
            USED_OUT: 10,
        },
        "0.002325",
    ),
    # Over 200,000 tokens the long rates are paid for all of them: 300,000 x 6 + 1,000 x 22.50
    ({**SONNET, USED_IN: 300_000, USED_OUT: 1000}, "1.8225"),
)
# By hand from the file above.
FROM_OWN_FILE: tuple[Case, ...] = (
    # Every size of context, on its edge and over it: all tokens pay the rate reached.
    _own("case-tiers", {USED_IN: 1000, USED_OUT: 10}, "0.00102"),
    _own("case-tiers", {USED_IN: 1001, USED_OUT: 10}, "0.01003"),
    _own("case-tiers", {USED_IN: 10_001, USED_OUT: 10}, "1.0021"),
    _own("case-tiers", {USED_IN: 100_001, USED_OUT: 10}, "100.003"),
    # Half of it in a batch, said in either way, also for a large context.
    _own("case-tiers", {"openai__response__service_tier": "batch"}, "0.00006"),
    _own("case-tiers", {"watchpost__batch": True}, "0.00006"),
    _own("case-tiers", {"watchpost__batch": True, USED_IN: 10_001, USED_OUT: 10}, "0.50105"),
    # Priority: 100 x 4 + 10 x 2; a tier nobody priced pays the standard.
    _own("case-tiers", {"openai__response__service_tier": "Priority"}, "0.00042"),
    _own("case-tiers", {"openai__response__service_tier": "scale"}, "0.00012"),
    # 60 x 1 + 30 x 10 + 10 x 5, 4 x 2 + 3 x 3 + 2 x 20 + 1 x 50, and two searches
    _own(
        "case-media",
        {
            "gen_ai__usage__audio__input_tokens": 30,
            "gen_ai__usage__image__input_tokens": 10,
            "gen_ai__usage__reasoning__output_tokens": 3,
            "gen_ai__usage__audio__output_tokens": 2,
            "gen_ai__usage__image__output_tokens": 1,
            "gen_ai__usage__web_search_requests": 2,
        },
        "0.020517",
    ),
    _own("case-image", {"usage": False, "watchpost__usage__images": 3}, "0.12"),
    _own("case-second", {"usage": False, "watchpost__usage__seconds": 12.5}, "0.00125"),
    _own("case-request", {}, "0.00501"),
    # 3.6 s of an eighth of two GPUs at 2.50 an hour
    _own("case-own-gpu", {"usage": False, "lasts_ms": 3600}, "0.000625"),
    _own("case-own-gpu", {"lasts_ms": 3_600_000}, "0.625"),
)


@pytest.fixture(scope="module", autouse=True)
def book(store: Store) -> PriceBook:
    """The price book with the public list and the file above."""
    found = PriceBook(store)
    found.load_packaged()
    found.load_own(OWN)
    return found


@pytest.fixture(scope="module")
def costs(store: Store, book: PriceBook) -> dict[str, tuple[Decimal | None, str, str]]:
    """Cost, state and source of every case by its span id, landed in one segment."""
    project = name_segment("cases")
    spans = [make_call(name_case(case), **case[0]) for case in (*FROM_PRICE_PAGES, *FROM_OWN_FILE)]
    store.insert_segment(pack_segment(project, spans, project), project)
    book.resolve(project)
    rows = store.query(
        "select span_id, cost, price_state, price_source from watchpost.generations "
        "where project = {p:String}",
        {"p": project},
    )
    return {span: (cost, state, source) for span, cost, state, source in rows}


def name_case(case: Case) -> str:
    return hashlib.sha256(repr(case).encode()).hexdigest()[:16]


@pytest.mark.parametrize("case", FROM_PRICE_PAGES, ids=name_case)
def test_a_call_costs_what_the_price_page_says(
    case: Case, costs: dict[str, tuple[Decimal | None, str, str]]
) -> None:
    cost, state, source = costs[name_case(case)]

    assert (cost, state) == (Decimal(case[1]), "priced")
    assert source == f"genai-prices {version('genai-prices')}"


@pytest.mark.parametrize("case", FROM_OWN_FILE, ids=name_case)
def test_a_call_costs_what_a_persons_file_says(
    case: Case, costs: dict[str, tuple[Decimal | None, str, str]], book: PriceBook
) -> None:
    cost, state, source = costs[name_case(case)]

    assert (cost, state) == (Decimal(case[1]), "overridden")
    assert book.own is not None
    assert source == f"override {book.own.version}"


def test_a_call_without_usage_has_no_cost_where_the_price_asks_for_tokens(store: Store) -> None:
    assert price_of(store, land_call(store, usage=False))[0] is None
    request = land_call(store, usage=False, gen_ai__request__model="case-request")
    PriceBook(store).resolve(request)
    assert price_of(store, request)[0] is None


def test_what_a_guard_blocked_kept_no_gpu_busy(store: Store) -> None:
    project = land_call(
        store, usage=False, gen_ai__request__model="case-own-gpu", watchpost__blocked=True
    )
    PriceBook(store).resolve(project)
    assert price_of(store, project)[0] is None


def test_details_that_contradict_the_whole_never_make_a_cost_negative(store: Store) -> None:
    used = {"gen_ai__usage__audio__output_tokens": 500, "gen_ai__usage__audio__input_tokens": 500}
    project = land_call(store, gen_ai__request__model="case-media", **used)
    PriceBook(store).resolve(project)
    assert price_of(store, project)[0] == Decimal("0.015")


def test_hostile_counts_are_bounded_and_stored(store: Store) -> None:
    used = {USED_IN: 2**63 - 1, USED_OUT: "1e300", "watchpost__usage__images": "nan"}
    project = land_call(store, gen_ai__request__model="gpt-4o", **used)
    # A thousand million tokens each: 1,000 x 2.50 + 1,000 x 10
    assert price_of(store, project)[0] == Decimal(12_500)


def test_a_model_nobody_knows_is_unpriced_and_never_free(store: Store) -> None:
    project = land_call(store, gen_ai__request__model="no-such-model")

    assert PriceBook(store).resolve(project) == 0
    assert price_of(store, project) == (None, "unpriced", "")


def test_the_price_of_the_day_of_the_call_counts(store: Store) -> None:
    model = name_segment("model")
    add_prices(store, [make_price(model, "1"), make_price(model, "100", day=date(2026, 9, 22))])

    costs = [
        price_of(store, land_call(store, gen_ai__request__model=model, start_ms=day * 86_400_000))
        for day in (0, 1)
    ]

    assert [cost for cost, _, _ in costs] == [Decimal("0.00011"), Decimal("0.011")]


def test_of_two_lists_that_know_a_model_the_newer_prices_it(store: Store) -> None:
    model = name_segment("model")
    # The older one has a row of a later day, which the newer one took back.
    add_prices(store, [make_price(model, "1"), make_price(model, "50", day=date(2026, 1, 1))])
    add_prices(store, [make_price(model, "2", source="a newer list")])

    project = land_call(store, gen_ai__request__model=model)

    assert price_of(store, project) == (Decimal("0.00022"), "priced", "a newer list 1")
