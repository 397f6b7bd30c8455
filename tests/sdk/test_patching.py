"""Patched clients: what they record, and that they stay what they were."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import anthropic
import openai
import pytest
import tiktoken
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

import watchpost
from watchpost.errors import ConfigError
from watchpost.patching import unpatch
from watchpost.testing.exchange import Answer, Failure, ToolCall, Usage

USAGE = Usage(input=2006, output=300, cache_read=1920, reasoning=128)


async def test_every_shape_of_every_protocol_records_the_same_generation(
    caller: Any, recorder: Any
) -> None:
    caller.provider.answer(Answer(text="It is 14 degrees.", usage=USAGE))
    # Anthropic's client takes no temperature any more.
    options = {} if caller.protocol == "messages" else {"temperature": 0.25}
    said = await caller.ask("How warm is it in Bern?", **options)

    assert said == "It is 14 degrees."
    found = recorder.generation
    assert found["gen_ai.request.model"] == caller.model
    assert found["gen_ai.response.model"] == caller.model
    assert found["gen_ai.response.id"]
    assert found.get("gen_ai.request.temperature") == options.get("temperature")
    assert found["gen_ai.request.max_tokens"] == 50
    assert found["gen_ai.request.stream"] is caller.streaming
    assert found["gen_ai.usage.input_tokens"] == 2006
    assert found["gen_ai.usage.output_tokens"] == 300
    assert found["gen_ai.usage.cache_read.input_tokens"] == 1920
    assert found["watchpost.usage.source"] == "provider"
    assert float(found["watchpost.cost.usd"]) > 0
    assert 0 < found["watchpost.context.use"] < 1
    assert found["server.address"] == "127.0.0.1"
    asked = {"type": "text", "content": "How warm is it in Bern?"}
    assert recorder.messages("input") == [{"role": "user", "parts": [asked]}]
    answered = {"type": "text", "content": "It is 14 degrees."}
    assert recorder.messages("output")[0]["parts"] == [answered]
    assert ("gen_ai.response.time_to_first_chunk" in found) is caller.streaming
    (span,) = recorder.spans
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET


async def test_tool_calls_and_definitions_are_recorded(caller: Any, recorder: Any) -> None:
    caller.provider.answer(Answer(tool_calls=[ToolCall("weather", {"city": "Bern"})]))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool: dict[str, Any] = {"name": "weather", "input_schema": schema}
    if caller.protocol == "responses":
        tool = {"type": "function", "name": "weather", "parameters": schema, "strict": False}
    if caller.protocol == "chat":
        tool = {"type": "function", "function": {"name": "weather", "parameters": schema}}
    await caller.ask("Use the tool.", tools=[tool])

    (called,) = recorder.messages("output")[0]["parts"]
    assert (called["type"], called["name"]) == ("tool_call", "weather")
    assert "Bern" in str(called["arguments"])
    assert '"weather"' in recorder.generation["gen_ai.tool.definitions"]
    reason = {"chat": "tool_calls", "responses": "tool_calls", "messages": "tool_use"}
    assert recorder.generation["gen_ai.response.finish_reasons"] == (reason[caller.protocol],)


async def test_a_providers_error_passes_unchanged_and_is_recorded(
    caller: Any, recorder: Any
) -> None:
    caller.provider.fail(400, "no such thing")
    library = anthropic if caller.protocol == "messages" else openai
    with pytest.raises(library.BadRequestError) as caught:
        await caller.ask("hello")

    assert type(caught.value) is library.BadRequestError
    found = recorder.generation
    assert found["error.type"] == "BadRequestError"
    assert found["http.response.status_code"] == 400
    assert found["watchpost.usage.source"] == "none"
    assert "watchpost.cost.usd" not in found
    (span,) = recorder.spans
    assert span.status.status_code is StatusCode.ERROR


async def test_retries_are_counted(caller: Any, recorder: Any) -> None:
    caller.provider.fail(500, "busy", retry_after_s=0.01)
    caller.provider.fail(500, "busy", retry_after_s=0.01)
    await caller.ask("hello")

    assert recorder.generation["watchpost.retries"] == 2


async def test_what_a_caller_appends_afterwards_is_not_recorded(caller: Any, recorder: Any) -> None:
    key = "input" if caller.protocol == "responses" else "messages"
    asked = [{"role": "user", "content": "first"}]
    await caller.ask("", **{key: asked})
    asked.append({"role": "user", "content": "later"})
    asked[0]["content"] = "changed"

    parts = [message["parts"][0]["content"] for message in recorder.messages("input")]
    assert parts == ["first"]


async def test_the_arguments_of_a_call_are_never_changed(caller: Any, recorder: Any) -> None:
    key = "input" if caller.protocol == "responses" else "messages"
    asked = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    if caller.protocol == "responses":
        asked = [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
    before = repr(asked)
    await caller.ask("", **{key: asked})

    assert repr(asked) == before
    assert recorder.generations


@pytest.mark.parametrize("shape", ["stream", "async stream"])
async def test_a_stream_without_usage_is_counted_and_says_so(
    make_caller: Any, recorder: Any, shape: str
) -> None:
    caller = make_caller("chat", shape)
    await caller.ask("How warm is it?", stream_options={"include_usage": False})

    found = recorder.generation
    assert found["watchpost.usage.source"] == "estimated"
    said = tiktoken.get_encoding("o200k_base").encode("Hello, this is the stand-in provider.")
    assert found["gen_ai.usage.output_tokens"] == len(said)
    assert found["gen_ai.usage.input_tokens"] > 5
    assert "gen_ai.usage.cache_read.input_tokens" not in found


async def test_the_client_reads_parsed_and_raw_answers_as_before(
    make_caller: Any, recorder: Any
) -> None:
    chat = make_caller("chat", "sync")
    raw = chat.client.chat.completions.with_raw_response.create(**chat.arguments("hello"))

    assert type(raw).__name__ == "LegacyAPIResponse"
    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content.startswith("Hello")
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("Hello")


async def test_anthropics_stream_helper_gives_its_own_events(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("messages", "sync")
    with caller.client.messages.stream(**caller.arguments("hello")) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()

    assert "".join(texts) == final.content[0].text
    assert recorder.messages("output")[0]["parts"][0]["content"] == final.content[0].text
    assert recorder.generation["gen_ai.response.id"] == final.id


async def test_anthropics_async_stream_helper_gives_its_own_events(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("messages", "async")
    async with caller.client.messages.stream(**caller.arguments("hello")) as stream:
        final = await stream.get_final_message()

    assert recorder.generation["gen_ai.response.id"] == final.id


async def test_openais_stream_helper_gives_its_own_events(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "sync")
    with caller.client.chat.completions.stream(**caller.arguments("hello")) as stream:
        final = stream.get_final_completion()

    said = recorder.messages("output")[0]["parts"][0]["content"]
    assert said == final.choices[0].message.content


class Weather(BaseModel):
    """What an answer is parsed into."""

    degrees: int


LIBRARIES = ("httpx", "httpx2", "openai", "anthropic")
PARSED = {"chat": ("chat.completions", "parsed"), "responses": ("responses", "output_parsed")}


@pytest.mark.parametrize("protocol", PARSED)
async def test_a_parsed_answer_is_recorded_and_stays_parsed(
    make_caller: Any, recorder: Any, protocol: str
) -> None:
    caller = make_caller(protocol, "sync")
    caller.provider.answer('{"degrees": 14}')
    owner, name = PARSED[protocol]
    wanted = {"response_format" if protocol == "chat" else "text_format": Weather}
    answer = attrgetter(owner)(caller.client).parse(**caller.arguments("hello"), **wanted)

    held = answer.choices[0].message if protocol == "chat" else answer
    assert getattr(held, name) == Weather(degrees=14)
    assert recorder.messages("output")[0]["parts"][0]["content"] == '{"degrees": 14}'


async def test_the_stream_helper_of_responses_gives_its_own_events(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("responses", "sync")
    with caller.client.responses.stream(**caller.arguments("hello")) as stream:
        final = stream.get_final_response()

    said = recorder.messages("output")[0]["parts"][0]["content"]
    assert said == final.output_text
    assert recorder.generation["gen_ai.response.id"] == final.id


async def test_patching_twice_records_once(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "sync")
    assert watchpost.patch(caller.client) is caller.client
    await caller.ask("hello")

    assert len(recorder.spans) == 1


async def test_a_copy_made_with_options_is_patched_and_the_class_is_not(
    make_caller: Any, make_raw: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "sync")
    copied = caller.client.with_options(timeout=5)
    copied.chat.completions.create(**caller.arguments("hello"))
    make_raw("chat").chat.completions.create(**caller.arguments("hello"))

    assert type(copied) is openai.OpenAI
    assert len(recorder.spans) == 1


async def test_a_subclass_of_a_client_is_patched(provider: Any, recorder: Any) -> None:
    class OurClient(openai.OpenAI):
        pass

    with OurClient(base_url=provider.openai_url, api_key="test") as client:
        ask = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
        watchpost.patch(client).chat.completions.create(**ask)

    assert len(recorder.generations) == 1


async def test_unpatching_leaves_nothing_behind(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("messages", "sync")
    assert unpatch(caller.client) is caller.client
    await caller.ask("hello")

    assert not recorder.generations
    assert "request" not in vars(caller.client)


def test_something_that_is_no_client_is_refused_with_a_cure() -> None:
    with pytest.raises(ConfigError, match=r"current\(\)\.record"):
        watchpost.patch(object())


async def test_other_requests_of_a_client_pass_untouched(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "sync")
    with pytest.raises(openai.NotFoundError):
        caller.client.vector_stores.create(name="hello")

    assert recorder.spans == []


async def test_log_probabilities_are_kept_as_a_summary(make_caller: Any, recorder: Any) -> None:
    from watchpost.providers.openai_chat import read_result

    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]
    choice = {"message": {"content": "ab"}, "logprobs": {"content": tokens}}
    details = read_result({"choices": [choice]}).details

    assert details["watchpost.logprob.mean"] == -1.0
    assert details["watchpost.logprob.min"] == -1.5


BREAKS = [("chat", 0), ("chat", 500), ("responses", 0), ("messages", 0), ("messages", 500)]


@pytest.mark.parametrize(("protocol", "status"), BREAKS)
@pytest.mark.parametrize("shape", ["stream", "async stream"])
async def test_a_stream_that_breaks_keeps_what_was_seen(
    make_caller: Any, protocol: str, shape: str, status: int, recorder: Any
) -> None:
    caller = make_caller(protocol, shape)
    broken = Failure(status, after_pieces=2)
    caller.provider.answer(Answer(text="one two three four", failure=broken))
    with pytest.raises(Exception, match=r".") as caught:
        await caller.ask("count")

    assert type(caught.value).__module__.partition(".")[0] in LIBRARIES
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("one two")
    found = recorder.generation
    assert found["watchpost.stream.end"] == "error"
    assert found["error.type"] == type(caught.value).__qualname__
    assert found["watchpost.usage.source"] == "estimated"


async def test_an_error_that_comes_as_an_event_is_recorded(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("responses", "stream")
    caller.provider.answer(Answer(text="one two three", failure=Failure(500, after_pieces=2)))
    assert await caller.ask("count") == "one two "

    assert recorder.generation["gen_ai.response.finish_reasons"] == ("error",)
