"""Before the first trace the page says how to send one, and then shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from page_traffic import Sender, describe_call
from playwright.sync_api import Page, expect
from running_server import RunningServer

Browse = Callable[..., Page]


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("fresh") / "data") as running:
        yield running


def test_an_empty_store_says_how_to_send_the_first_trace_and_then_shows_it(
    fresh: RunningServer, browse: Browse
) -> None:
    overview = browse("/", base=fresh.page_url)
    snippet = overview.locator("[data-test=empty-python]")
    expect(snippet).to_contain_text(f'endpoint="{fresh.page_url}"')
    expect(overview.locator("[data-test=filters]")).to_be_hidden()
    traces = browse("/traces", base=fresh.page_url)
    expect(traces.locator("[data-test=empty-environment]")).to_contain_text(fresh.page_url)
    sender = Sender(fresh)
    sender.add(b"\x07" * 16, "the first", describe_call(0))
    sender.send()
    expect(overview.locator("[data-test=tile-calls]")).to_have_text("1")
    expect(traces.locator("[data-test=trace-row]")).to_have_count(1)
    expect(snippet).to_be_hidden()


def test_the_snippet_is_python_that_compiles() -> None:
    from watchpost_collector.page.empty import PYTHON

    compile(PYTHON.format(url="http://127.0.0.1:4318", key=""), "snippet", "exec")
