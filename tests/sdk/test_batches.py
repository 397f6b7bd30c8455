"""Finished batches: each of their answers is a generation, at a batch's price."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import anthropic
import openai
from cost_cases import (
    HAIKU,
    chat,
    in_anthropic_batch,
    in_openai_batch,
    message,
    openai_usage,
)
from provider_features import shows
from wire_server import Reply, WireServer, json_reply, lines_reply

import watchpost

USAGE = openai_usage(1000, 100)
# 1,000 x 1.25 + 100 x 5, and 1,000 x 0.01
CHAT_USD, EMBEDDING_USD = Decimal("0.00175"), Decimal("0.00001")
AFTER_THE_LIST = 1_795_000_000 * 1_000_000_000


def lines() -> Reply:
    """An output file of two chats and an embedding, and of one request that failed."""
    embedded = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1000},
    }
    answers = [{**chat("gpt-4o", USAGE), "id": f"chatcmpl-{number}"} for number in (1, 2)]
    failed = {"id": "b", "custom_id": "4", "response": None, "error": {"code": "expired"}}
    return lines_reply([*map(in_openai_batch, (*answers, embedded)), failed])


@shows("unpatched: `record`", "tokens", "dollars", of=["openai batches"])
def test_the_lines_of_openais_output_file_are_recorded(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    recorder.install(clock=lambda: AFTER_THE_LIST)
    wire.answer(lines())
    text = connect().files.content("file-1").text
    with watchpost.span("nightly"):
        for line in text.splitlines():
            watchpost.current().record(json.loads(line))

    found = [dict(span.attributes) for span in recorder.spans if span.name != "nightly"]
    assert [one["gen_ai.operation.name"] for one in found] == ["chat", "chat", "embeddings"]
    assert all(one["watchpost.batch"] is True for one in found)
    costs = [Decimal(one["watchpost.cost.usd"]) for one in found]
    assert costs == [CHAT_USD, CHAT_USD, EMBEDDING_USD]
    assert "watchpost.cost.usd" not in recorder.named("nightly").attributes


@shows("unpatched: `record`", "tokens", "dollars", of=["anthropic batches"])
def test_the_results_of_anthropics_batches_are_recorded(wire: WireServer, recorder: Any) -> None:
    recorder.install(clock=lambda: AFTER_THE_LIST)
    batch = {"id": "b", "type": "message_batch", "results_url": f"{wire.url}/results"}
    answer = in_anthropic_batch(message(HAIKU, 50, 1000, service_tier="batch"))
    failed = {"custom_id": "2", "result": {"type": "expired"}}
    wire.answer(json_reply(batch), lines_reply([answer, failed]))
    http = anthropic.DefaultHttpxClient(verify=False)
    with (
        anthropic.Anthropic(base_url=wire.url, api_key="test", http_client=http) as client,
        watchpost.span("nightly"),
    ):
        for result in client.messages.batches.results("b"):
            watchpost.current().record(result)

    found = recorder.generation
    assert found["watchpost.batch"] is True
    # 1,000 x 0.5 + 50 x 2.5
    assert Decimal(found["watchpost.cost.usd"]) == Decimal("0.000625")


def test_the_making_of_a_batch_is_no_call(connect: Any, wire: WireServer, recorder: Any) -> None:
    wire.answer(json_reply({"id": "batch_1", "object": "batch"}))
    made = connect().batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )

    assert isinstance(made, openai.types.Batch)
    assert recorder.spans == []
