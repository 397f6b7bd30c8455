"""What only Cohere's clients do: documents and citations, plans, and a first version beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
from cohere_cases import USAGE, Chat, First
from provider_cases import Said
from provider_features import shows
from wire_server import WireServer, json_reply, sse_reply
from word_guard import WordGuard

import watchpost
from watchpost.screening.policy import Policy

CASE = Chat()
FIRST = First()
ASKED = [{"role": "user", "content": "hi"}]
QUOTED = {"start": 0, "end": 3, "text": "Ada", "sources": []}


@pytest.fixture
def client(wire: WireServer) -> Iterator[Any]:
    made = watchpost.patch(CASE.connect(wire.url, False))
    yield made
    CASE.close(made, False)


def test_documents_are_recorded_and_guarded(client: Any, wire: WireServer, recorder: Any) -> None:
    documents = ["plain Ada", {"id": "d2", "data": {"title": "About Ada"}}]
    documents.append(cohere.Document(id="d3", data={"title": "Ada again"}))
    wire.answer(CASE.whole(Said()))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.chat(model=CASE.model, messages=ASKED, documents=documents)

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 3
    given = recorder.messages("input")[0]["parts"]
    assert [part["type"] for part in given] == ["document"] * 3
    assert given[1] == {"type": "document", "id": "d2", "content": {"title": "About [WORD]"}}
    assert documents[1] == {"id": "d2", "data": {"title": "About Ada"}}


def test_citations_of_what_was_redacted_are_withheld(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "Ada was here"}]}
    told = {"id": "i", "finish_reason": "COMPLETE", "usage": USAGE}
    wire.answer(json_reply({**told, "message": {**said, "citations": [QUOTED]}}))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.chat(model=CASE.model, messages=ASKED)

    assert answer.message.content[0].text == "[WORD] was here"
    assert "Ada" not in str(answer.model_dump())


def test_citations_in_a_stream_are_withheld_too(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    text = {"message": {"content": {"text": "Ada was here"}}}
    events = [
        {"type": "content-delta", "index": 0, "delta": text},
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": QUOTED}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
    ]
    wire.answer(sse_reply(events, named=True))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        chunks = list(client.chat_stream(model=CASE.model, messages=ASKED))

    spelled = str([chunk.model_dump() for chunk in chunks])
    assert "[WORD] was here" in spelled
    assert "Ada" not in spelled


def test_a_plan_before_tools_is_a_thought(client: Any, wire: WireServer, recorder: Any) -> None:
    plan = [
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
        for piece in ("I will ", "look.")
    ]
    end = {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}}
    wire.answer(sse_reply([*plan, end], named=True))
    list(client.chat_stream(model=CASE.model, messages=ASKED))

    assert recorder.messages("output")[0]["parts"] == [
        {"type": "reasoning", "content": "I will look."}
    ]


def test_a_conversation_with_tools_is_recorded_in_its_order(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    answered = {"type": "document", "document": {"id": "1", "data": {"warm": "14"}}}
    wire.answer(CASE.whole(Said()))
    client.chat(
        model=CASE.model,
        k=40,
        p=0.5,
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "How warm?"},
            {"role": "assistant", "tool_plan": "ask", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": [answered]},
        ],
    )

    found = recorder.generation
    assert json.loads(found["gen_ai.system_instructions"])[0]["content"] == "be brief"
    assert (found["gen_ai.request.top_k"], found["gen_ai.request.top_p"]) == (40, 0.5)
    kinds = [[part["type"] for part in m["parts"]] for m in recorder.messages("input")]
    assert kinds == [["text"], ["reasoning", "tool_call"], ["tool_call_response"]]


@shows("log-probabilities", of=["cohere"])
def test_log_probabilities_are_kept_as_a_summary_and_withheld_with_their_text(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    spelled = [{"text": "Ada", "token_ids": [1, 2], "logprobs": [-0.5, -1.5]}]
    said = {"role": "assistant", "content": [{"type": "text", "text": "Ada"}]}
    told = {"id": "i", "finish_reason": "COMPLETE", "usage": USAGE, "message": said}
    for _ in range(2):
        wire.answer(json_reply({**told, "logprobs": spelled}))
    client.chat(model=CASE.model, messages=ASKED, logprobs=True)
    found = recorder.generation
    assert (found["watchpost.logprob.mean"], found["watchpost.logprob.min"]) == (-1.0, -1.5)

    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.chat(model=CASE.model, messages=ASKED, logprobs=True)
    assert answer.logprobs is None


@shows("result", "question redacted", of=["cohere rerank"])
def test_what_a_rerank_is_given_is_recorded_guarded_and_billed_by_the_search(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    ranked = {"id": "r", "results": [{"index": 0, "relevance_score": 0.9}]}
    wire.answer(json_reply({**ranked, "meta": {"billed_units": {"search_units": 2.0}}}))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.rerank(model="rerank-v3.5", query="who is Ada", documents=["Ada", "Bob"])

    assert answer.results[0].index == 0
    assert wire.requests[0].body["query"] == "who is [WORD]"
    assert wire.requests[0].body["documents"] == ["[WORD]", "Bob"]
    found = recorder.generation
    assert found["gen_ai.operation.name"] == "rerank"
    assert found["gen_ai.usage.web_search_requests"] == 2
    parts = recorder.messages("input")[0]["parts"]
    assert [part["content"] for part in parts] == ["who is [WORD]", "[WORD]", "Bob"]


def test_all_that_is_given_to_a_first_versions_chat_is_recorded_and_guarded(
    wire: WireServer, recorder: Any
) -> None:
    first = watchpost.patch(FIRST.connect(wire.url, False))
    call = cohere.ToolCall(name="find", parameters={"who": "Ada"})
    documents = [{"title": "About Ada", "snippet": "Ada was here"}]
    wire.answer(FIRST.whole(Said(("Ada was here",))))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = first.chat(
            message="who is Ada",
            preamble="You serve Ada.",
            chat_history=[
                cohere.UserMessage(message="I am Ada"),
                {"role": "CHATBOT", "message": "hello Ada"},
            ],
            documents=documents,
            tool_results=[{"call": call, "outputs": [{"found": "Ada"}]}],
        )
    FIRST.close(first, False)

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 8
    assert answer.text == "[WORD] was here"
    assert documents[0]["title"] == "About Ada"
    kinds = [(m["role"], m["parts"][0]["type"]) for m in recorder.messages("input")]
    assert kinds == [
        ("user", "document"),
        ("user", "text"),
        ("assistant", "text"),
        ("tool", "tool_call_response"),
        ("user", "text"),
    ]
