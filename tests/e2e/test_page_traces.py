"""From the list to one trace to its messages, in a real browser."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable

import pytest
from page_traffic import Sender, describe_call, send_shop
from playwright.sync_api import Page, expect
from running_server import RunningServer

Browse = Callable[..., Page]

INPUT = [
    {"role": "system", "parts": [{"type": "text", "content": "Answer in one word."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Which planet has the Great Spot?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"q": "spot"}}],
    },
    {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "c1", "result": {"planet": "Jupiter"}}],
    },
]
OUTPUT = [{"role": "assistant", "parts": [{"type": "text", "content": "Jupiter."}]}]


@pytest.fixture(scope="module")
def shop(server: RunningServer) -> str:
    return send_shop(server, traces=60)


@pytest.fixture(scope="module")
def conversation(server: RunningServer) -> tuple[str, str]:
    """A service and a trace: agent, tool, call with messages, failed call."""
    sender, trace = Sender(server), uuid.uuid4().bytes
    root = sender.add(trace, "plan a trip", {"watchpost.kind": "agent"}, duration_ms=4000)
    sender.add(
        trace,
        "look_up",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "look_up",
            "gen_ai.tool.call.arguments": '{"q": "spot"}',
        },
        parent=root,
        minutes_ago=4.99,
        duration_ms=300,
    )
    call = describe_call(1) | {
        "gen_ai.input.messages": json.dumps(INPUT),
        "gen_ai.output.messages": json.dumps(OUTPUT),
        "custom.colour": "teal",
    }
    verdict = {
        "watchpost.guard.name": "pii",
        "watchpost.guard.label": "PERSON",
        "watchpost.guard.direction": "output",
        "watchpost.guard.action": "flag",
        "watchpost.guard.tripped": True,
        "watchpost.guard.probability": 0.875,
        "watchpost.guard.threshold": 0.5,
    }
    sender.add(
        trace,
        "ask the model",
        call,
        parent=root,
        minutes_ago=4.98,
        duration_ms=1500,
        events=(("watchpost.guard.verdict", verdict), ("cache.miss", {"tier": "second"})),
    )
    sender.add(
        trace,
        "ask again",
        describe_call(3) | {"error.type": "RateLimitError"},
        parent=root,
        minutes_ago=4.95,
        duration_ms=700,
        error="slow down",
    )
    sender.send()
    return sender.service, trace.hex()


def rows(page: Page) -> object:
    return page.locator("[data-test=trace-row]")


def pick(page: Page, name: str, value: str) -> None:
    page.locator(f"label:has([data-test=filter-{name}])").click()
    page.get_by_role("option", name=value, exact=True).click()


def test_the_newest_trace_is_first_and_the_rest_are_on_the_next_page(
    browse: Browse, server: RunningServer, shop: str
) -> None:
    page = browse(f"/traces?service={shop}")
    expect(rows(page)).to_have_count(50)
    order = server.query(
        "select trace_id from watchpost.spans "
        f"where service = '{shop}' group by trace_id order by min(start) desc"
    )
    shown = [row.get_attribute("data-trace") for row in rows(page).all()]
    assert shown == [trace_id for [trace_id] in order[:50]]
    page.locator("[data-test=older]").click()
    expect(rows(page)).to_have_count(10)
    expect(page.locator("[data-test=pager]")).to_have_text("51 to 60")
    expect(page.locator("[data-test=older]")).to_be_disabled()
    page.locator("[data-test=newer]").click()
    expect(page.locator("[data-test=pager]")).to_have_text("1 to 50")


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("model=gpt-4o-mini", "model = 'gpt-4o-mini'"),
        ("prompt=answer&version=2", "prompt_name = 'answer' and prompt_version = '2'"),
        ("status=error", "status = 'error'"),
        ("status=ok", "status = 'ok'"),
        ("status=blocked", "blocked"),
        ("user=user-3", "user_id = 'user-3'"),
        ("session=session-6", "session_id = 'session-6'"),
        (
            "guard=pii",
            "trace_id in (select trace_id from watchpost.verdicts where guard = 'pii' and tripped)",
        ),
    ],
)
def test_a_filter_leaves_the_traces_that_fit(
    browse: Browse, server: RunningServer, shop: str, query: str, where: str
) -> None:
    fitting = server.query(
        f"select distinct trace_id from watchpost.generations where service = '{shop}' and {where}"
    )
    assert 0 < len(fitting) < 60
    page = browse(f"/traces?service={shop}&{query}")
    expect(rows(page)).to_have_count(min(len(fitting), 50))
    shown = {row.get_attribute("data-trace") for row in rows(page).all()}
    assert shown <= {trace_id for [trace_id] in fitting}


def test_a_trace_is_found_by_words_in_its_messages(
    browse: Browse, conversation: tuple[str, str]
) -> None:
    service, trace_id = conversation
    page = browse(f"/traces?service={service}&text=great+spot")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_have_attribute("data-trace", trace_id)
    search = page.locator("[data-test=filter-text]")
    search.fill("no such words 100%_'\\")
    search.press("Enter")
    expect(page.get_by_text("No trace here.")).to_be_visible()


def test_from_the_list_to_the_trace_to_its_messages(
    browse: Browse, conversation: tuple[str, str]
) -> None:
    service, trace_id = conversation
    page = browse(f"/traces?service={service}")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="plan a trip").click()
    expect(page).to_have_url(re.compile(f"/trace/{trace_id}"))
    expect(page.locator("[data-test=trace-name]")).to_have_text("plan a trip")
    expect(page.locator("[data-test=span-row]")).to_have_count(4)
    expect(page.locator("[data-test=span-name]")).to_have_text("ask the model")
    turns = page.locator("[data-test=input-messages] [data-test=turn]")
    expect(turns).to_have_count(4)
    expect(turns.nth(0)).to_contain_text("Answer in one word.")
    expect(turns.nth(1)).to_contain_text("Which planet has the Great Spot?")
    expect(turns.nth(2)).to_contain_text("look_up")
    expect(turns.nth(3)).to_contain_text("Jupiter")
    expect(page.locator("[data-test=output-messages]")).to_contain_text("Jupiter.")


def test_a_span_shows_what_is_known_of_it(browse: Browse, conversation: tuple[str, str]) -> None:
    page = browse(f"/trace/{conversation[1]}")
    fact = "[data-test=call-{}]"
    expect(page.locator(fact.format("model"))).to_have_text("claude-3-5-haiku-20241022")
    expect(page.locator(fact.format("input"))).to_have_text("1,037")
    expect(page.locator(fact.format("output"))).to_have_text("111")
    expect(page.locator(fact.format("prompt"))).to_have_text("answer")
    expect(page.locator(fact.format("version"))).to_have_text("2")
    expect(page.locator(fact.format("session"))).to_have_text("session-1")
    expect(page.locator(fact.format("user"))).to_have_text("user-1")
    verdict = page.locator("[data-test=verdicts] tbody tr")
    expect(verdict).to_contain_text("PERSON")
    expect(verdict).to_contain_text("0.875")
    expect(page.locator("[data-test=attributes]")).to_contain_text("teal")
    expect(page.locator("[data-test=events]")).to_contain_text("cache.miss")
    page.locator("[data-test=span-row]", has_text="ask again").click()
    expect(page.locator("[data-test=span-name]")).to_have_text("ask again")
    expect(page.locator("[data-test=span-error]")).to_contain_text("slow down")
    page.locator("[data-test=span-row]", has_text="look_up").click()
    expect(page.locator("[data-test=tool]")).to_contain_text("spot")


def test_bars_lie_under_their_parent(browse: Browse, conversation: tuple[str, str]) -> None:
    page = browse(f"/trace/{conversation[1]}")
    names = page.locator("[data-test=span-row] .what")
    expect(names).to_have_text(
        ["plan a trip", "look_up", re.compile("ask the model"), re.compile("ask again")]
    )
    bars = page.locator("[data-test=span-row] .fill")
    boxes = [bar.bounding_box() for bar in bars.all()]
    root, *children = [box for box in boxes if box]
    assert len(children) == 3
    for box in children:
        assert root["x"] <= box["x"]
        assert box["x"] + box["width"] <= root["x"] + root["width"] + 1
    assert [box["x"] for box in children] == sorted(box["x"] for box in children)


def test_an_unknown_trace_is_said_to_be_unknown(browse: Browse) -> None:
    page = browse(f"/trace/{uuid.uuid4().hex}")
    expect(page.locator("[data-test=no-trace]")).to_be_visible()
