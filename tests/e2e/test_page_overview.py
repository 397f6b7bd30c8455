"""The overview in a real browser: every number on it is the number in the store."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from page_traffic import Sender, describe_call, send_shop
from playwright.sync_api import Page, expect
from running_server import RunningServer

from watchpost_collector.page.figures import (
    format_count,
    format_duration,
    format_money,
    format_share,
)

Browse = Callable[..., Page]

SUMS = """
select count(), countIf(status = 'error'), countIf(blocked), sum(cost),
    countIf(price_state = 'unpriced'), sum(input_tokens), sum(output_tokens),
    quantileOrNull(0.5)(duration_ms), quantileOrNull(0.95)(duration_ms),
    quantileOrNull(0.5)(ttft_ms)
from watchpost.generations where service = '{service}' and {narrowed}
"""


@pytest.fixture(scope="module")
def shop(server: RunningServer) -> str:
    return send_shop(server)


def tile(page: Page, name: str) -> Any:
    return page.locator(f"[data-test=tile-{name}]")


def expect_near(page: Page, server: RunningServer, where: str) -> None:
    """Percentiles out of a rollup: between the neighbouring calls, give or take a percent."""
    [[took, first]] = server.query(
        "select arraySort(groupArray(duration_ms)), arraySort(groupArray(ttft_ms)) "
        f"from watchpost.generations where {where}"
    )
    for name, level, values in (
        ("p50", 0.5, took),
        ("p95", 0.95, took),
        ("first-token", 0.5, first),
    ):
        shown = float(str(tile(page, name).get_attribute("data-value")))
        below = values[int(level * (len(values) - 1))]
        above = values[min(int(level * len(values)) + 1, len(values) - 1)]
        assert below * 0.99 <= shown <= above * 1.01, name


def expect_sums(
    page: Page, server: RunningServer, service: str, narrowed: str = "1", *, hourly: bool = False
) -> int:
    """Every tile against a question asked over the query port; the number of calls."""
    [row] = server.query(SUMS.format(service=service, narrowed=narrowed))
    calls, errors, blocked, cost, unpriced, tokens_in, tokens_out, p50, p95, first = row
    calls, errors = int(calls), int(errors)
    [[tripped]] = server.query(
        "select countIf(tripped) from watchpost.verdicts "
        f"where service = '{service}' and {narrowed}"
    )
    money = None if cost is None else Decimal(str(cost))
    expect(tile(page, "calls")).to_have_text(format_count(calls))
    expect(tile(page, "cost")).to_have_text(format_money(money))
    note = page.locator("[data-test=note-cost]")
    expect(note).to_have_text(re.compile(rf"^{unpriced} calls? unpriced$|^$"))
    expect(tile(page, "input")).to_have_attribute("data-value", str(tokens_in))
    expect(tile(page, "output")).to_have_attribute("data-value", str(tokens_out))
    expect(tile(page, "errors")).to_have_text(format_share(errors, calls))
    if hourly:
        expect_near(page, server, f"service = '{service}' and {narrowed}")
    else:
        expect(tile(page, "p50")).to_have_text(format_duration(p50))
        expect(tile(page, "p95")).to_have_text(format_duration(p95))
        expect(tile(page, "first-token")).to_have_text(format_duration(first))
    expect(tile(page, "tripped")).to_have_text(str(tripped))
    expect(tile(page, "blocked")).to_have_text(str(blocked))
    return calls


def pick(page: Page, name: str, value: str) -> None:
    page.locator(f"label:has([data-test=filter-{name}])").click()
    page.get_by_role("option", name=value, exact=True).click()


def test_the_number_on_every_tile_is_the_number_in_the_store(
    browse: Browse, server: RunningServer, shop: str
) -> None:
    page = browse(f"/?service={shop}")
    assert expect_sums(page, server, shop) == 30


def test_a_filter_narrows_every_tile_and_the_address(
    browse: Browse, server: RunningServer, shop: str
) -> None:
    page = browse(f"/?service={shop}")
    expect(tile(page, "calls")).to_have_text("30")
    pick(page, "model", "gpt-4o-mini")
    assert expect_sums(page, server, shop, "model = 'gpt-4o-mini'") == 10
    pick(page, "prompt", "answer")
    narrowed = "model = 'gpt-4o-mini' and prompt_name = 'answer'"
    assert expect_sums(page, server, shop, narrowed) == 5
    expect(page).to_have_url(re.compile(r"model=gpt-4o-mini&prompt=answer"))


def test_an_address_with_filters_opens_as_it_was_left(
    browse: Browse, server: RunningServer, shop: str
) -> None:
    page = browse(f"/?service={shop}&model=homegrown-1&range=14d")
    assert expect_sums(page, server, shop, "model = 'homegrown-1'", hourly=True) == 10
    expect(page.locator("[data-test=range-14d]")).to_have_class("here")


def test_a_shorter_range_leaves_out_what_is_older(browse: Browse, shop: str) -> None:
    page = browse(f"/?service={shop}")
    expect(tile(page, "calls")).to_have_text("30")
    page.locator("[data-test=range-1h]").click()
    expect(tile(page, "calls")).to_have_text("3")
    page.locator("[data-test=range-all]").click()
    expect(tile(page, "calls")).to_have_text("30")


def test_nothing_in_the_range_is_said_and_is_no_zero_latency(browse: Browse, shop: str) -> None:
    page = browse(f"/?service={shop}&model=nobody")
    expect(tile(page, "calls")).to_have_text("0")
    expect(tile(page, "p95")).to_have_text("–")  # noqa: RUF001
    expect(tile(page, "cost")).to_have_text("–")  # noqa: RUF001
    expect(page.get_by_text("No call in this range.").first).to_be_visible()


def test_the_tables_hold_a_row_for_each_model_and_prompt_version(
    browse: Browse, server: RunningServer, shop: str
) -> None:
    page = browse(f"/?service={shop}")
    rows = page.locator("[data-test=table-model] tbody tr")
    expect(rows).to_have_count(3)
    for model, calls in server.query(
        f"select model, count() from watchpost.generations where service = '{shop}' group by model"
    ):
        row = rows.filter(has_text=model)
        expect(row.locator("td").nth(1)).to_have_text(str(calls))
    expect(page.locator("[data-test=table-prompt] tbody tr")).to_have_count(6)
    guard = page.locator("[data-test=table-guard] tbody tr")
    expect(guard).to_have_count(1)
    expect(guard.locator("td").nth(2)).to_have_text("EMAIL_ADDRESS 5")
    expect(guard.locator("td").nth(3)).to_have_text("30")


def test_every_chart_is_drawn(browse: Browse, shop: str) -> None:
    page = browse(f"/?service={shop}")
    expect(tile(page, "calls")).to_have_text("30")
    for name in ("cost", "calls", "latency", "tokens"):
        canvas = page.locator(f"[data-test=chart-{name}-over-time] canvas").first
        expect(canvas).to_be_visible()
        painted = """canvas => {
            const {width, height} = canvas;
            const image = canvas.getContext('2d').getImageData(0, 0, width, height);
            return new Set(new Uint32Array(image.data.buffer)).size;
        }"""
        assert canvas.evaluate(painted) > 3


def test_what_arrives_while_one_looks_is_shown_without_a_click(
    browse: Browse, server: RunningServer
) -> None:
    sender = Sender(server)
    sender.add(b"\x01" * 16, "first", describe_call(0))
    sender.send()
    page = browse(f"/?service={sender.service}")
    expect(tile(page, "calls")).to_have_text("1")
    sender.add(b"\x02" * 16, "second", describe_call(1))
    sender.send()
    expect(tile(page, "calls")).to_have_text("2")


def test_dark_and_light_are_remembered(browse: Browse, shop: str) -> None:
    page = browse(f"/?service={shop}")
    expect(page.locator("body.body--light")).to_be_attached()
    page.locator("[data-test=theme]").click()
    expect(page.locator("body.body--dark")).to_be_attached()
    page.reload()
    expect(page.locator("body.body--dark")).to_be_attached()
