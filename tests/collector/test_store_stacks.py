from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchpost_collector.store.stacks import Seen, find_doubles


def see(
    span_id: str, parent: str = "", *, usage: bool = True, start: int = 0, trace: str = "t"
) -> Seen:
    return Seen("p", trace, span_id, parent, "scope", "", start, start + 10, usage)


def test_a_loop_of_parents_ends() -> None:
    assert find_doubles([see("a", "b"), see("b", "a"), see("c", "c")]) <= {
        ("p", "t", "a"),
        ("p", "t", "b"),
    }


def test_a_failed_attempt_beside_a_counted_one_is_a_call_of_its_own() -> None:
    spans = [see("outer"), see("failed", "outer", usage=False), see("done", "outer", start=5)]

    assert find_doubles(spans) == {("p", "t", "outer")}


def test_of_a_chain_without_any_usage_the_deepest_counts() -> None:
    spans = [see("a", usage=False), see("b", "a", usage=False, start=1)]

    assert find_doubles(spans) == {("p", "t", "a")}


def respond(span_id: str, trace: str, scope: str, start: int, end: int) -> Seen:
    return Seen("p", trace, span_id, "", scope, "r", start, end, True)


def test_one_response_seen_by_two_instrumentations_in_two_traces_is_one_call() -> None:
    spans = [respond("out", "t1", "wrapper", 0, 100), respond("in", "t2", "client", 10, 90)]

    assert find_doubles(spans) == {("p", "t1", "out")}


def test_a_response_id_that_comes_again_later_is_another_call() -> None:
    spans = [
        respond("out", "t1", "wrapper", 0, 100),
        respond("in", "t2", "client", 10, 90),
        respond("out2", "t3", "wrapper", 200, 300),
        respond("in2", "t4", "client", 210, 290),
    ]

    assert find_doubles(spans) == {("p", "t1", "out"), ("p", "t3", "out2")}


def test_one_instrumentation_reporting_one_id_twice_means_two_calls() -> None:
    spans = [respond("a", "t1", "client", 0, 100), respond("b", "t2", "client", 10, 90)]

    assert find_doubles(spans) == set()


def test_logfires_word_of_a_stream_is_the_call_that_ended_with_it() -> None:
    def see_scope(span_id: str, scope: str, start: int, end: int, tokens: int, trace: str) -> Seen:
        return Seen("p", trace, span_id, "root", scope, "", start, end, True, tokens)

    spans = [
        see_scope("call", "com.anthropic.sdk.python", 5, 900, 77, "t"),
        see_scope("late", "logfire.anthropic", 100, 910, 77, "t"),
        see_scope("other counts", "logfire.anthropic", 100, 910, 78, "t"),
        see_scope("told already", "logfire.anthropic", 100, 920, 77, "t"),
        see_scope("elsewhere", "logfire.anthropic", 100, 910, 77, "t2"),
        see_scope("much later", "logfire.anthropic", 100, 2_000_000_000, 77, "t"),
    ]

    assert find_doubles(spans) == {("p", "t", "late")}


def test_logfires_word_that_begins_a_trace_is_the_call_of_that_model_that_ended_with_it() -> None:
    call = Seen("p", "t", "call", "x", "sdk", "r", 5, 900, True, 77, "claude")
    late = Seen("p", "t2", "late", "", "logfire.anthropic", "", 100, 910, True, 77, "claude")
    spans = [
        call,
        late,
        replace(late, trace_id="t3", span_id="second word"),
        replace(late, trace_id="t4", span_id="other model", model="gpt"),
        replace(late, trace_id="t5", span_id="of another project", project="q"),
    ]

    assert find_doubles(spans) == {("p", "t2", "late")}


def test_calls_alike_at_one_time_are_told_once_each() -> None:
    call = Seen("p", "t", "call", "x", "sdk", "r", 5, 900, True, 77, "claude")
    late = Seen("p", "t2", "late", "", "logfire.anthropic", "", 100, 910, True, 77, "claude")
    calls = [replace(call, trace_id=f"a{n}", response_id=f"r{n}") for n in range(3)]
    words = [replace(late, trace_id=f"b{n}") for n in range(3)]

    assert find_doubles(calls + words) == {word.key for word in words}


def ready(span_id: str, start: int, **more: Any) -> Seen:
    made = Seen(
        "p", "t", span_id, "step", "oi", "", start, start + 10, has_usage=False, hollow=True
    )
    return replace(made, **more)


def called(span_id: str, start: int, *, usage: bool = True) -> Seen:
    return Seen("p", "t", span_id, "step", "oi", "", start, start + 10, usage)


def test_what_made_a_request_ready_is_no_call_with_or_without_usage_of_the_call() -> None:
    for usage in (True, False):
        spans = [
            ready("ready", 0),
            called("call", 11, usage=usage),
            ready("ready again", 30),
            called("call again", 41, usage=usage),
        ]

        assert find_doubles(spans) == {("p", "t", "ready"), ("p", "t", "ready again")}


def test_a_hollow_span_without_a_call_right_after_it_stays_a_call() -> None:
    spans = [
        called("before", 0),
        ready("alone", 20),
        called("much later", 5_000_000_000),
        ready("under another parent", 5_000_000_020, parent_span_id="elsewhere"),
        ready("of another instrumentation", 4_999_999_980, scope="langchain"),
    ]

    assert find_doubles(spans) == set()


def test_one_call_takes_one_request() -> None:
    spans = [ready("early", 0), ready("late", 20), called("call", 31)]

    assert find_doubles(spans) == {("p", "t", "late")}


def test_a_call_that_tells_something_outlives_a_hollow_span_within() -> None:
    outer = Seen("p", "t", "outer", "", "oi", "r", 0, 100, has_usage=False)

    assert find_doubles([outer, ready("ready", 5, parent_span_id="outer")]) == {("p", "t", "ready")}
