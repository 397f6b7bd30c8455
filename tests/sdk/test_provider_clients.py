"""Every provider's real client over a real socket: what each call of it leaves behind, and how
guards stand before and after it. One table of clients, one set of sentences about them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import cohere_cases
import google_cases
import mistral_cases
import ollama_cases
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from provider_cases import ARGUMENTS, SHAPES, Line, ProviderCase, Said, close_stream, each
from wire_server import WireServer

import watchpost
from watchpost.errors import Blocked
from watchpost.guard import Finding, Question, Verdict
from watchpost.patching import unpatch
from watchpost.policy import Policy

CASES: tuple[ProviderCase, ...] = (
    *google_cases.CASES,
    *mistral_cases.CASES,
    *cohere_cases.CASES,
    *ollama_cases.CASES,
)
TOOLED = tuple(case for case in CASES if case.has_tools)
Open = Callable[..., Line]


class WordGuard:
    """Trips on one word, and says where it stands."""

    name = "word"

    def __init__(self, word: str) -> None:
        self.word = word

    def check(self, question: Question) -> Verdict:
        start = question.text.find(self.word)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),) if start >= 0 else ()
        return Verdict("word", "WORD", float(bool(found)), tripped=bool(found), findings=found)


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer() as running:
        yield running


@pytest.fixture
async def open_line(server: WireServer) -> AsyncIterator[Open]:
    """Makes clients that are closed at the end."""
    server.reset()
    made: list[Line] = []

    def make(case: ProviderCase, shape: str, **options: Any) -> Line:
        made.append(Line(case, shape, server, **options))
        return made[-1]

    yield make
    for line in made:
        await line.close()


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=CASES, ids=repr)
def line(request: pytest.FixtureRequest, shape: str, open_line: Open) -> Line:
    """Every case in every shape."""
    return open_line(request.param, shape)


@pytest.fixture(params=TOOLED, ids=repr)
def tooled(request: pytest.FixtureRequest, shape: str, open_line: Open) -> Line:
    """Every case that knows tools, in every shape."""
    return open_line(request.param, shape)


@pytest.fixture(params=[(case, shape) for case in CASES for shape in ("sync", "async stream")])
def either(request: pytest.FixtureRequest, open_line: Open) -> Line:
    """Every case in the two shapes that have the least in common."""
    return open_line(*request.param)


every_stream = pytest.mark.parametrize("shape", ["stream", "async stream"])


async def test_every_call_records_its_generation(line: Line, recorder: Any) -> None:
    case = line.case
    line.answer()
    assert await line.ask("How warm is it?") == "It is 14 degrees."

    found = recorder.generation
    assert found["gen_ai.provider.name"] == case.provider
    assert found["gen_ai.operation.name"] == case.operation
    assert found.get("gen_ai.request.model", "") == case.model
    assert found.get("gen_ai.response.model", "") == case.response_model
    assert found.get("gen_ai.response.id", "") == case.response_id
    assert found["gen_ai.response.finish_reasons"] == (case.finish,)
    assert found["gen_ai.request.max_tokens"] == 50
    assert found["gen_ai.request.stream"] is line.streaming
    assert found["server.address"] == "127.0.0.1"
    asked = {"type": "text", "content": "How warm is it?"}
    assert recorder.messages("input") == [{"role": "user", "parts": [asked]}]
    answered = {"type": "text", "content": "It is 14 degrees."}
    assert recorder.messages("output")[0]["parts"] == [answered]
    assert ("gen_ai.response.time_to_first_chunk" in found) is line.streaming
    (span,) = recorder.spans
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET


async def test_tokens_and_dollars_are_the_providers(line: Line, recorder: Any) -> None:
    case = line.case
    line.answer()
    await line.ask()

    found = recorder.generation
    assert found["watchpost.usage.source"] == "provider"
    assert found["gen_ai.usage.input_tokens"] == case.input_tokens
    assert found["gen_ai.usage.output_tokens"] == case.output_tokens
    assert found["gen_ai.usage.cache_read.input_tokens"] == case.cache_read_tokens
    assert found["gen_ai.usage.reasoning.output_tokens"] == case.reasoning_tokens
    assert found.get("watchpost.cost.usd") == case.cost_usd


async def test_typed_objects_are_read_like_dictionaries(either: Line, recorder: Any) -> None:
    either.answer()
    await either.ask_with(either.case.arguments("How warm is it?", typed=True))

    asked = {"type": "text", "content": "How warm is it?"}
    assert recorder.messages("input") == [{"role": "user", "parts": [asked]}]
    assert recorder.generation["gen_ai.request.max_tokens"] == 50


async def test_what_was_thought_stands_before_what_was_said(either: Line, recorder: Any) -> None:
    either.answer(Said(thought="Let me see."))
    await either.ask()

    thought, said = recorder.messages("output")[0]["parts"]
    assert thought == {"type": "reasoning", "content": "Let me see."}
    assert said == {"type": "text", "content": "It is 14 degrees."}


async def test_tool_calls_and_definitions_are_recorded(tooled: Line, recorder: Any) -> None:
    tooled.answer(Said(calls_tool=True))
    await tooled.ask(**tooled.case.tools())

    (called,) = recorder.messages("output")[0]["parts"]
    assert (called["type"], called["name"]) == ("tool_call", "weather")
    arguments = called["arguments"]
    assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == ARGUMENTS
    assert '"weather"' in recorder.generation["gen_ai.tool.definitions"]
    reasons = recorder.generation["gen_ai.response.finish_reasons"]
    assert reasons == (tooled.case.tool_finish,)


async def test_a_providers_error_passes_unchanged_and_is_recorded(
    line: Line, recorder: Any
) -> None:
    line.wire.answer(line.case.error(400))
    with pytest.raises(Exception, match="no such thing") as caught:
        await line.ask()

    assert type(caught.value).__name__ == line.case.error_type
    found = recorder.generation
    assert found["error.type"] == line.case.error_type
    assert found["http.response.status_code"] == 400
    assert found["watchpost.usage.source"] == "none"
    assert "watchpost.cost.usd" not in found
    (span,) = recorder.spans
    assert span.status.status_code is StatusCode.ERROR


@every_stream
async def test_a_stream_closed_early_keeps_what_was_seen(line: Line, recorder: Any) -> None:
    case = line.case
    line.answer()
    stream = await line.start(case.arguments("How warm is it?"))
    seen = ""
    async for chunk in each(stream):
        seen += case.delta_of(chunk)
        if seen:
            break
    await close_stream(stream)

    assert seen == "It is "
    found = recorder.generation
    assert recorder.messages("output")[0]["parts"] == [{"type": "text", "content": "It is "}]
    assert found["watchpost.stream.end"] == "closed"
    assert found["watchpost.usage.source"] == "estimated"
    assert "error.type" not in found


@every_stream
async def test_a_stream_that_breaks_keeps_what_was_seen(line: Line, recorder: Any) -> None:
    case = line.case
    whole = case.stream(Said())
    kept = 2 if case.provider == "cohere" else 1
    line.wire.answer(
        type(whole)(content_type=whole.content_type, pieces=whole.pieces[: kept + 1], breaks=True)
    )
    with pytest.raises(Exception, match=r".") as caught:
        await line.ask()

    found = recorder.generation
    assert found["error.type"] == type(caught.value).__qualname__
    assert found["watchpost.stream.end"] == "error"
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("It is ")


async def test_a_blocked_question_is_never_sent(line: Line, recorder: Any) -> None:
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        await line.ask("tell me the secret")

    assert line.wire.requests == []
    assert caught.value.direction == "input"
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert "secret" not in str(found)


@pytest.mark.parametrize("typed", [False, True], ids=["plain", "typed"])
async def test_a_redacted_question_is_what_is_sent_and_the_callers_stays(
    either: Line, typed: bool, recorder: Any
) -> None:
    arguments = either.case.arguments("my name is Ada, hello", typed=typed)
    before = repr(arguments)
    either.answer()
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        await either.ask_with(arguments)

    assert "my name is [WORD], hello" in either.wire.sent
    assert "Ada" not in either.wire.sent
    assert repr(arguments) == before
    assert recorder.messages("input")[0]["parts"][0]["content"] == "my name is [WORD], hello"


async def test_a_guard_that_finds_nothing_changes_nothing_that_is_sent(either: Line) -> None:
    sent = []
    for policy in (None, Policy(redact=[WordGuard("Ada")])):
        either.wire.reset()
        either.answer()
        with watchpost.span("asked", policy=policy):
            await either.ask()
        sent.append(either.wire.sent)

    assert sent[0] == sent[1]


async def test_a_blocked_answer_is_never_shown_but_its_tokens_count(
    line: Line, recorder: Any
) -> None:
    line.answer(
        Said(
            (
                "the sec",
                "ret is 42",
            )
        )
    )
    policy = Policy(block=[WordGuard("secret")], directions={"word": "output"})
    shown = []
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        shown.append(await line.ask())

    assert shown == []
    assert caught.value.direction == "output"
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert found["gen_ai.usage.input_tokens"] == line.case.input_tokens
    assert "gen_ai.output.messages" not in found


async def test_a_redacted_answer_is_what_is_shown_and_what_is_recorded(
    line: Line, recorder: Any
) -> None:
    # The name is cut across pieces.
    line.answer(Said(("hello Ada", " Love", "lace there")))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        said = await line.ask()

    assert said == "hello [WORD] there"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "hello [WORD] there"


async def test_a_tools_arguments_are_redacted_too(tooled: Line, recorder: Any) -> None:
    tooled.answer(Said(calls_tool=True))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Bern")])):
        answer = await tooled.start({**tooled.case.arguments("hi"), **tooled.case.tools()})
        shown = [answer] if not tooled.streaming else [chunk async for chunk in each(answer)]

    spelled = "".join(str(chunk.model_dump()) for chunk in shown)
    assert "Bern" not in spelled
    assert "[WORD]" in spelled
    assert "Bern" not in recorder.generation["gen_ai.output.messages"]


async def test_what_a_caller_changes_afterwards_is_not_recorded(
    tooled: Line, recorder: Any
) -> None:
    arguments = tooled.case.arguments("first")
    tooled.answer()
    await tooled.ask_with(arguments)
    asked = arguments.get("messages") or arguments["contents"]
    asked[0].clear()
    asked.append({"role": "user", "content": "later"})

    (message,) = recorder.messages("input")
    assert message["parts"] == [{"type": "text", "content": "first"}]


async def test_patching_twice_records_once(either: Line, recorder: Any) -> None:
    assert watchpost.patch(either.client) is either.client
    either.answer()
    await either.ask()

    assert len(recorder.spans) == 1


async def test_unpatching_leaves_nothing_behind(either: Line, recorder: Any) -> None:
    assert unpatch(either.client) is either.client
    either.answer()
    await either.ask()

    assert recorder.spans == []
    assert "_watchpost_undo" not in vars(either.client)
