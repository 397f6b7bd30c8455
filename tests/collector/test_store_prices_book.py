from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from price_cases import DAY, land_call, make_price, price_of
from store_segments import make_call, name_segment, pack_segment

from watchpost.errors import ConfigError
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.public_list import SOURCE, packaged_list
from watchpost_collector.store.prices.table import KeptList, add_prices, keep_list

# By 100 tokens in and 10 out.
AT_7_AND_11 = Decimal("0.00081")


@pytest.fixture
def book(store: Store) -> PriceBook:
    found = PriceBook(store)
    found.load_packaged()
    return found


def own(model: str, rates: str = "input: 7, output: 11", **more: str) -> str:
    told = "".join(f", {key}: {value}" for key, value in more.items())
    return f"models: [{{model: {model}, {rates}{told}}}]"


def test_the_public_list_is_loaded_once_a_version(store: Store, book: PriceBook) -> None:
    assert book.load_packaged() == 0
    assert PriceBook(store).load_packaged() == 0


def test_a_dated_alias_is_resolved_once_and_its_stored_calls_priced(
    store: Store, book: PriceBook
) -> None:
    model = "claude-sonnet-4-5-20991231"
    attributes = {"gen_ai__provider__name": "anthropic", "gen_ai__request__model": model}
    project = land_call(store, **attributes)
    assert price_of(store, project) == (None, "unpriced", "")

    assert (book.resolve(project), book.resolve(project)) == (1, 0)

    # 100 x 3 + 10 x 15
    assert price_of(store, project)[:2] == (Decimal("0.00045"), "priced")
    later = land_call(store, **attributes)
    assert price_of(store, later)[0] == Decimal("0.00045")


def test_prices_that_come_back_after_others_are_in_force_again(
    store: Store, book: PriceBook
) -> None:
    model = name_segment("model")
    first, second = (
        own(model, f"input: {dollars}, output: {dollars}", provider="openai") for dollars in (1, 2)
    )

    versions = [book.load_own(text).version for text in (first, second, first)]

    assert versions[0] == versions[2] != versions[1]
    assert PriceBook(store).own == book.own
    assert price_of(store, land_call(store, gen_ai__request__model=model))[0] == Decimal("0.00011")


def test_a_persons_price_goes_before_a_list_from_its_day_on(store: Store, book: PriceBook) -> None:
    model = name_segment("model")
    add_prices(store, [make_price(model, "1")])
    book.load_own(own(model, provider="openai", valid_from="2026-09-21"))

    costs = [
        price_of(store, land_call(store, gen_ai__request__model=model, start_ms=day * 86_400_000))
        for day in (-1, 0)
    ]

    assert [cost[:2] for cost in costs] == [
        (Decimal("0.00011"), "priced"),
        (AT_7_AND_11, "overridden"),
    ]


def test_a_newer_price_list_does_not_touch_a_persons_price(store: Store, book: PriceBook) -> None:
    model = name_segment("model")
    book.load_own(own(model, provider="openai"))
    add_prices(store, [make_price(model, "2", source="a newer list")])

    project = land_call(store, gen_ai__request__model=model)

    assert price_of(store, project)[:2] == (AT_7_AND_11, "overridden")


def test_a_persons_file_takes_the_place_of_the_one_before(store: Store, book: PriceBook) -> None:
    kept, dropped = name_segment("model"), name_segment("model")
    book.load_own(f"{own(kept, provider='openai')[:-1]}, {{model: {dropped}, input: 1}}]")
    assert book.load_own(own(kept, "input: 1")).known is False

    assert price_of(store, land_call(store, gen_ai__request__model=dropped))[1] == "unpriced"
    assert book.load_own(own(kept, "input: 1")).known


