"""The stand-in provider, spoken to by the real clients of both providers."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

from watchpost.testing.exchange import Answer, Failure, ToolCall, Usage

ASK = [{"role": "user", "content": "Where is my parcel?"}]
COUNTED = Usage(input=1200, output=80, cache_read=1000, cache_write=50, reasoning=16)
LOOK_UP = ToolCall("look_up_order", {"order": "A-17"})


@pytest.fixture
def oai(provider):
    with openai.OpenAI(api_key="k", base_url=provider.openai_url, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider):
    with anthropic.Anthropic(api_key="k", base_url=provider.anthropic_url, max_retries=0) as client:
        yield client


def ask_chat(client, **more):
    return client.chat.completions.create(model="gpt-4.1-mini", messages=ASK, **more)


def ask_claude(client, **more):
    return client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=ASK, **more)


def test_a_chat_completion_carries_text_usage_and_the_request(provider, oai):
    provider.answer(Answer(text="On its way.", usage=COUNTED))
    reply = ask_chat(oai)
    assert reply.choices[0].message.content == "On its way."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens == 1200
    assert reply.usage.prompt_tokens_details.cached_tokens == 1000
    assert reply.usage.completion_tokens_details.reasoning_tokens == 16
    [request] = provider.requests
    assert request.model == "gpt-4.1-mini"
    assert request.headers["authorization"] == "Bearer k"


def test_audio_tokens_are_counted_in_and_out(provider, oai):
    provider.answer(Answer(text="Yes.", usage=Usage(900, 70, audio_input=640, audio_output=33)))
    usage = ask_chat(oai).usage
    assert usage.prompt_tokens_details.audio_tokens == 640
    assert usage.completion_tokens_details.audio_tokens == 33


def test_several_choices_are_answered_each(provider, oai):
    provider.answer(Answer(text=["Yes.", "No."]))
    reply = ask_chat(oai, n=2)
    assert [choice.message.content for choice in reply.choices] == ["Yes.", "No."]


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_chat_stream_reports_usage_only_when_asked(provider, oai, include_usage):
    provider.answer(Answer(text="It is on its way.", usage=COUNTED))
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = list(ask_chat(oai, stream=True, **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "It is on its way."
    usages = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert usages == ([1280] if include_usage else [])


def test_chat_tool_calls_arrive_whole_and_streamed(provider, oai):
    provider.answer(Answer(tool_calls=[LOOK_UP]), Answer(tool_calls=[LOOK_UP]))
    whole = ask_chat(oai).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert json.loads(whole.message.tool_calls[0].function.arguments) == {"order": "A-17"}
    deltas = [c.choices[0].delta.tool_calls for c in ask_chat(oai, stream=True) if c.choices]
    pieces = [delta[0].function for delta in deltas if delta]
    assert pieces[0].name == "look_up_order"
    assert json.loads("".join(piece.arguments for piece in pieces)) == {"order": "A-17"}


def test_responses_arrive_whole_and_streamed(provider, oai):
    provider.answer(Answer(text="Hello there.", tool_calls=[LOOK_UP], usage=COUNTED))
    whole = oai.responses.create(model="gpt-5-mini", input="Hello")
    assert whole.output_text == "Hello there."
    assert whole.output[1].name == "look_up_order"
    assert whole.usage.input_tokens_details.cached_tokens == 1000
    provider.answer(Answer(text="Hello there.", tool_calls=[LOOK_UP], usage=COUNTED))
    with oai.responses.stream(model="gpt-5-mini", input="Hello") as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == "Hello there."
    assert final.usage.output_tokens_details.reasoning_tokens == 16


def test_a_message_counts_cached_tokens_beside_the_input(provider, claude):
    provider.answer(Answer(text="On its way.", usage=COUNTED))
    reply = ask_claude(claude)
    assert reply.content[0].text == "On its way."
    assert reply.stop_reason == "end_turn"
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens) == (150, 1000)


def test_a_message_stream_accumulates_to_the_whole(provider, claude):
    provider.answer(Answer(text="It is on its way.", tool_calls=[LOOK_UP], usage=COUNTED))
    with claude.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=ASK) as stream:
        assert "".join(stream.text_stream) == "It is on its way."
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert final.content[1].input == {"order": "A-17"}
    assert final.usage.output_tokens == 80


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (400, openai.BadRequestError),
    ],
)
def test_openai_errors_are_the_clients_own(provider, oai, status, error):
    provider.fail(status, "not now")
    with pytest.raises(error, match="not now"):
        ask_chat(oai)


def test_anthropic_overload_is_the_clients_own_error(provider, claude):
    provider.fail(529)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_claude(claude)
    assert caught.value.body["error"]["type"] == "overloaded_error"


def test_retry_after_is_obeyed_by_the_client(provider):
    provider.fail(429, retry_after_s=0.01)
    provider.answer("Second time lucky.")
    with openai.OpenAI(api_key="k", base_url=provider.openai_url, max_retries=1) as client:
        assert ask_chat(client).choices[0].message.content == "Second time lucky."
    assert len(provider.requests) == 2


def test_a_request_without_its_required_fields_is_refused(provider, oai):
    with pytest.raises(openai.BadRequestError, match="messages"):
        oai.chat.completions.create(model="gpt-4.1", messages=[])
    assert provider.requests == []


def test_a_stream_that_breaks_says_so_as_each_protocol_does(provider, oai, claude):
    broken = Answer(text="one two three", failure=Failure(500, "lost it", after_pieces=1))
    provider.answer(broken, broken, broken)
    with pytest.raises(openai.APIError, match="lost it"):
        list(ask_chat(oai, stream=True))
    events = list(oai.responses.create(model="gpt-5-mini", input="Hello", stream=True))
    assert (events[-1].type, events[-1].message) == ("error", "lost it")
    with pytest.raises(anthropic.APIStatusError):
        list(ask_claude(claude, stream=True))


def test_a_dropped_connection_is_a_connection_error(provider, oai):
    provider.fail(0)
    with pytest.raises(openai.APIConnectionError):
        ask_chat(oai)


async def test_the_async_clients_are_answered_too(provider):
    provider.answer("Good day.", "Good evening.")
    async with openai.AsyncOpenAI(api_key="k", base_url=provider.openai_url) as client:
        reply = await client.chat.completions.create(model="gpt-4.1", messages=ASK)
    assert reply.choices[0].message.content == "Good day."
    claude = anthropic.AsyncAnthropic(api_key="k", base_url=provider.anthropic_url)
    stream = claude.messages.stream(model="claude-haiku-4-5", max_tokens=9, messages=ASK)
    async with claude, stream as events:
        assert [text async for text in events.text_stream] == ["Good ", "evening."]


def test_an_embedding_hangs_on_its_text_alone_and_comes_in_either_encoding(provider, oai):
    packed = oai.embeddings.create(model="text-embedding-3-small", input=["rain", "sun", "rain"])
    plain = oai.embeddings.create(
        model="text-embedding-3-small", input="rain", encoding_format="float"
    )
    first, second, again = (item.embedding for item in packed.data)
    assert first == again != second
    assert first == pytest.approx(plain.data[0].embedding)
    assert packed.usage.prompt_tokens == 4

    provider.answer(Answer(vectors=[[0.5, -0.5]]))
    scripted = oai.embeddings.create(model="text-embedding-3-small", input="rain")
    assert scripted.data[0].embedding == [0.5, -0.5]
