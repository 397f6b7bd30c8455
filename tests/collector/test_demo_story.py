"""The demo's invented parts: tickets, the plot, and the assistant with the real clients."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import anthropic
import openai
import pytest

import watchpost
from watchpost.screening.guard import Question
from watchpost.screening.policy import find_guard
from watchpost_collector.demo.assistant import ROUTER, WRITER, Assistant, RefusalGuard
from watchpost_collector.demo.in_process import ShiftedClock, build_clients
from watchpost_collector.demo.models import StandInModels
from watchpost_collector.demo.plot import PASTED_AN_HOUR, PASTING_CUSTOMER, plan_traffic
from watchpost_collector.demo.tickets import make_tickets
from watchpost_collector.demo.traffic import BackdatedClock
from watchpost_guards import pii

NOW = datetime(2026, 11, 20, 16, tzinfo=UTC)


@pytest.fixture
def assistant(provider):
    provider.respond = StandInModels(seed=1).respond
    with (
        openai.OpenAI(api_key="k", base_url=provider.openai_url) as first,
        anthropic.Anthropic(api_key="k", base_url=provider.anthropic_url) as second,
    ):
        yield Assistant(first, second)


def test_the_same_seed_gives_the_same_tickets_and_another_gives_others():
    assert make_tickets(50) == make_tickets(50)
    assert make_tickets(50, seed=8) != make_tickets(50)


def test_tickets_carry_personal_data_and_now_and_then_a_secret():
    bodies = [ticket.body for ticket in make_tickets(200)]
    # By form alone: names are in all of them.
    guards = {"pii": pii.create(learned=[]), "secrets": find_guard("secrets")}
    found = Counter(
        name
        for body in bodies
        for name, guard in guards.items()
        if guard.check(Question(body)).tripped
    )
    assert 40 < found["pii"] < 110
    assert 1 <= found["secrets"] < 20


@pytest.fixture(scope="module")
def moments():
    return list(plan_traffic(NOW, 14, 4000))


def test_traffic_covers_its_days_busier_by_day_and_on_weekdays(moments):
    assert 3400 < len(moments) < 4600
    assert moments[0].at >= NOW - timedelta(days=14, hours=1)
    assert moments[-1].at < NOW
    assert moments == sorted(moments, key=lambda moment: moment.at)
    usual = [moment for moment in moments if moment.ticket.customer != PASTING_CUSTOMER]
    hours = Counter(moment.at.hour for moment in usual)
    assert hours[15] > 3 * hours[2]
    days = Counter(moment.at.weekday() >= 5 for moment in usual)
    assert days[False] / 10 > 1.5 * days[True] / 4


def test_the_shop_is_busiest_in_the_hour_of_the_demo():
    night = NOW.replace(hour=3, minute=30)
    planned = [moment.at for moment in plan_traffic(night, 7, 2000)]
    hours = Counter(at.hour for at in planned)
    assert hours[3] > 3 * hours[15]
    # Of the hour that runs there is the part that is over.
    last, running = (
        sum(begin <= at < begin + timedelta(hours=1) for at in planned)
        for begin in (night.replace(hour=2, minute=0), night.replace(minute=0))
    )
    assert 0.2 < running / last < 0.8


def test_prompt_versions_follow_each_other_and_the_last_is_rolled_out_to_half(moments):
    first = {v: min(m.at for m in moments if m.version == v) for v in ("v1", "v2", "v3")}
    assert first["v1"] < first["v2"] < first["v3"]
    latest = Counter(m.version for m in moments if m.at >= first["v3"])
    assert latest["v1"] == 0
    assert 0.7 < latest["v2"] / latest["v3"] < 1.4


def test_lately_one_customer_sends_whole_threads(moments):
    pasted = [moment for moment in moments if moment.ticket.customer == PASTING_CUSTOMER]
    usual = [moment.ticket for moment in moments if moment.ticket.customer != PASTING_CUSTOMER]
    assert len(pasted) == 2 * PASTED_AN_HOUR
    assert min(moment.at for moment in pasted) >= NOW - timedelta(hours=2)
    longest = max(len(ticket.body) for ticket in usual)
    assert min(len(moment.ticket.body) for moment in pasted) > 10 * longest


def test_a_ticket_of_the_past_is_handled_then_and_takes_as_long_as_it_takes(moments):
    clock = BackdatedClock()
    clock.set_back(moments[0])
    told = [clock() / 1e9 - moments[0].at.timestamp() for _ in range(2)]
    assert 0 <= told[0] <= told[1] < 3600
    with ThreadPoolExecutor(1) as other:
        assert other.submit(clock).result() / 1e9 > moments[0].at.timestamp() + 3600


def test_the_assistant_routes_looks_orders_up_and_replies(assistant, provider):
    tickets = [ticket for ticket in make_tickets(40) if ticket.topic == "delivery"][:8]
    replies = [assistant.handle(ticket, "v2") for ticket in tickets]
    assert any(reply for reply in replies)
    assert {request.model for request in provider.requests} >= {ROUTER, WRITER}
    assert any('"tool"' in str(request.body).replace("'", '"') for request in provider.requests)


def test_the_third_version_is_longer_and_refuses_more():
    clock = ShiftedClock(0)
    assistant = Assistant(*build_clients(StandInModels(seed=4, pieces=3).respond, clock))
    ticket = next(t for t in make_tickets(40) if t.topic == "product" and t.plan == "free")

    def drafts(version):
        kept = []
        while len(kept) < 60:
            try:
                kept.append(assistant.draft(ticket, version, ""))
            except openai.APIError:
                continue
        return kept

    old, new = drafts("v2"), drafts("v3")
    guard = RefusalGuard()
    refused = [sum(guard.check(Question(t)).tripped for t in texts) for texts in (old, new)]
    assert refused[1] > refused[0]
    assert sum(map(len, new)) > 1.4 * sum(map(len, old))


def test_time_in_process_passes_by_the_models_delays_alone():
    clock = ShiftedClock(10**18)
    first, _ = build_clients(StandInModels(seed=2).respond, clock)
    first.responses.create(model="gpt-5-mini", input="Hello", instructions="Talk.")
    passed_s = (clock.now_ns - 10**18) / 1e9
    assert 0.1 < passed_s < 10


def test_a_failure_in_process_is_the_clients_own_error():
    models = StandInModels()
    models.overloaded = frozenset((ROUTER,))
    _, second = build_clients(models.respond, ShiftedClock(0))

    def ask_often():
        for _ in range(50):
            second.messages.create(model=ROUTER, max_tokens=5, messages=[])

    with pytest.raises(anthropic.APIStatusError):
        ask_often()


def test_the_demo_sets_nothing_up_by_being_imported():
    assert watchpost.current().trace_id == "0" * 32
