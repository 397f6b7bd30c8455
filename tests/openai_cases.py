"""OpenAI's own client against the wire: chat, responses and the older completions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import openai
from chat_wire import USAGE, WEATHER, chat_chunks, chat_reply, chunks_reply, refusal
from provider_cases import ARGUMENTS, SHAPES, ProviderCase, Said
from wire_server import Reply, json_reply, sse_reply

COMPLETION_USAGE = {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306}
HEAD = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "gpt-3.5-turbo-instruct",
}
RESPONSE_USAGE = {
    "input_tokens": 2006,
    "input_tokens_details": {"cached_tokens": 1920},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 128},
    "total_tokens": 2306,
}


class OpenAICase(ProviderCase):
    provider = "openai"
    cache_read_tokens = 1920
    reasoning_tokens = 128
    error_type = "BadRequestError"
    retries = SHAPES

    def connect(self, url: str, is_async: bool) -> Any:
        library: Any = openai
        http = library.DefaultAsyncHttpxClient if is_async else library.DefaultHttpxClient
        kind = library.AsyncOpenAI if is_async else library.OpenAI
        return kind(base_url=url, api_key="test", http_client=http(verify=False))

    def error(self, status: int) -> Reply:
        return refusal(status)


class Chat(OpenAICase):
    name = "openai chat"
    model = response_model = "gpt-5"
    response_id = "chatcmpl-1"
    # 86 x 1.25 + 1,920 x 0.125 + 300 x 10 USD a million.
    cost_usd = "0.0033475"

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        more = {"stream": True, "stream_options": {"include_usage": True}} if streaming else {}
        return partial(client.chat.completions.create, **more)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = {"role": "user", "content": text}
        if typed:
            # What a model said is handed back as the client's own object.
            asked = openai.types.chat.ChatCompletionMessage.model_construct(**asked)
        return {"model": self.model, "messages": [asked], "max_completion_tokens": 50}

    def tools(self) -> dict[str, Any]:
        return {"tools": [WEATHER]}

    def whole(self, said: Said) -> Reply:
        return chat_reply(said, self.model, usage=USAGE)

    def stream(self, said: Said) -> Reply:
        chunks = chat_chunks(said, self.model)
        return chunks_reply([*chunks, {**chunks[0], "choices": [], "usage": USAGE}])

    def text_of(self, result: Any) -> str:
        return result.choices[0].message.content or ""

    def delta_of(self, chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""


class Completions(OpenAICase):
    name = "openai completions"
    operation = "text_completion"
    model = response_model = "gpt-3.5-turbo-instruct"
    response_id = "cmpl-1"
    cache_read_tokens = reasoning_tokens = 0
    has_tools = False
    thinks = False
    opening = 0
    # 2,006 x 1.5 + 300 x 2 USD a million.
    cost_usd = "0.003609"

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        more = {"stream": True, "stream_options": {"include_usage": True}} if streaming else {}
        return partial(client.completions.create, **more)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {"model": self.model, "prompt": text, "max_tokens": 50}

    def choice(self, text: str, finish: str | None = "stop") -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}

    def whole(self, said: Said) -> Reply:
        return json_reply({**HEAD, "choices": [self.choice(said.text)], "usage": COMPLETION_USAGE})

    def stream(self, said: Said) -> Reply:
        choices = [*(self.choice(piece, None) for piece in said.pieces), self.choice("")]
        chunks = [{**HEAD, "choices": [choice]} for choice in choices]
        return sse_reply([*chunks, {**HEAD, "choices": [], "usage": COMPLETION_USAGE}], done=True)

    def text_of(self, result: Any) -> str:
        return str(result.choices[0].text)

    def delta_of(self, chunk: Any) -> str:
        return chunk.choices[0].text if chunk.choices else ""


class Responses(OpenAICase):
    name = "openai responses"
    model = response_model = "gpt-5"
    response_id = "resp_1"
    cost_usd = "0.0033475"
    opening = 3

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(client.responses.create, stream=streaming)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = [{"role": "user", "content": text}]
        if typed:
            asked = [openai.types.responses.EasyInputMessage(role="user", content=text)]
        return {"model": self.model, "input": asked, "max_output_tokens": 50}

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", "strict": False, **WEATHER["function"]}]}

    def body(self, output: list[Any], status: str = "completed") -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": self.model,
            "status": status,
            "output": output,
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "usage": RESPONSE_USAGE if output else None,
        }

    def items(self, said: Said) -> list[dict[str, Any]]:
        if said.calls_tool:
            call = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
            return [{"type": "function_call", "id": "fc", "call_id": "call-1", **call}]
        thought = {"type": "summary_text", "text": said.thought}
        content = {"type": "output_text", "text": said.text, "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
        thoughts = [{"type": "reasoning", "id": "r", "summary": [thought]}] if said.thought else []
        return [*thoughts, {**item, "content": [content]}]

    def events(self, said: Said) -> Iterator[dict[str, Any]]:
        items = self.items(said)
        yield {"type": "response.created", "response": self.body([], "in_progress")}
        for index, item in enumerate(items):
            place = {"output_index": index, "item_id": item["id"]}
            if item["type"] == "message":
                yield {
                    "type": "response.output_item.added",
                    **place,
                    "item": {**item, "content": []},
                }
                place["content_index"] = 0
                part = {"type": "output_text", "text": "", "annotations": []}
                yield {"type": "response.content_part.added", **place, "part": part}
                for piece in said.pieces:
                    yield {"type": "response.output_text.delta", **place, "delta": piece}
                yield {"type": "response.output_text.done", **place, "text": said.text}
            elif item["type"] == "reasoning":
                kind, place["summary_index"] = "response.reasoning_summary_text", 0
                yield {"type": f"{kind}.delta", **place, "delta": said.thought}
                yield {"type": f"{kind}.done", **place, "text": said.thought}
            else:
                kind, text = "response.function_call_arguments", item["arguments"]
                yield {"type": f"{kind}.delta", **place, "delta": text[:5]}
                yield {"type": f"{kind}.delta", **place, "delta": text[5:]}
                yield {"type": f"{kind}.done", **place, "arguments": text, "name": "weather"}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": "response.completed", "response": self.body(items)}

    def whole(self, said: Said) -> Reply:
        return json_reply(self.body(self.items(said)))

    def stream(self, said: Said) -> Reply:
        numbered = enumerate(self.events(said))
        return sse_reply(({**event, "sequence_number": n} for n, event in numbered), named=True)

    def text_of(self, result: Any) -> str:
        return str(result.output_text)

    def delta_of(self, chunk: Any) -> str:
        return chunk.delta if chunk.type == "response.output_text.delta" else ""


CASES = (Chat(), Completions(), Responses())
