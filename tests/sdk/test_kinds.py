"""What the span of each kind of function says, in the words of the conventions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import watchpost
from watchpost.testing import Capture, capture


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture() as found:
        yield found


def attributes_of(seen: Capture, name: str) -> dict[str, Any]:
    return dict(seen.named(name).attributes or {})


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("tool", "execute_tool"),
        ("agent", "invoke_agent"),
        ("retriever", "retrieval"),
        ("embedding", "embeddings"),
        ("chain", None),
        ("guard", None),
    ],
)
def test_a_kind_is_told_and_so_is_the_operation_the_conventions_have_for_it(
    seen: Capture, kind: str, operation: str | None
) -> None:
    @watchpost.observe("step", kind=kind)
    def step(text: str) -> str:
        return text.upper()

    step("rain")
    found = attributes_of(seen, "step")
    assert found["watchpost.kind"] == kind
    assert found.get("gen_ai.operation.name") == operation


async def test_a_tool_has_a_name_arguments_a_result_and_the_id_it_was_called_by(
    seen: Capture,
) -> None:
    @watchpost.observe(kind="tool")
    async def get_weather(town: str, tool_call_id: str = "") -> dict[str, Any]:
        return {"town": town, "degrees": 19}

    await get_weather("Porto", tool_call_id="call_7")
    found = attributes_of(seen, "get_weather")
    assert found["gen_ai.tool.name"] == "get_weather"
    assert found["gen_ai.tool.type"] == "function"
    assert found["gen_ai.tool.call.id"] == "call_7"
    assert json.loads(found["gen_ai.tool.call.arguments"]) == {"town": "Porto"}
    assert json.loads(found["gen_ai.tool.call.result"]) == {"town": "Porto", "degrees": 19}
    assert not {"input.value", "output.value"} & set(found)


def test_a_tool_that_fails_keeps_its_arguments_and_says_what_went_wrong(seen: Capture) -> None:
    @watchpost.observe(kind="tool")
    def get_weather(town: str) -> str:
        raise LookupError(town)

    with pytest.raises(LookupError):
        get_weather("Atlantis")
    found = attributes_of(seen, "get_weather")
    assert found["error.type"] == "LookupError"
    assert json.loads(found["gen_ai.tool.call.arguments"]) == {"town": "Atlantis"}
    assert "gen_ai.tool.call.result" not in found


def test_an_agent_is_named_by_its_span(seen: Capture) -> None:
    @watchpost.observe("travel desk", kind="agent")
    def run(wish: str) -> str:
        return "booked"

    run("to Porto")
    found = attributes_of(seen, "travel desk")
    assert found["gen_ai.agent.name"] == "travel desk"
    assert json.loads(found["input.value"]) == {"wish": "to Porto"}
    assert found["output.value"] == "booked"


def test_a_retriever_has_its_query_and_the_documents_it_returned(seen: Capture) -> None:
    @watchpost.observe(kind="retriever")
    def search(index: str, query: str) -> list[dict[str, Any]]:
        return [{"id": 7, "score": 0.5, "text": "Open at nine."}, {"id": 8, "text": "Closed."}]

    search("faq", "opening hours")
    found = attributes_of(seen, "search")
    assert found["gen_ai.retrieval.query.text"] == "opening hours"
    assert json.loads(found["gen_ai.retrieval.documents"]) == [
        {"content": "Open at nine.", "score": 0.5, "id": "7"},
        {"content": "Closed.", "id": "8"},
    ]
    assert "output.value" not in found


def test_without_content_only_the_kind_and_the_names_are_told() -> None:
    @watchpost.observe(kind="retriever")
    def search(query: str) -> list[str]:
        return ["Open at nine."]

    @watchpost.observe(kind="tool")
    def get_weather(town: str) -> str:
        return "rain"

    with capture(content=False) as seen:
        search("secret")
        get_weather("secret")
        watchpost.current().record_documents(["nowhere"])
    assert attributes_of(seen, "search") == {
        "watchpost.kind": "retriever",
        "gen_ai.operation.name": "retrieval",
    }
    assert attributes_of(seen, "get_weather") == {
        "watchpost.kind": "tool",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.type": "function",
    }