def test_loading_prices_the_calls_that_had_none_and_leaves_the_others(
    store: Store, book: PriceBook
) -> None:
    listed, unknown = name_segment("model"), name_segment("model")
    add_prices(store, [make_price(listed, "1")])
    projects = [land_call(store, gen_ai__request__model=model) for model in (listed, unknown)]

    loaded = book.load_own(
        f"models: [{{model: {listed}, input: 7}}, {{model: {unknown}, input: 7}}]"
    )

    assert loaded.priced_anew == 1
    assert [price_of(store, project)[:2] for project in projects] == [
        (Decimal("0.00011"), "priced"),
        (Decimal("0.0007"), "overridden"),
    ]


def test_a_pattern_prices_a_model_when_it_is_first_seen_also_after_a_restart(
    store: Store, book: PriceBook
) -> None:
    stem = name_segment("family")
    book.load_own(f'models: [{{match: "{stem}-*", input: 7, output: 11}}]')
    restarted = PriceBook(store)

    project = land_call(store, gen_ai__request__model=f"{stem}-LARGE")
    restarted.resolve(project)

    assert price_of(store, project)[:2] == (AT_7_AND_11, "overridden")
    known = land_call(store, gen_ai__request__model=f"{stem}-large")
    assert price_of(store, known)[:2] == (AT_7_AND_11, "overridden")


def test_a_model_without_a_price_is_found_and_counted(store: Store, book: PriceBook) -> None:
    model, segment = name_segment("nobody-knows"), name_segment()
    now_ms = store.query("select toUnixTimestamp64Milli(now64(3))").rows[0][0]
    start_ms = now_ms - 1_790_000_000_000_000_000 // 3_600_000_000_000 * 3_600_000
    span = make_call(gen_ai__request__model=model, start_ms=start_ms)
    store.insert_segment(pack_segment(segment, [span], segment), segment)

    found = {(one.provider, one.model): one.calls for one in book.find_unpriced()}

    assert found["openai", model] == 1


@pytest.fixture
def _packaged_after(store: Store, book: PriceBook) -> Iterator[None]:
    """The packaged list in force again for whoever comes next, who finds it known: so it is."""
    del book
    yield
    keep_list(store, SOURCE, KeptList(packaged_list().version, ""))


def write_list(**models: dict[str, Any]) -> str:
    """A price list in the format of genai-prices, with one provider."""
    listed = [
        {
            "id": name.replace("_", "-"),
            "match": {"equals": name.replace("_", "-")},
            "prices": prices,
        }
        for name, prices in models.items()
    ]
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": listed}
    return json.dumps([provider])


@pytest.mark.usefixtures("_packaged_after")
def test_an_update_says_what_it_changes_and_prices_what_comes_after(store: Store) -> None:
    book = PriceBook(store)
    stem = name_segment("m").replace("-", "")
    project = land_call(store, gen_ai__request__model=f"{stem}-new")
    book.update(
        write_list(**{f"{stem}_old": {"input_mtok": 1}, f"{stem}_a": {"input_mtok": 1}}), DAY
    )
    early = land_call(store, gen_ai__request__model=f"{stem}-a")

    text = write_list(**{f"{stem}_a": {"input_mtok": 3}, f"{stem}_new": {"input_mtok": 7}})
    updated = book.update(text, DAY)

    assert updated.changed == (f"openai/{stem}-a",)
    assert updated.added == (f"openai/{stem}-new",)
    assert updated.removed == (f"openai/{stem}-old",)
    assert updated.priced_anew == 1
    assert price_of(store, project)[0] == Decimal("0.0007")
    # What was priced keeps its price; what comes after has the new one; a dropped model its old.
    assert price_of(store, early)[0] == Decimal("0.0001")
    models = (f"{stem}-a", f"{stem}-old")
    later = [price_of(store, land_call(store, gen_ai__request__model=name))[0] for name in models]
    assert later == [Decimal("0.0003"), Decimal("0.0001")]
    assert book.update(text, date(2026, 12, 1)).known
    assert PriceBook(store).public.version == updated.version


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"id": "x"}]', "not json", "[" * 5000])
def test_what_is_no_price_list_is_refused(store: Store, text: str) -> None:
    with pytest.raises(ConfigError, match="format of genai-prices"):
        PriceBook(store).update(text, DAY)
