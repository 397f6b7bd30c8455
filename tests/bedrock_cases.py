"""boto3's client of the Bedrock runtime against the wire: Converse, and every maker's own body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3
from bedrock_wire import converse_reply, invoke_reply
from botocore.config import Config
from provider_cases import ARGUMENTS, ProviderCase, Said
from wire_server import Reply, json_reply

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 2006, "outputTokenCount": 300}}


@cache
def session() -> Any:
    """One for all: it keeps what it has read of Bedrock's description, which takes long to read."""
    return boto3.Session("test", "test", region_name="us-east-1")


class Converse(ProviderCase):
    name = "bedrock converse"
    provider = "aws.bedrock"
    model = CLAUDE
    cache_read_tokens = 1920
    # 5 x 3.30 + 1,920 x 0.33 + 81 x 4.125 + 300 x 16.50 USD a million: the price of a region.
    cost_usd = "0.005934225"
    finish = "end_turn"
    tool_finish = "tool_use"
    error_type = "ValidationException"
    # Not asked of all shapes: boto3 waits a while before it tries again, whatever it is told.
    retries = ("sync", "stream")

    def connect(self, url: str, is_async: bool) -> Any:
        alone = Config(retries={"total_max_attempts": 3, "mode": "standard"})
        return session().client("bedrock-runtime", endpoint_url=url, config=alone)

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        """An async program asks in a thread, which is the way with boto3."""
        ask = partial(self.ask_for_stream if streaming else self.ask, client)
        return partial(asyncio.to_thread, ask) if is_async else ask

    def ask(self, client: Any, **arguments: Any) -> Any:
        return client.converse(**arguments)

    def ask_for_stream(self, client: Any, **arguments: Any) -> Any:
        return client.converse_stream(**arguments)["stream"]

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {
            "modelId": self.model,
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "inferenceConfig": {"maxTokens": 50, "temperature": 0.25},
        }

    def tools(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        tool = {"name": "weather", "inputSchema": {"json": schema}}
        return {"toolConfig": {"tools": [{"toolSpec": tool}]}}

    def whole(self, said: Said) -> Reply:
        return json_reply(self.body_of(said))

    def stream(self, said: Said) -> Reply:
        return converse_reply(self.events_of(said))

    def error(self, status: int) -> Reply:
        told = json_reply({"message": "no such thing"}, status)
        return Reply(status, pieces=told.pieces, headers={"x-amzn-errortype": self.error_type})

    def text_of(self, result: Any) -> str:
        content = result["output"]["message"]["content"]
        return "".join(block.get("text", "") for block in content)

    def delta_of(self, chunk: Any) -> str:
        delta = chunk.get("contentBlockDelta", {}).get("delta", {})
        return str(delta.get("text", ""))

    def usage(self) -> dict[str, Any]:
        return {
            "inputTokens": 5,
            "outputTokens": 300,
            "totalTokens": 2306,
            "cacheReadInputTokens": 1920,
            "cacheWriteInputTokens": 81,
        }

    def body_of(self, said: Said) -> dict[str, Any]:
        content: list[Any] = [{"text": said.text}]
        if said.thought:
            content = [{"reasoningContent": {"reasoningText": {"text": said.thought}}}, *content]
        if said.calls_tool:
            call = {"toolUseId": "call-1", "name": "weather", "input": ARGUMENTS}
            content = [{"toolUse": call}]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": self.tool_finish if said.calls_tool else self.finish,
            "usage": self.usage(),
            "metrics": {"latencyMs": 12},
        }

    def events_of(self, said: Said) -> list[dict[str, Any]]:
        def delta(told: Any, index: int = 0) -> dict[str, Any]:
            return {"contentBlockDelta": {"contentBlockIndex": index, "delta": told}}

        events: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}]
        if said.calls_tool:
            call = {"toolUseId": "call-1", "name": "weather"}
            spelled = json.dumps(ARGUMENTS)
            start = {"contentBlockIndex": 0, "start": {"toolUse": call}}
            events.append({"contentBlockStart": start})
            events += [delta({"toolUse": {"input": p}}) for p in (spelled[:5], spelled[5:])]
        else:
            if said.thought:
                events.append(delta({"reasoningContent": {"text": said.thought}}))
            events += [delta({"text": piece}, 1) for piece in said.pieces]
        events.append({"contentBlockStop": {"contentBlockIndex": 0}})
        reason = self.tool_finish if said.calls_tool else self.finish
        events.append({"messageStop": {"stopReason": reason}})
        events.append({"metadata": {"usage": self.usage(), "metrics": {"latencyMs": 12}}})
        return events


