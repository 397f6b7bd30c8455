from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from price_cases import land_call, make_price
from store_segments import name_segment

from watchpost.errors import CollectorError
from watchpost.serving.keys import parse_keys
from watchpost_collector.context import Context
from watchpost_collector.price_routes import PRICES_PREFIX, answer_prices
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.table import add_prices

READ, ADMIN = "read-secret-of-a-team", "admin-secret-of-all"


class Asker:
    """Asks the routes as ASGI does, with a key."""

    def __init__(self, store: Store) -> None:
        self.project = name_segment("routes")
        keys = parse_keys(f"read@{self.project}:{READ},admin:{ADMIN}")
        context = SimpleNamespace(keys=keys, store=SimpleNamespace(prices=PriceBook(store)))
        self.context = cast("Context", context)

    async def ask(
        self, method: str, path: str, key: str, body: bytes = b"", query: str = ""
    ) -> tuple[int, dict[str, Any]]:
        scope = {
            "method": method,
            "path": PRICES_PREFIX + path,
            "headers": [(b"authorization", f"Bearer {key}".encode())],
            "query_string": query.encode(),
        }
        answers: list[tuple[int, dict[str, Any]]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_json(status: int, answer: Any) -> None:
            json.dumps(answer)
            answers.append((status, dict(answer)))

        await answer_prices(self.context, scope, receive, send_json)
        [answered] = answers
        return answered


@pytest.fixture
def asker(store: Store) -> Asker:
    return Asker(store)


@pytest.mark.parametrize("path", ["/own", "/update", "/backfill"])
async def test_what_changes_a_price_takes_an_admin_key(asker: Asker, path: str) -> None:
    for key in (READ, "nobody's-secret-at-all"):
        status, answer = await asker.ask("POST", path, key, b"{}")
        assert (status, answer) == (401, {"error": "an admin key is needed"})


async def test_a_read_key_has_its_own_projects_calls_explained_and_no_others(
    asker: Asker, store: Store
) -> None:
    trace = name_segment()[-12:] + "0" * 20
    land_call(store, trace_id=trace)

    theirs = await asker.ask("GET", "/explain", READ, query=f"trace={trace}")
    ours = await asker.ask("GET", "/explain", ADMIN, query=f"trace={trace}")

    assert theirs == (200, {"calls": []})
    assert len(ours[1]["calls"]) == 1


async def test_a_read_key_is_not_told_of_other_projects_models(asker: Asker, store: Store) -> None:
    model = name_segment("secret-model")
    add_prices(store, [make_price(model, "1")])
    land_call(store, gen_ai__request__model=model)
    assert model in json.dumps((await asker.ask("GET", "", ADMIN))[1])

    status, answer = await asker.ask("GET", "", READ)

    assert status == 200
    assert model not in json.dumps(answer)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/own", b"models: 7", "prices:1"),
        ("/own", b"\xff", "UTF-8"),
        ("/own", b"#" * 2_000_000, "send 1,048,576 at most"),
        ("/update", b"{}", "format of genai-prices"),
        ("/backfill", b'{"untill": "2026"}', "since, until"),
        ("/backfill", b'{"since": "yesterday"}', "2026-01-31T12:00"),
        ("/backfill", b'{"model": 7}', "send a text"),
    ],
)
async def test_what_is_wrong_is_refused_and_said(
    asker: Asker, path: str, body: bytes, told: str
) -> None:
    status, answer = await asker.ask("POST", path, ADMIN, body)

    assert status == 400
    assert told in answer["error"]


async def test_other_paths_and_methods_are_refused(asker: Asker) -> None:
    assert (await asker.ask("GET", "/nothing", ADMIN))[0] == 404
    assert (await asker.ask("GET", "/own", ADMIN))[0] == 405
    assert (await asker.ask("GET", "/explain", ADMIN))[0] == 400


async def test_a_store_that_is_away_is_said_so(asker: Asker) -> None:
    class Away:
        keys = asker.context.keys

        @property
        def store(self) -> None:
            raise CollectorError("the store is loading", "try again in a moment")

    asker.context = cast("Context", Away())

    assert (await asker.ask("GET", "", ADMIN))[0] == 503
