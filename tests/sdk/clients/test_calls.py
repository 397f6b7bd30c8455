"""Every provider's real client over a real socket: what each call of it leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from provider_cases import ARGUMENTS, Line, Said, close_stream, each
from provider_features import shows

import watchpost
from watchpost.patching import unpatch

every_stream = pytest.mark.parametrize("shape", ["stream", "async stream"])


@shows("result", "async", "stream", "async stream")
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


@shows("tokens", "dollars", "cached tokens", "reasoning tokens")
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


@shows("typed objects")
async def test_typed_objects_are_read_like_dictionaries(either: Line, recorder: Any) -> None:
    either.answer()
    await either.ask_with(either.case.arguments("How warm is it?", typed=True))

    asked = {"type": "text", "content": "How warm is it?"}
    assert recorder.messages("input") == [{"role": "user", "parts": [asked]}]
    assert recorder.generation["gen_ai.request.max_tokens"] == 50


@shows("thoughts")
async def test_what_was_thought_stands_before_what_was_said(thinking: Line, recorder: Any) -> None:
    thinking.answer(Said(thought="Let me see."))
    await thinking.ask()

    thought, said = recorder.messages("output")[0]["parts"]
    assert thought == {"type": "reasoning", "content": "Let me see."}
    assert said == {"type": "text", "content": "It is 14 degrees."}


@shows("tools")
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


@shows("errors")
async def test_a_providers_error_passes_unchanged_and_is_recorded(
    line: Line, recorder: Any
) -> None:
    line.wire.answer(line.case.error(400))
    with pytest.raises(Exception, match=line.case.complaint) as caught:
        await line.ask()

    assert type(caught.value).__name__ == line.case.error_type
    found = recorder.generation
    assert found["error.type"] == line.case.error_type
    assert found["http.response.status_code"] == 400
    assert found["watchpost.usage.source"] == "none"
    assert "watchpost.cost.usd" not in found
    (span,) = recorder.spans
    assert span.status.status_code is StatusCode.ERROR


@shows("retries")
async def test_a_second_try_of_the_client_is_counted(insistent: Line, recorder: Any) -> None:
    busy = insistent.case.error(503)
    insistent.wire.answer(replace(busy, headers={**busy.headers, "retry-after-ms": "1"}))
    insistent.answer()
    assert await insistent.ask() == "It is 14 degrees."

    assert len(insistent.wire.requests) == 2
    assert recorder.generation["watchpost.retries"] == 1


@shows("stream left early")
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


@shows("stream cut short")
@every_stream
async def test_a_stream_that_breaks_keeps_what_was_seen(line: Line, recorder: Any) -> None:
    case = line.case
    whole = case.stream(Said())
    kept = case.opening
    line.wire.answer(
        type(whole)(content_type=whole.content_type, pieces=whole.pieces[: kept + 1], breaks=True)
    )
    with pytest.raises(Exception, match=r".") as caught:
        await line.ask()

    found = recorder.generation
    assert found["error.type"] == type(caught.value).__qualname__
    assert found["watchpost.stream.end"] == "error"
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("It is ")


@shows("as sent")
async def test_what_a_caller_changes_afterwards_is_not_recorded(
    listed: Line, recorder: Any
) -> None:
    arguments = listed.case.arguments("first")
    listed.answer()
    await listed.ask_with(arguments)
    asked = next(arguments[k] for k in ("messages", "contents", "input") if k in arguments)
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
