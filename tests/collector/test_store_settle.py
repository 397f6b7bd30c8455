from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store
from watchpost_collector.store.settle import settle

HOLLOW_SCOPE = "openinference.instrumentation.llama_index"


def make_hollow(span_id: str, *, parent: str, start_ms: float = 0, lasts_ms: float) -> PlainSpan:
    """What LlamaIndex leaves of a request made ready: a model, and a request that came out."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "input.value": '{"tools": ["<FunctionTool object>"], "chat_history": []}',
        "output.value": '{"messages": ["ChatMessage()"], "tools": []}',
    }
    made = make_call(
        span_id, parent=parent, start_ms=start_ms, lasts_ms=lasts_ms, scope=HOLLOW_SCOPE
    )
    return replace(made, name="OpenAI._prepare_chat_with_tools", attributes=attributes)


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
    "told late in a trace of its own": (
        [
            make_call(
                OUTER, trace_id="cd" * 16, scope="logfire.anthropic", start_ms=20, lasts_ms=70
            ),
            make_call(INNER, parent=MIDDLE, scope="sdk", response_id="r4", lasts_ms=88),
        ],
        INNER,
    ),
    "made ready before": (
        [
            make_hollow(OUTER, parent=MIDDLE, lasts_ms=3),
            make_call(INNER, parent=MIDDLE, scope=HOLLOW_SCOPE, start_ms=4),
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
