"""The demo's invented parts: tickets, the plot, and the assistant with the real clients."""

from __future__ import annotations

from collections import Counter
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
from watchpost_collector.demo.plot import PASTING_CUSTOMER, plan_history, plan_live
from watchpost_collector.demo.tickets import make_tickets
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


def test_history_covers_its_days_busier_by_day_and_on_weekdays():
    moments = list(plan_history(NOW, 14, 4000))
    assert 3400 < len(moments) < 4600
    assert moments[0].at >= NOW - timedelta(days=14, hours=1)
    assert moments[-1].at < NOW
    hours = Counter(moment.at.hour for moment in moments)
    assert hours[14] > 3 * hours[2]
    days = Counter(moment.at.weekday() >= 5 for moment in moments)
    assert days[False] / 10 > 1.5 * days[True] / 4


def test_prompt_versions_follow_each_other_and_the_last_is_rolled_out_to_half():
    moments = list(plan_history(NOW, 14, 4000))
    first = {v: min(m.at for m in moments if m.version == v) for v in ("v1", "v2", "v3")}
    assert first["v1"] < first["v2"] < first["v3"]
    latest = Counter(m.version for m in moments if m.at >= first["v3"])
    assert latest["v1"] == 0
    assert 0.7 < latest["v2"] / latest["v3"] < 1.4


def test_some_live_tickets_come_with_their_whole_thread_from_one_customer():
    planned = plan_live(300)
    pasted = [ticket for ticket, _ in planned if ticket.customer == PASTING_CUSTOMER]
    usual = [ticket for ticket, _ in planned if ticket.customer != PASTING_CUSTOMER]
    assert len(pasted) > 10
    assert min(len(ticket.body) for ticket in pasted) > 10 * max(len(t.body) for t in usual)
    assert {version for _, version in planned} == {"v1", "v2", "v3"}


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
