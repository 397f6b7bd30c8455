"""Plain streams: their tokens are the provider's own, and the caller sees nothing of the asking."""

from __future__ import annotations

import copy
import re
from contextlib import nullcontext
from typing import Any

import httpx
import openai
import pytest

import watchpost
from watchpost import Policy
from watchpost.errors import GuardUnavailable
from watchpost.patching.stream_usage import ask_for_usage
from watchpost.screening.guard import Question, Verdict
from watchpost.testing.exchange import Answer, Usage

ANSWER = Answer(text="It is 14 degrees.", usage=Usage(2006, 300, 1920), response_id="chatcmpl-1")
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How warm is it?"}]}
WAYS = ("plain", "raw", "helper")
# The second a chunk was made in.
LATER = re.compile(r'"created": ?\d+')


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


@pytest.fixture
def asking(recorder: Any) -> Any:
    """Records, and asks the stand-in for tokens as it would OpenAI."""
    recorder.install(stream_usage=("127.0.0.1",))
    return recorder


def spell(chunk: Any) -> str:
    """Everything a caller can see of a chunk, but the second it was made in."""
    return re.sub(
        r"(created\W+)\d+", r"\1", f"{chunk!r} {chunk.model_dump_json(exclude_unset=True)}"
    )


async def read(client: Any, way: str, is_async: bool) -> list[str]:
    """Every chunk of a plain stream, read in one of the ways a client has."""
    chat = client.chat.completions
    if way == "helper":
        if not is_async:
            with chat.stream(**ASKED) as events:
                return [spell(event) for event in events]
        async with chat.stream(**ASKED) as events:
            return [spell(event) async for event in events]
    made = (chat.with_raw_response if way == "raw" else chat).create(**ASKED, stream=True)
    stream = await made if is_async else made
    if way == "raw":
        stream = stream.parse()
    if is_async:
        return [spell(chunk) async for chunk in stream]
    return [spell(chunk) for chunk in stream]


@pytest.mark.parametrize("way", WAYS)
async def test_the_caller_sees_the_chunks_it_would_have_seen(
    make_raw: Any, asking: Any, provider: Any, way: str, is_async: bool
) -> None:
    client = make_raw("chat", is_async)
    provider.answer(ANSWER, ANSWER)
    without = await read(client, way, is_async)
    with_usage = await read(watchpost.patch(client), way, is_async)

    assert with_usage == without
    assert [bool(r.body.get("stream_options")) for r in provider.requests] == [False, True]
    found = asking.generation
    assert found["watchpost.usage.source"] == "provider"
    assert found["gen_ai.usage.input_tokens"] == 2006
    assert found["gen_ai.usage.cache_read.input_tokens"] == 1920
    # 86 * 2.50 + 1,920 * 1.25 + 300 * 10 for a million
    assert float(found["watchpost.cost.usd"]) == pytest.approx(0.005615)


@pytest.mark.parametrize("given", [{"include_usage": True}, {"include_usage": False}])
async def test_a_caller_who_said_something_gets_just_that(
    make_raw: Any, asking: Any, provider: Any, given: dict[str, bool]
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    provider.answer(ANSWER)
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options=given))

    assert (chunks[-1].choices == []) is given["include_usage"]
    assert provider.requests[0].body["stream_options"] == given


