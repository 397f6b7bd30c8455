from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store
from watchpost_collector.store.settle import Seen, find_doubles, settle


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


OUTER, MIDDLE, INNER = "a0" * 8, "b0" * 8, "c0" * 8
STACKS: dict[str, tuple[list[PlainSpan], str]] = {
    "usage, none, usage": (
        [
            make_call(OUTER, start_ms=0),
            make_call(MIDDLE, parent=OUTER, usage=False, start_ms=1),
            make_call(INNER, parent=MIDDLE, start_ms=2),
        ],
        INNER,
    ),
    "usage over none": (
        [make_call(OUTER), make_call(MIDDLE, parent=OUTER, usage=False, start_ms=1)],
        OUTER,
    ),
    "none over usage": (
        [make_call(OUTER, usage=False), make_call(INNER, parent=OUTER, start_ms=1)],
        INNER,
    ),
    "one id in two traces": (
        [
            make_call(OUTER, scope="wrapper", response_id="r1", lasts_ms=100),
            make_call(
                INNER, trace_id="cd" * 16, scope="sdk", response_id="r1", start_ms=9, lasts_ms=80
            ),
        ],
        INNER,
    ),
    "one id beside each other": (
        [
            make_call(OUTER, parent=MIDDLE, scope="wrapper", response_id="r2", lasts_ms=100),
            make_call(INNER, parent=MIDDLE, scope="sdk", response_id="r2", start_ms=9, lasts_ms=80),
        ],
        INNER,
    ),
    "told late": (
        [
            make_call(OUTER, scope="logfire.anthropic", start_ms=20, lasts_ms=70),
            make_call(INNER, parent=MIDDLE, scope="sdk", response_id="r3", lasts_ms=88),
        ],
        INNER,
    ),
}


def orders() -> list[tuple[str, tuple[int, ...], bool]]:
    """Every stack, in every order of arrival, in one segment and in one segment each."""
    return [
        (name, order, together)
        for name, (spans, _) in STACKS.items()
        for order in permutations(range(len(spans)))
        for together in (True, False)
    ]


def land(store: Store, spans: Sequence[PlainSpan], project: str) -> None:
    segment = name_segment()
    store.insert_segment(pack_segment(segment, spans, project), segment)
    settle(store, segment)


@pytest.mark.parametrize(("name", "order", "together"), orders())
def test_a_stack_of_spans_is_one_call_in_every_order_together_and_apart(
    store: Store, name: str, order: tuple[int, ...], together: bool
) -> None:
    spans, deepest = STACKS[name]
    project = name_segment("stack")
    arriving = [spans[place] for place in order]

    for batch in [arriving] if together else [[span] for span in arriving]:
        land(store, batch, project)

    rows = store.query(
        "select span_id, input_tokens from watchpost.generations where project = {p:String}",
        {"p": project},
    )
    assert rows.rows == [(deepest, 100)]


def test_what_only_the_outer_span_knew_is_given_to_the_one_that_counts(store: Store) -> None:
    project = name_segment("carry")
    outer = make_call(
        OUTER,
        gen_ai__prompt__name="greet",
        gen_ai__prompt__version="3",
        session__id="s",
        gen_ai__input__messages="[]",
        watchpost__segment__plan="pro",
    )
    land(store, [make_call(INNER, parent=OUTER, start_ms=1)], project)
    land(store, [outer], project)

    rows = store.query(
        "select span_id, prompt_name, prompt_version, session_id, content_span_id, segments "
        "from watchpost.generations where project = {p:String}",
        {"p": project},
    )
    assert rows.rows == [(INNER, "greet", "3", "s", OUTER, {"plan": "pro"})]


@pytest.mark.parametrize("captures", [True, False])
def test_messages_are_looked_for_at_the_outer_span_until_one_has_them(
    store: Store, captures: bool
) -> None:
    project = name_segment("events")
    said = {"gen_ai__input__messages": "[]"} if captures else {}
    land(store, [make_call(MIDDLE, parent=OUTER, start_ms=1)], project)
    land(store, [make_call(INNER, parent=MIDDLE, start_ms=2)], project)
    land(store, [make_call(OUTER, **said)], project)

    rows = store.query(
        "select span_id, content_span_id from watchpost.generations where project = {p:String}",
        {"p": project},
    )
    assert rows.rows == [(INNER, OUTER if captures else MIDDLE)]


def test_settling_again_writes_nothing(store: Store) -> None:
    project = name_segment("again")
    spans, _ = STACKS["usage, none, usage"]
    segment = name_segment()
    store.insert_segment(pack_segment(segment, spans, project), segment)
    first = settle(store, segment)

    assert (first, settle(store, segment)) == (2, 0)
