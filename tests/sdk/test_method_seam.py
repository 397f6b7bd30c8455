"""Clients with ordinary methods: every kind of method is seen, and stays what it was."""

from __future__ import annotations

import json
import types
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

import watchpost
from watchpost import Policy
from watchpost.errors import Blocked, ConfigError, GuardUnavailable
from watchpost.patching import adapter, method_seam
from watchpost.patching.method_seam import Method
from watchpost.providers import openai_chat
from watchpost.screening.guard import Finding, Question, Verdict
from watchpost.testing.exchange import Answer, Failure

KINDS = ("whole", "stream", "async whole", "async stream", "async generator")


class Chat:
    """A small client of the stand-in, as other libraries write theirs."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/chat/completions"

    def whole(self, model: str, messages: list[Any]) -> dict[str, Any]:
        sent = {"model": model, "messages": messages}
        answer = httpx.post(self.url, json=sent, verify=False).raise_for_status()
        return {"http": {"status": answer.status_code}, "body": answer.json()}

    def stream(self, model: str, messages: list[Any]) -> Iterator[Any]:
        sent = {"model": model, "messages": messages, "stream": True}
        with httpx.stream("POST", self.url, json=sent, verify=False) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    async def whole_async(self, model: str, messages: list[Any]) -> dict[str, Any]:
        async with httpx.AsyncClient(verify=False) as client:
            sent = {"model": model, "messages": messages}
            answer = (await client.post(self.url, json=sent)).raise_for_status()
        return {"http": {"status": answer.status_code}, "body": answer.json()}

    async def stream_async(self, model: str, messages: list[Any]) -> AsyncIterator[Any]:
        return self.generate_async(model, messages)

    async def generate_async(self, model: str, messages: list[Any]) -> AsyncIterator[Any]:
        sent = {"model": model, "messages": messages, "stream": True}
        async with (
            httpx.AsyncClient(verify=False) as client,
            client.stream("POST", self.url, json=sent) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])


class Client:
    def __init__(self, url: str) -> None:
        self.chat = Chat(url)


def read_body(args: Any, kwargs: Any) -> dict[str, Any]:
    return {**dict(zip(("model", "messages"), args, strict=False)), **kwargs}


def write_body(args: Any, kwargs: Any, body: Any) -> tuple[Any, Any]:
    return (), dict(body)


def method(name: str, **changes: Any) -> Method:
    return Method(f"chat.{name}", openai_chat.PROVIDER, read_body, write_body, **changes)


WHOLE: dict[str, Any] = {
    "unwrap": lambda result: result["body"],
    "rewrap": lambda result, body: {**result, "body": body},
}
METHODS = (
    method("whole", **WHOLE),
    method("whole_async", **WHOLE),
    method("stream", streaming=True),
    method("stream_async", streaming=lambda args, kwargs: True),
    method("generate_async", streaming=True),
    method("of_a_later_version"),
)
ADAPTER = method_seam.make_adapter(lambda client: adapter.comes_from(client, __name__), METHODS)


@pytest.fixture
def client(provider: Any) -> Client:
    made = Client(provider.openai_url)
    adapter.attach_once(ADAPTER, made)
    return made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(client: Any, kind: str, text: str = "hello", *, take: int = 1000) -> str:
    """The text of the answer, or of the first pieces of it."""
    asked = [{"role": "user", "content": text}]
    chat = client.chat
    if "whole" in kind:
        made = chat.whole_async("gpt-4o", asked) if "async" in kind else chat.whole("gpt-4o", asked)
        answer = await made if "async" in kind else made
        assert answer["http"] == {"status": 200}
        return str(answer["body"]["choices"][0]["message"]["content"])
    seen: list[Any] = []
    if kind == "stream":
        stream = chat.stream("gpt-4o", messages=asked)
        for chunk in stream:
            seen.append(chunk)
            if len(seen) == take:
                stream.close()
                break
    else:
        pieces = chat.generate_async("gpt-4o", asked)
        if kind == "async stream":
            pieces = await chat.stream_async("gpt-4o", asked)
        async for chunk in pieces:
            seen.append(chunk)
            if len(seen) == take:
                await pieces.aclose()
                break
    choices = [choice for chunk in seen for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_a_call_by_every_kind_of_method_is_recorded(
    client: Client, kind: str, recorder: Any
) -> None:
    said = await ask(client, kind)

    assert said == "Hello, this is the stand-in provider."
    assert recorder.messages("input")[0]["parts"] == [{"type": "text", "content": "hello"}]
    assert recorder.messages("output")[0]["parts"] == [{"type": "text", "content": said}]
    assert recorder.generation["gen_ai.request.stream"] is ("whole" not in kind)


async def test_an_error_passes_unchanged_and_is_recorded(
    client: Client, kind: str, provider: Any, recorder: Any
) -> None:
    provider.fail(429, "slow down")
    with pytest.raises(httpx.HTTPStatusError):
        await ask(client, kind)

    assert recorder.generation["error.type"] == "HTTPStatusError"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "whole" not in kind])
async def test_a_stream_closed_early_ends_with_what_was_seen(
    client: Client, kind: str, recorder: Any
) -> None:
    said = await ask(client, kind, take=3)

    assert recorder.messages("output")[0]["parts"][0]["content"] == said
    assert recorder.generation["watchpost.stream.end"] == "closed"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "whole" not in kind])
async def test_a_stream_that_breaks_keeps_what_was_seen(
    client: Client, kind: str, provider: Any, recorder: Any
) -> None:
    provider.answer(Answer(text="one two three four", failure=Failure(0, after_pieces=2)))
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(client, kind)

    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("one two")
    assert recorder.generation["watchpost.stream.end"] == "error"


class Word:
    """Trips on a word."""

    name = "word"

    def check(self, question: Question) -> Verdict:
        start = question.text.find("secret")
        if start < 0:
            return Verdict(self.name)
        place = Finding(start, start + len("secret"), "WORD", 1.0)
        return Verdict(self.name, "WORD", 1.0, tripped=True, findings=(place,))


async def test_a_redacted_question_is_what_is_sent_and_the_callers_stays(
    client: Client, kind: str, provider: Any, recorder: Any
) -> None:
    with watchpost.span("asked", policy=Policy(redact=[Word()])):
        await ask(client, kind, "a secret question")

    (request,) = provider.requests
    assert request.body["messages"] == [{"role": "user", "content": "a [WORD] question"}]
    assert "secret" not in recorder.generation["gen_ai.input.messages"]


async def test_a_redacted_answer_is_what_is_shown(
    client: Client, kind: str, provider: Any, recorder: Any
) -> None:
    provider.answer("it is a secret place")
    with watchpost.span("asked", policy=Policy(redact=[Word()])):
        assert await ask(client, kind) == "it is a [WORD] place"

    assert "secret" not in recorder.generation["gen_ai.output.messages"]


async def test_a_blocked_answer_is_never_shown(client: Client, kind: str, provider: Any) -> None:
    provider.answer("it is a secret place")
    with watchpost.span("asked", policy=Policy(block=[Word()])), pytest.raises(Blocked):
        await ask(client, kind)


async def test_a_redaction_that_cannot_be_written_stops_the_call(provider: Any) -> None:
    client = Client(provider.openai_url)
    broken = Method("chat.whole", openai_chat.PROVIDER, read_body, lambda *given: given[9])
    method_seam.attach(client, [broken])
    policy = Policy(redact=[Word()])
    with watchpost.span("asked", policy=policy), pytest.raises(GuardUnavailable):
        client.chat.whole("gpt-4o", [{"role": "user", "content": "a secret"}])

    assert provider.requests == []


async def test_attaching_twice_is_once_and_detaching_leaves_nothing(
    client: Client, recorder: Any
) -> None:
    adapter.attach_once(ADAPTER, client)
    await ask(client, "whole")
    assert len(recorder.spans) == 1

    adapter.detach_from(client)
    adapter.detach_from(client)
    await ask(client, "whole")

    assert len(recorder.spans) == 1
    assert set(vars(client)) == {"chat"}
    assert set(vars(client.chat)) == {"url"}


async def test_functions_of_a_module_are_replaced_and_given_back(
    provider: Any, recorder: Any
) -> None:
    module = types.ModuleType("a_library")
    module.chat = Chat(provider.openai_url)  # type: ignore[attr-defined]
    module.whole = whole = module.chat.whole
    undo = method_seam.attach(
        module, [Method("whole", openai_chat.PROVIDER, read_body, write_body, **WHOLE)]
    )
    asked = [{"role": "user", "content": "hello"}]
    module.whole("gpt-4o", messages=asked)
    undo()

    assert len(recorder.generations) == 1
    assert module.whole is whole


async def test_a_call_through_another_patched_client_counts_once(
    client: Client, make_caller: Any, recorder: Any
) -> None:
    inner = make_caller("chat", "sync")
    outer = Client("")
    outer.chat.whole = lambda **sent: {  # type: ignore[method-assign]
        "body": inner.client.chat.completions.create(**sent).model_dump()
    }
    method_seam.attach(outer, METHODS[:1])
    outer.chat.whole(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])

    assert len(recorder.generations) == 1


async def test_a_stream_still_claims_to_be_what_it_was(client: Client, recorder: Any) -> None:
    stream = client.chat.stream("gpt-4o", [])

    assert isinstance(stream, types.GeneratorType)
    stream.close()


def test_a_module_that_no_adapter_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="module"):
        watchpost.patch(types.ModuleType("a_library"))


def test_a_client_without_what_is_relied_on_is_refused_and_left_as_it_was(client: Client) -> None:
    missing = replace(METHODS[0], path="chat.renamed", relied_on=True)
    before = dict(vars(client.chat))

    with pytest.raises(ConfigError, match=r"no chat\.renamed"):
        method_seam.attach(client, (*METHODS, missing))

    assert vars(client.chat) == before