async def test_other_options_of_the_stream_are_kept_and_the_callers_stay(
    make_raw: Any, asking: Any, provider: Any
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    options = {"include_obfuscation": False}
    body = copy.deepcopy(ASKED)
    list(client.chat.completions.create(**body, stream=True, stream_options=options))
    raw = {**body, "stream": True}
    kind = openai.Stream[openai.types.chat.ChatCompletionChunk]
    list(client.post("/chat/completions", body=raw, cast_to=object, stream=True, stream_cls=kind))

    assert options == {"include_obfuscation": False}
    assert raw == {**ASKED, "stream": True}
    sent = [request.body["stream_options"] for request in provider.requests]
    assert sent == [{"include_obfuscation": False, "include_usage": True}, {"include_usage": True}]


async def test_a_server_nobody_named_is_not_asked(
    make_raw: Any, recorder: Any, provider: Any
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    list(client.chat.completions.create(**ASKED, stream=True))

    assert "stream_options" not in provider.requests[0].body
    assert recorder.generation["watchpost.usage.source"] == "estimated"


async def test_an_error_is_not_answered_with_a_second_try(
    make_raw: Any, asking: Any, provider: Any
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    provider.fail(400, "Unrecognized request argument supplied: stream_options")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**ASKED, stream=True)

    assert len(provider.requests) == 1


async def test_lines_read_by_hand_are_the_callers_own(
    make_raw: Any, asking: Any, provider: Any
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    opened = client.chat.completions.with_streaming_response.create(**ASKED, stream=True)
    with opened as response:
        assert not any('"choices": []' in line for line in response.iter_lines())

    assert "stream_options" not in provider.requests[0].body


async def lines_of(client: Any, is_async: bool) -> list[str]:
    """The lines of a plain stream, as the response under the client's has them."""
    made = client.chat.completions.with_raw_response.create(**ASKED, stream=True)
    response = (await made if is_async else made).http_response
    if is_async:
        return [LATER.sub("", line) async for line in response.aiter_lines()]
    return [LATER.sub("", line) for line in response.iter_lines()]


async def test_lines_of_a_raw_response_are_those_that_would_have_come(
    make_raw: Any, asking: Any, provider: Any, is_async: bool
) -> None:
    client = make_raw("chat", is_async)
    provider.answer(ANSWER, ANSWER)
    without = await lines_of(client, is_async)
    with_usage = await lines_of(watchpost.patch(client), is_async)

    assert provider.requests[1].body["stream_options"] == {"include_usage": True}
    assert with_usage == without
    assert any("14" in line for line in without)
    found = asking.generation
    assert found["watchpost.usage.source"] == "provider"
    assert found["gen_ai.usage.input_tokens"] == 2006
    assert asking.messages("output")[0]["parts"][0]["content"] == "It is 14 degrees."


@pytest.mark.parametrize("way", ["iter_lines", "iter_bytes", "iter_raw", "read"])
@pytest.mark.parametrize("kind", ["with_raw_response", "with_streaming_response"])
async def test_what_is_read_by_hand_passes_no_guard_that_must_see_it_first(
    make_raw: Any, asking: Any, provider: Any, kind: str, way: str
) -> None:
    client = watchpost.patch(make_raw("chat", False))
    provider.answer(ANSWER)
    with watchpost.span("asked", policy=Policy(block=[Calm()])):
        made = getattr(client.chat.completions, kind).create(**ASKED, stream=True)
        with made if kind == "with_streaming_response" else nullcontext(made) as response:
            shown = getattr(response.http_response, way)
            with pytest.raises(GuardUnavailable):
                list(shown())

    assert "gen_ai.output.messages" not in asking.generation


async def test_lines_of_an_async_raw_response_pass_no_guard_either(
    make_raw: Any, asking: Any, provider: Any
) -> None:
    client = watchpost.patch(make_raw("chat", True))
    provider.answer(ANSWER)
    with watchpost.span("asked", policy=Policy(block=[Calm()])), pytest.raises(GuardUnavailable):
        await lines_of(client, True)


async def test_lines_of_a_raw_response_are_flagged_at_their_end(
    make_raw: Any, asking: Any, provider: Any, is_async: bool
) -> None:
    client = watchpost.patch(make_raw("chat", is_async))
    provider.answer(ANSWER)
    with watchpost.span("asked", policy=Policy(flag=[Alarmed()])):
        assert await lines_of(client, is_async)

    assert asking.generation["watchpost.guard.action"] == "flag"


class Calm:
    name = "calm"

    def check(self, question: Question) -> Verdict:
        return Verdict(self.name)


@pytest.mark.parametrize("action", ["block", "flag"])
async def test_a_stream_that_guards_look_at_is_shorn_too(
    make_raw: Any, asking: Any, provider: Any, is_async: bool, action: str
) -> None:
    client = watchpost.patch(make_raw("chat", is_async))
    provider.answer(ANSWER, ANSWER)
    with watchpost.span("asked", policy=Policy(**{action: [Calm()]})):  # type: ignore[arg-type]
        chunks = await read(client, "plain", is_async)

    assert chunks
    assert not any("choices=[]" in chunk for chunk in chunks)
    assert asking.generation["gen_ai.usage.input_tokens"] == 2006


class Alarmed(Calm):
    def check(self, question: Question) -> Verdict:
        return Verdict(self.name, "ALARM", 1.0, tripped=question.direction == "output")


class Asked:
    """As much of a call as is looked at before a server is asked."""

    def __init__(self, host: str, **body: Any) -> None:
        self.server, self.body, self.streaming = host, body, True
        self.runtime = watchpost.runtime.active()
        self.span = self

    def is_recording(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("host", "version", "body", "asked"),
    [
        ("api.openai.com", None, {}, True),
        ("eu.api.openai.com", None, {}, True),
        ("notapi.openai.com.example", None, {}, False),
        ("api.groq.com", None, {}, False),
        ("us.openai.azure.com", "2024-10-21", {}, True),
        ("us.openai.azure.com", "2024-09-01-preview", {}, True),
        ("us.openai.azure.com", "2024-08-01-preview", {}, False),
        ("us.openai.azure.com", "preview", {}, True),
        ("us.openai.azure.com", None, {}, True),
        ("us.openai.azure.com", "2024-10-21", {"data_sources": [{}]}, False),
    ],
)
def test_only_servers_known_to_accept_it_are_asked(
    host: str, version: str | None, body: dict[str, Any], asked: bool, recorder: Any
) -> None:
    client = httpx.Client(verify=False)
    client._api_version = version  # type: ignore[attr-defined]
    found = ask_for_usage(client, "/chat/completions", Asked(host, **body))  # type: ignore[arg-type]
    client.close()

    assert (found is not None) is asked
