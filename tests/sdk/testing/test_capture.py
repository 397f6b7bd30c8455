"""What a user's test sees of a program, and that nothing of it is left behind."""

from __future__ import annotations

import threading
from typing import Any

import anthropic
import pytest
from opentelemetry import trace

import watchpost
from watchpost.runtime import active
from watchpost.screening.declared import DECLARED
from watchpost.testing import (
    Answer,
    CountedIds,
    FakeGuard,
    FrozenClock,
    ProviderServer,
    Usage,
    capture,
)


def test_a_patched_call_is_a_generation_with_its_tokens_and_its_price(
    provider: ProviderServer, ask: Any
) -> None:
    provider.answer(Answer(text="At noon.", usage=Usage(1000, 200)))
    prices = {"gpt-4o": {"input": 1, "output": 10}}
    desk = watchpost.span("desk", prompt="opening-hours", version=3, user="u1")
    with capture(prices=prices) as seen, desk:
        assert ask("When?") == "At noon."

    call = seen.generation
    assert (call.model, call.usage.input_tokens, call.usage.output_tokens) == ("gpt-4o", 1000, 200)
    assert call.cost_usd is not None
    assert float(call.cost_usd) == pytest.approx(0.003)
    assert (call.origin.prompt, call.origin.version, call.origin.user) == (
        "opening-hours",
        "3",
        "u1",
    )
    assert [span.name for span in seen.spans] == ["chat gpt-4o", "desk"]
    assert seen.named("chat gpt-4o").parent.span_id == seen.named("desk").context.span_id


def test_a_stream_and_a_response_handed_over_are_generations_too(provider: ProviderServer) -> None:
    http = anthropic.DefaultHttpxClient(verify=False)
    url = provider.anthropic_url
    asked = {
        "model": "claude-opus-4-6",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "q"}],
    }
    with (
        anthropic.Anthropic(base_url=url, api_key="none", http_client=http) as raw,
        capture() as seen,
    ):
        provider.answer("One.", "Two words.")

        @watchpost.observe
        def unpatched() -> None:
            watchpost.current().record(raw.messages.create(**asked))

        unpatched()
        with raw.messages.stream(**asked):
            pass  # Nobody patched it: it must not be seen.
        watchpost.patch(raw)
        provider.answer("Three short words.")
        list(raw.messages.create(stream=True, **asked))

    texts = [call.result.messages[0]["parts"][0]["content"] for call in seen.generations]
    assert texts == ["One.", "Three short words."]
    assert [call.streaming for call in seen.generations] == [False, True]


def test_calls_of_other_threads_are_seen(provider: ProviderServer, ask: Any) -> None:
    with capture() as seen:
        thread = threading.Thread(target=ask, args=("hello",))
        thread.start()
        thread.join()
    assert len(seen.generations) == 1


def test_nothing_is_left_behind(ask: Any) -> None:
    guard = FakeGuard()
    before, provider, rules = active(), trace.get_tracer_provider(), DECLARED.rules
    threads = threading.active_count()

    def fail_inside() -> None:
        with capture(policy=watchpost.Policy(redact=[guard])) as seen:
            captures.append(seen)
            assert active() is not before
            assert DECLARED.rules != rules
            raise RuntimeError

    captures: list[Any] = []
    with pytest.raises(RuntimeError):
        fail_inside()
    assert active() is before
    assert trace.get_tracer_provider() is provider
    assert DECLARED.rules == rules
    assert threading.active_count() == threads
    with watchpost.span("after"):
        pass
    assert captures[0].spans == []


def test_captures_stand_inside_each_other(ask: Any) -> None:
    with capture() as outer:
        with watchpost.span("first"):
            pass
        with capture() as inner, watchpost.span("second"):
            pass
        with watchpost.span("third"):
            pass
    assert [span.name for span in inner.spans] == ["second"]
    assert [span.name for span in outer.spans] == ["first", "third"]


def test_a_configuration_made_inside_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHPOST_ENABLED", "false")
    with capture():
        watchpost.configure()
        configured = active()
    assert active() is configured
    watchpost.shutdown()


def test_content_can_be_left_out(ask: Any) -> None:
    with capture(content=False) as seen:
        ask("a secret")
    assert "a secret" not in str(dict(seen.spans[0].attributes or {}))


def test_verdicts_and_scores_are_seen(ask: Any) -> None:
    guard = FakeGuard("topic", words=["weather"])
    policy = watchpost.Policy(flag=[guard], directions={"topic": "input"})
    clock = FrozenClock()
    with capture(policy=policy, clock=clock) as seen, watchpost.span("desk"):
        ask("the weather")
        watchpost.score("helpful", True)
    (verdict,) = seen.verdicts
    assert [event.timestamp for span in seen.spans for event in span.events] == [clock()]
    assert verdict["watchpost.guard.name"] == "topic"
    assert verdict["watchpost.guard.tripped"] is True
    (score,) = seen.scores
    assert score["gen_ai.evaluation.name"] == "helpful"


def test_asking_for_the_one_call_or_span_names_what_was_seen_instead(ask: Any) -> None:
    with capture() as seen:
        with pytest.raises(AssertionError, match="0 were seen: none"):
            _ = seen.generation
        ask("one")
        ask("two")
    with pytest.raises(AssertionError, match="2 were seen: gpt-4o, gpt-4o"):
        _ = seen.generation
    with pytest.raises(AssertionError, match=r"'desk' was expected, not 0; seen: chat gpt-4o"):
        seen.named("desk")
    seen.clear()
    assert (seen.spans, seen.generations) == ([], [])


def test_a_span_can_be_compared_whole_when_time_stands_and_ids_count() -> None:
    clock = FrozenClock("2026-03-01T12:00:00+00:00")
    with capture(clock=clock, ids=CountedIds()) as seen, watchpost.span("outer") as here:
        clock.advance(1.5)
        with watchpost.span("inner", kind="tool"):
            clock.advance(0.25)
        assert here.trace_id == f"{1:032x}"

    noon = 1772366400 * 10**9
    assert [(s.name, s.context.span_id, s.start_time, s.end_time) for s in seen.spans] == [
        ("inner", 2, noon + 1_500_000_000, noon + 1_750_000_000),
        ("outer", 1, noon, noon + 1_750_000_000),
    ]
    assert dict(seen.named("inner").attributes or {}) == {
        "watchpost.kind": "tool",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "inner",
        "gen_ai.tool.type": "function",
    }


def test_a_clock_with_a_step_makes_what_follows_later() -> None:
    clock = FrozenClock(step_s=0.5)
    assert [clock() - clock() for _ in range(2)] == [-500_000_000] * 2