class Invoke(Converse):
    """What a maker's body has in common with another's: the envelope."""

    retries = ("sync",)

    def ask(self, client: Any, modelId: str, **body: Any) -> Any:  # noqa: N803 - boto3's name
        answer = client.invoke_model(modelId=modelId, body=json.dumps(body))
        return json.loads(answer["body"].read())

    def ask_for_stream(self, client: Any, modelId: str, **body: Any) -> Any:  # noqa: N803
        told = json.dumps(body).encode()
        return client.invoke_model_with_response_stream(modelId=modelId, body=told)["body"]

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {"modelId": self.model, **self.asked(text)}

    def stream(self, said: Said) -> Reply:
        return invoke_reply(self.events_of(said))

    def delta_of(self, chunk: Any) -> str:
        return self.delta_in(json.loads(chunk["chunk"]["bytes"]))

    def asked(self, text: str) -> dict[str, Any]:
        raise NotImplementedError

    def delta_in(self, piece: Any) -> str:
        return super().delta_of(piece)


class Claude(Invoke):
    name = "bedrock invoke claude"
    response_model = "claude-sonnet-4-5-20250929"
    response_id = "msg_bdrk_01"
    opening = 2

    def asked(self, text: str) -> dict[str, Any]:
        return {
            "anthropic_version": "bedrock-2023-05-31",
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
            "max_tokens": 50,
            "temperature": 0.25,
        }

    def tools(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        return {"tools": [{"name": "weather", "input_schema": schema}]}

    def usage(self) -> dict[str, Any]:
        return {
            "input_tokens": 5,
            "output_tokens": 300,
            "cache_read_input_tokens": 1920,
            "cache_creation_input_tokens": 81,
        }

    def body_of(self, said: Said) -> dict[str, Any]:
        content: list[Any] = [{"type": "text", "text": said.text}]
        if said.thought:
            content = [{"type": "thinking", "thinking": said.thought}, *content]
        if said.calls_tool:
            content = [{"type": "tool_use", "id": "call-1", "name": "weather", "input": ARGUMENTS}]
        reason = self.tool_finish if said.calls_tool else self.finish
        return {**self._head(), "content": content, "stop_reason": reason, "usage": self.usage()}

    def events_of(self, said: Said) -> list[dict[str, Any]]:
        def delta(told: Any, index: int) -> dict[str, Any]:
            return {"type": "content_block_delta", "index": index, "delta": told}

        def start(block: Any, index: int) -> dict[str, Any]:
            return {"type": "content_block_start", "index": index, "content_block": block}

        head = {**self._head(), "content": [], "usage": {**self.usage(), "output_tokens": 1}}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": head}]
        if said.calls_tool:
            call = {"type": "tool_use", "id": "call-1", "name": "weather", "input": {}}
            spelled = json.dumps(ARGUMENTS)
            events.append(start(call, 0))
            events += [
                delta({"type": "input_json_delta", "partial_json": piece}, 0)
                for piece in (spelled[:5], spelled[5:])
            ]
        else:
            if said.thought:
                events.append(start({"type": "thinking", "thinking": ""}, 0))
                events.append(delta({"type": "thinking_delta", "thinking": said.thought}, 0))
            events.append(start({"type": "text", "text": ""}, 1))
            events += [delta({"type": "text_delta", "text": piece}, 1) for piece in said.pieces]
        reason = self.tool_finish if said.calls_tool else self.finish
        told = {"delta": {"stop_reason": reason}, "usage": {"output_tokens": 300}}
        return [*events, {"type": "message_delta", **told}, {"type": "message_stop", **METRICS}]

    def text_of(self, result: Any) -> str:
        return "".join(block.get("text", "") for block in result["content"])

    def delta_in(self, piece: Any) -> str:
        return str(piece.get("delta", {}).get("text", ""))

    def _head(self) -> dict[str, Any]:
        told = {"id": self.response_id, "model": self.response_model}
        return {**told, "type": "message", "role": "assistant"}


class Nova(Invoke):
    name = "bedrock invoke nova"
    model = "us.amazon.nova-lite-v1:0"
    # 86 x 0.06 + 1,920 x 0.015 + 300 x 0.24 USD a million: writing to its cache costs as reading.
    cost_usd = "0.00010596"

    def asked(self, text: str) -> dict[str, Any]:
        return {
            "schemaVersion": "messages-v1",
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "inferenceConfig": {"maxTokens": 50, "temperature": 0.25},
        }

    def usage(self) -> dict[str, Any]:
        return {
            "inputTokens": 5,
            "outputTokens": 300,
            "totalTokens": 2306,
            "cacheReadInputTokenCount": 1920,
            "cacheWriteInputTokenCount": 81,
        }

    def events_of(self, said: Said) -> list[dict[str, Any]]:
        *events, last = super().events_of(said)
        return [*events, {**last, **METRICS}]


class Llama(Invoke):
    name = "bedrock invoke llama"
    model = "us.meta.llama3-3-70b-instruct-v1:0"
    cache_read_tokens = 0
    # 2,006 x 0.72 + 300 x 0.72 USD a million.
    cost_usd = "0.00166032"
    finish = "stop"
    has_tools = thinks = False

    def asked(self, text: str) -> dict[str, Any]:
        return {"prompt": text, "max_gen_len": 50, "temperature": 0.25}

    def body_of(self, said: Said) -> dict[str, Any]:
        counts = {"prompt_token_count": 2006, "generation_token_count": 300}
        return {"generation": said.text, **counts, "stop_reason": self.finish}

    def events_of(self, said: Said) -> list[dict[str, Any]]:
        pieces: list[dict[str, Any]] = [
            {"generation": piece, "prompt_token_count": None, "generation_token_count": 100 + at}
            for at, piece in enumerate(said.pieces)
        ]
        pieces[0]["prompt_token_count"] = 2006
        last = {"generation": "", "generation_token_count": 300, "stop_reason": self.finish}
        return [*pieces, {**last, **METRICS}]

    def text_of(self, result: Any) -> str:
        return str(result["generation"])

    def delta_in(self, piece: Any) -> str:
        return str(piece["generation"])


class Titan(Invoke):
    name = "bedrock invoke titan"
    model = "amazon.titan-text-express-v1"
    cache_read_tokens = 0
    # 2,006 x 0.20 + 300 x 0.60 USD a million.
    cost_usd = "0.0005812"
    finish = "FINISH"
    has_tools = thinks = False

    def asked(self, text: str) -> dict[str, Any]:
        settings = {"maxTokenCount": 50, "temperature": 0.25}
        return {"inputText": text, "textGenerationConfig": settings}

    def body_of(self, said: Said) -> dict[str, Any]:
        answer = {"tokenCount": 300, "outputText": said.text, "completionReason": self.finish}
        return {"inputTextTokenCount": 2006, "results": [answer]}

    def events_of(self, said: Said) -> list[dict[str, Any]]:
        pieces: list[dict[str, Any]] = [
            {"outputText": piece, "index": 0, "inputTextTokenCount": 2006} for piece in said.pieces
        ]
        ending = {"totalOutputTextTokenCount": 300, "completionReason": self.finish}
        return [*pieces, {"outputText": "", "index": 0, **ending, **METRICS}]

    def text_of(self, result: Any) -> str:
        return str(result["results"][0]["outputText"])

    def delta_in(self, piece: Any) -> str:
        return str(piece["outputText"])


CASES = (Converse(), Claude(), Nova(), Llama(), Titan())
