"""Retrieved documents: read whatever their shape, recorded, and given to guards of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import watchpost
from watchpost.documents import MOST_DOCUMENTS, read_documents
from watchpost.export.capture import keep_metadata
from watchpost.testing import FakeGuard, capture


@dataclass
class Page:
    """As LangChain's."""

    page_content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass
class Node:
    text: str
    id_: str

    def get_content(self) -> str:
        return self.text


@dataclass
class NodeWithScore:
    """As LlamaIndex's."""

    node: Node
    score: float | None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("plain", {"content": "plain"}),
        ({"content": "a", "id": "1", "score": 1}, {"content": "a", "score": 1.0, "id": "1"}),
        ({"text": "b", "doc_id": 2, "similarity": 0.2}, {"content": "b", "score": 0.2, "id": "2"}),
        (Page("c", id="3"), {"content": "c", "id": "3"}),
        ((Page("d"), 0.4), {"score": 0.4, "content": "d"}),
        (NodeWithScore(Node("e", "5"), 0.5), {"content": "e", "score": 0.5, "id": "5"}),
        (NodeWithScore(Node("f", "6"), None), {"content": "f", "id": "6"}),
    ],
)
def test_a_document_is_known_by_its_shape(given: Any, read: dict[str, Any]) -> None:
    assert read_documents([given]) == [read]
    if not isinstance(given, tuple):
        assert read_documents(given) == [read]


def test_what_has_no_text_is_left_out_and_so_is_what_is_too_much() -> None:
    assert read_documents([None, 7, object(), {"id": "1"}, "kept", {"content": b"x"}]) == [
        {"content": "kept"}
    ]
    assert len(read_documents(["x"] * (MOST_DOCUMENTS + 1))) == MOST_DOCUMENTS


def test_documents_recorded_in_a_retriever_are_its_own() -> None:
    @watchpost.observe(kind="retriever")
    def search(query: str) -> str:
        watchpost.current().record_documents([{"id": "1", "content": "Open at nine."}])
        return "found one"

    with capture() as seen:
        search("hours")
    (span,) = seen.spans
    documents = json.loads(str((span.attributes or {})["gen_ai.retrieval.documents"]))
    assert documents == [{"content": "Open at nine.", "id": "1"}]


def test_documents_recorded_elsewhere_are_a_retrieval_below() -> None:
    with capture() as seen, watchpost.span("answer", user="u1"):
        watchpost.current().record_documents(["Open at nine."])
    retrieval, answer = seen.spans
    assert retrieval.parent is not None
    assert retrieval.parent.span_id == answer.context.span_id
    assert retrieval.attributes == {
        "user.id": "u1",
        "watchpost.kind": "retriever",
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.documents": '[{"content":"Open at nine."}]',
    }


@watchpost.observe(kind="retriever")
def look_up(query: str) -> list[str]:
    return [f"about {query}"]


async def test_the_guard_of_an_answer_is_given_what_was_retrieved_for_it(
    make_caller: Callable[[str, str], Any], shape: str
) -> None:
    guard = FakeGuard("grounded")
    caller = make_caller("chat", shape)
    with capture(policy=watchpost.Policy(block=[guard])), watchpost.span("conversation"):
        for query in ("rain", "sun"):
            with watchpost.span("turn"):
                look_up(query)
                await caller.ask(query)
        await caller.ask("all of it")

    asked = [(question.direction, question.context) for question in guard.asked]
    assert asked == [
        ("input", ()),
        ("output", ("about rain",)),
        ("input", ()),
        ("output", ("about sun",)),
        ("input", ()),
        ("output", ("about rain", "about sun")),
    ]


async def test_guards_are_given_documents_where_nothing_is_recorded_too(
    make_caller: Callable[[str, str], Any],
) -> None:
    guard = FakeGuard("grounded")
    caller = make_caller("chat", "sync")
    watchpost.configure(enabled=False, policy=watchpost.Policy(block=[guard]))
    with watchpost.span("turn"):
        look_up("rain")
        await caller.ask("rain")
    watchpost.shutdown()
    assert guard.asked[-1].context == ("about rain",)


def test_documents_and_queries_do_not_leave_where_only_metadata_may() -> None:
    span = Span(name="search")
    for key in ("gen_ai.retrieval.documents", "gen_ai.retrieval.query.text", "watchpost.kind"):
        span.attributes.add(key=key).value.string_value = "short"
    keep_metadata(span)
    assert [pair.key for pair in span.attributes] == ["watchpost.kind"]
