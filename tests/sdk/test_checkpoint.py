"""Screening by hand: documents, tool arguments and results, and what is recorded of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import watchpost
from watchpost.errors import Blocked, ConfigError
from watchpost.screening.guard import DIRECTIONS, Direction
from watchpost.testing.guards import FakeGuard


@pytest.mark.parametrize("stage", DIRECTIONS)
def test_every_stage_is_asked_about_under_its_name_and_recorded(
    stage: Direction, recorder: Any
) -> None:
    guard = FakeGuard("gate", words=["secret"])
    with watchpost.span("around") as here:
        decision = watchpost.screen("a secret", watchpost.Policy(redact=[guard]), stage=stage)

    assert decision.text == "a [FAKE]"
    assert guard.asked[0].direction == stage
    span = recorder.named(f"screen {stage}")
    assert span.context.trace_id == int(here.trace_id, 16)
    assert span.attributes["watchpost.kind"] == "guard"
    assert span.attributes["watchpost.guard.action"] == "redact"
    (event,) = span.events
    assert event.name == "watchpost.guard.verdict"
    assert event.attributes["watchpost.guard.name"] == "gate"
    assert event.attributes["watchpost.guard.direction"] == stage
    assert event.attributes["watchpost.guard.tripped"] is True
    assert "secret" not in f"{dict(span.attributes)} {dict(event.attributes)}"


def test_a_blocked_text_cannot_be_read_and_its_verdict_is_kept(recorder: Any) -> None:
    guard = FakeGuard("gate", words=["ignore"])
    policy = watchpost.Policy(block=[guard])
    decision = watchpost.screen("ignore all that", policy, stage="document")
    assert decision.action == "block"
    with pytest.raises(Blocked) as error:
        _ = decision.text
    assert error.value.direction == "document"
    span = recorder.named("screen document")
    assert span.events[0].attributes["watchpost.guard.action"] == "block"


def test_an_escalated_text_passes_and_can_be_counted(recorder: Any) -> None:
    policy = watchpost.Policy(escalate=[FakeGuard("gate", [0.9])])
    assert watchpost.screen("odd", policy, stage="tool_result").text == "odd"
    span = recorder.named("screen tool_result")
    assert span.attributes["watchpost.guard.action"] == "escalate"
    assert span.events[0].attributes["watchpost.guard.action"] == "escalate"


def test_a_fallback_is_the_text_to_go_on_with(recorder: Any) -> None:
    policy = watchpost.Policy(fallback=[FakeGuard("gate", [True])], answer="Ask a person.")
    decision = watchpost.screen("what?", policy, stage="output")
    assert (decision.action, decision.fallback) == ("fallback", "Ask a person.")
    assert decision.text == "Ask a person."


def test_a_guard_of_documents_is_not_asked_about_anything_else(recorder: Any) -> None:
    guard = FakeGuard("gate")
    policy = watchpost.Policy(block=[guard], directions={"gate": "document"})
    for stage in DIRECTIONS:
        watchpost.screen(stage, policy, stage=stage)
    assert [question.text for question in guard.asked] == ["document"]


def test_the_policy_in_force_is_the_nearest(recorder: Any) -> None:
    configured, near = FakeGuard("configured"), FakeGuard("near")
    recorder.install(policy=watchpost.Policy(flag=[configured]))
    watchpost.screen("one")
    with watchpost.span("around", policy=watchpost.Policy(flag=[near])):
        watchpost.screen("two")
    asked = [[question.text for question in guard.asked] for guard in (configured, near)]
    assert asked == [["one"], ["two"]]


def test_an_answer_is_checked_against_what_was_retrieved_here(recorder: Any) -> None:
    guard = FakeGuard("grounded")
    policy = watchpost.Policy(flag=[guard])
    with watchpost.span("answer") as here:
        here.record_documents(["Paris is in France."])
        watchpost.screen("Paris is in Spain.", policy, stage="output")
        watchpost.screen("Rome.", policy, stage="output", context=["Rome is in Italy."])
    assert [question.context for question in guard.asked] == [
        ("Paris is in France.",),
        ("Rome is in Italy.",),
    ]


async def test_a_coroutine_screens_off_the_event_loops_thread(recorder: Any) -> None:
    threads: list[int] = []

    class Where(FakeGuard):
        def check(self, question: Any) -> Any:
            threads.append(threading.get_ident())
            return super().check(question)

    policy = watchpost.Policy(redact=[Where("gate", words=["secret"])])
    decision = await watchpost.ascreen("a secret", policy, stage="tool_argument")
    assert decision.text == "a [FAKE]"
    assert threads
    assert threading.get_ident() not in threads
    assert recorder.named("screen tool_argument").events


def test_a_guard_that_fails_raises_only_where_it_is_closed(recorder: Any) -> None:
    lenient = watchpost.Policy(block=[FakeGuard("gate", [OSError()])])
    assert watchpost.screen("x", lenient).text == "x"
    strict = watchpost.Policy(block=[FakeGuard("gate", [OSError()])], on_failure={"gate": "closed"})
    decision = watchpost.screen("x", strict)
    with pytest.raises(watchpost.WatchpostError, match="OSError"):
        _ = decision.text


def test_screening_without_a_policy_is_refused(recorder: Any) -> None:
    with pytest.raises(ConfigError, match=r"pass a watchpost\.Policy"):
        watchpost.screen("x")


def test_what_cannot_be_screened_is_refused_and_not_shown(recorder: Any) -> None:
    policy = watchpost.Policy(flag=[FakeGuard("gate")])
    with pytest.raises(ConfigError, match="tool_result"):
        watchpost.screen("x", policy, stage="sideways")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dict") as error:
        watchpost.screen({"to": "a@b.com"}, policy)  # type: ignore[arg-type]
    assert "a@b.com" not in str(error.value)
