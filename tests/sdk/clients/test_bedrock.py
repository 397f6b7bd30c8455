"""What only Bedrock does: recorded answers, envelopes, counts in headers, embeddings, profiles."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bedrock_cases import CLAUDE, Claude, Converse, Llama
from bedrock_wire import frame_event, frame_exception
from provider_cases import Said
from provider_features import shows
from wire_server import Reply, WireServer, json_reply
from word_guard import WordGuard

import watchpost
from watchpost.providers import PROVIDERS, find_by_result
from watchpost.screening.policy import Policy

RECORDED = Path(__file__).parents[2] / "fixtures" / "provider-responses"
ASKED = [{"role": "user", "content": [{"text": "hello"}]}]
STREAM = "application/vnd.amazon.eventstream"


def recorded(name: str) -> tuple[dict[str, Any], Reply]:
    """A recorded exchange: what was asked, and what came back as it came."""
    exchange = json.loads((RECORDED / f"{name}.json").read_text())[0]
    pairs = exchange["rawHeaders"]
    headers = {k: v for k, v in zip(pairs[::2], pairs[1::2], strict=True) if "mzn" in k}
    answer = exchange["response"]
    if isinstance(answer, str):
        raw = bytes.fromhex(answer)
        return exchange["body"], Reply(200, STREAM, (raw[:999], raw[999:]), headers=headers)
    return exchange["body"], Reply(pieces=(json.dumps(answer).encode(),), headers=headers)


@pytest.fixture
def client(wire: WireServer) -> Any:
    return watchpost.patch(Converse().connect(wire.url, False))


def test_a_recorded_conversation_is_read(client: Any, wire: WireServer, recorder: Any) -> None:
    body, reply = recorded("bedrock-converse")
    wire.answer(reply)
    answer = client.converse(modelId="anthropic.claude-3-5-sonnet-20240620-v1:0", **body)

    found = recorder.generation
    assert found["gen_ai.response.id"] == answer["ResponseMetadata"]["RequestId"]
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (57, 100)
    # 57 x 3 + 100 x 15 USD a million.
    assert found["watchpost.cost.usd"] == "0.001671"
    assert found["gen_ai.response.finish_reasons"] == ("max_tokens",)
    assert found["gen_ai.request.temperature"] == 0.1
    assert "geography" in found["gen_ai.system_instructions"]
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("The capital of France")


def test_a_recorded_stream_with_a_tool_is_read_as_its_bytes_came(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    body, reply = recorded("bedrock-converse-stream-tools")
    wire.answer(reply)
    model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
    events = list(client.converse_stream(modelId=model, **body)["stream"])

    assert events[0] == {"messageStart": {"role": "assistant"}}
    said, called = recorder.messages("output")[0]["parts"]
    assert said["content"].startswith("I can certainly help you with the weather")
    assert called["name"] == "get_weather"
    assert json.loads(called["arguments"])["location"] == "San Francisco, CA"
    found = recorder.generation
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (414, 114)


def test_tokens_that_only_the_headers_tell_are_counted(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    body, reply = recorded("bedrock-invoke-without-usage")
    wire.answer(reply)
    answer = client.invoke_model(modelId=CLAUDE, body=json.dumps(body))

    assert json.loads(answer["body"].read())["id"] == "msg_bdrk_01WnczgPLNeFxGoqRLQnmKQR"
    assert answer["body"].read() == b""
    found = recorder.generation
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (13, 21)
    assert found["watchpost.usage.source"] == "provider"


def test_the_body_a_caller_gets_is_the_one_that_came(client: Any, wire: WireServer) -> None:
    spelled = b'{"generation" : "\\u00fcber", "prompt_token_count": 1, "generation_token_count": 1}'
    wire.answer(Reply(pieces=(spelled,)))
    answer = client.invoke_model(modelId=Llama.model, body=b'{"prompt": "x"}')

    assert type(answer["body"]).__name__ == "StreamingBody"
    assert answer["body"].read() == spelled


def test_a_body_that_breaks_off_breaks_where_the_caller_reads_it(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(Reply(pieces=(b'{"generation": ',), breaks=True))
    with watchpost.span("asked"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("watchpost.runtime.SHIELD.strict", False)
        answer = client.invoke_model(modelId=Llama.model, body=b'{"prompt": "x"}')

    with pytest.raises(Exception, match=r"(?i)incomplete|broken"):
        answer["body"].read()
    assert recorder.generation["watchpost.usage.source"] == "none"


def test_a_body_given_as_a_file_is_read_and_still_sent(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(Llama().whole(Said()))
    client.invoke_model(modelId=Llama.model, body=io.BytesIO(b'{"prompt": "from a file"}'))

    assert "from a file" in wire.sent
    assert recorder.messages("input")[0]["parts"][0]["content"] == "from a file"


def test_an_exception_within_a_stream_is_the_callers_and_recorded(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    frames = (
        frame_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "It is "}}),
        frame_exception("throttlingException", "slow down"),
    )
    wire.answer(Reply(content_type=STREAM, pieces=frames))
    stream = client.converse_stream(modelId=CLAUDE, messages=ASKED)["stream"]
    with closing(stream), pytest.raises(Exception, match="slow down") as caught:
        list(stream)

    assert type(caught.value).__name__ == "EventStreamError"
    found = recorder.generation
    assert found["error.type"] == "EventStreamError"
    assert found["watchpost.stream.end"] == "error"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "It is "


def test_everything_that_is_text_in_a_conversation_is_guarded(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    used = {"toolUseId": "t", "name": "find", "input": {"who": ["Ada"]}}
    told = {"toolUseId": "t", "content": [{"json": {"found": "Ada"}}, {"text": "Ada"}]}
    document = {"format": "txt", "name": "note", "source": {"text": "about Ada"}}
    messages = [
        {"role": "user", "content": [{"text": "find Ada"}, {"document": document}]},
        {"role": "assistant", "content": [{"toolUse": used}]},
        {"role": "user", "content": [{"toolResult": told}]},
    ]
    before = json.dumps(messages)
    wire.answer(Converse().whole(Said()))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.converse(modelId=CLAUDE, messages=messages, system=[{"text": "You serve Ada."}])

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 6
    assert json.dumps(messages) == before
    kinds = [part["type"] for message in recorder.messages("input") for part in message["parts"]]
    assert kinds == ["text", "text", "tool_call", "tool_call_response"]


@shows("media", of=["bedrock converse"])
def test_an_image_is_counted_and_not_copied(client: Any, wire: WireServer, recorder: Any) -> None:
    image = {"format": "png", "source": {"bytes": b"\x89PNG" + b"A" * 2996}}
    wire.answer(Converse().whole(Said()))
    client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"image": image}]}])

    (part,) = recorder.messages("input")[0]["parts"]
    assert part == {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "size_bytes": 3000,
    }


def test_writes_kept_for_an_hour_are_known_as_such(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    body = Converse().body_of(Said())
    body["usage"]["cacheDetails"] = [
        {"ttl": "5m", "inputTokens": 1},
        {"ttl": "1h", "inputTokens": 80},
    ]
    wire.answer(json_reply(body))
    client.converse(modelId=CLAUDE, messages=ASKED)

    # 5 x 3.30 + 1,920 x 0.33 + 1 x 4.125 + 80 x 6.60 + 300 x 16.50 USD a million.
    assert recorder.generation["watchpost.cost.usd"] == "0.006132225"


@pytest.mark.parametrize(
    ("model", "body", "answer", "headers", "dollars"),
    [
        (
            "amazon.titan-embed-text-v2:0",
            {"inputText": "hello", "dimensions": 3},
            {"embedding": [0.1, 0.2, 0.3], "inputTextTokenCount": 1000},
            {},
            # 1,000 x 0.02 USD a million.
            "0.00002",
        ),
        (
            "cohere.embed-multilingual-v3",
            {"texts": ["hello"], "input_type": "search_document"},
            {"embeddings": [[0.1, 0.2, 0.3]], "texts": ["hello"]},
            {"x-amzn-bedrock-input-token-count": "1000"},
            None,
        ),
    ],
)
def test_an_embedding_has_tokens_and_a_size(
    client: Any,
    wire: WireServer,
    recorder: Any,
    model: str,
    body: Any,
    answer: Any,
    headers: dict[str, str],
    dollars: str | None,
) -> None:
    wire.answer(Reply(pieces=(json.dumps(answer).encode(),), headers=headers))
    client.invoke_model(modelId=model, body=json.dumps(body))

    (span,) = recorder.spans
    found = dict(span.attributes)
    assert found["gen_ai.operation.name"] == "embeddings"
    assert found["gen_ai.usage.input_tokens"] == 1000
    assert found["gen_ai.embeddings.dimension.count"] == 3
    assert found.get("watchpost.cost.usd") == dollars
    assert "hello" in found["gen_ai.input.messages"]


def test_a_body_nobody_can_read_is_stopped_where_a_guard_should_see_it(
    client: Any, wire: WireServer, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchpost.runtime.SHIELD.strict", False)
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(watchpost.WatchpostError):
        client.invoke_model(modelId=CLAUDE, body=b"\xffno json")

    assert wire.requests == []


def test_other_operations_of_the_client_pass_untouched(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply({"inputTokens": 7}))
    asked = {"converse": {"messages": ASKED}}
    assert client.count_tokens(modelId=CLAUDE, input=asked)["inputTokens"] == 7
    assert recorder.spans == []


@pytest.mark.parametrize(
    "answer",
    [
        Claude().body_of(Said()),
        Llama().body_of(Said()),
        {"inputTextTokenCount": 1, "results": [{"outputText": "x", "tokenCount": 1}]},
        {"embedding": [0.1], "inputTextTokenCount": 1},
        Converse().body_of(Said()),
    ],
)
def test_a_parsed_body_is_known_as_bedrocks(answer: Any) -> None:
    found = find_by_result(answer)
    assert found is not None
    assert found.name == "aws.bedrock"


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"text": "x", "finish_reason": "stop"}]},
        {"outputs": [{"text": "x"}]},
        {"text": "x"},
        {"embedding": [0.1]},
        {"output": "x"},
    ],
)
def test_what_another_might_say_is_not_bedrocks(answer: Any) -> None:
    bedrocks = [provider for provider in PROVIDERS if provider.name == "aws.bedrock"]
    assert bedrocks
    assert not any(provider.owns_result(answer) for provider in bedrocks)
