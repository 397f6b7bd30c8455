"""What observed functions return of every provider's client, patched or not, is counted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from provider_cases import Line, ProviderCase, each
from provider_features import shows
from provider_table import CASES

import watchpost

Open = Callable[..., Line]


@shows("unpatched: `@observe`")
async def test_what_an_observed_function_returns_unpatched_is_read(
    open_line: Open, case_in_shape: tuple[ProviderCase, str], recorder: Any
) -> None:
    case, shape = case_in_shape
    line = open_line(case, shape, is_patched=False)
    line.answer()
    arguments = case.arguments("How warm is it?")

    @watchpost.observe
    async def ask() -> Any:
        return await line.start(arguments)

    answer = await ask()
    if line.streaming:
        assert [chunk async for chunk in each(answer)]

    found = recorder.generation
    # Only a client knows that it is Vertex it talks to.
    assert found["gen_ai.provider.name"] == case.provider.replace("vertex_ai", "gemini")
    assert found.get("gen_ai.response.model", "") == case.response_model
    assert found["gen_ai.usage.input_tokens"] == case.input_tokens
    assert found["gen_ai.request.stream"] is line.streaming
    answered = {"type": "text", "content": "It is 14 degrees."}
    assert recorder.messages("output")[0]["parts"] == [answered]


@shows("unpatched: `record`")
@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_recorded_result_makes_a_string_a_generation(
    open_line: Open, case: ProviderCase, recorder: Any
) -> None:
    line = open_line(case, "sync", is_patched=False)
    line.answer()

    @watchpost.observe
    async def ask() -> str:
        result = await line.start(case.arguments("How warm is it?"))
        watchpost.current().record(result)
        return case.text_of(result)

    assert await ask() == "It is 14 degrees."
    assert recorder.generation["gen_ai.usage.output_tokens"] == case.output_tokens


@shows("both: counted once")
async def test_an_observed_function_around_a_patched_call_counts_it_once(
    either: Line, recorder: Any
) -> None:
    either.answer()

    @watchpost.observe
    async def ask() -> Any:
        return await either.start(either.case.arguments("How warm is it?"))

    answer = await ask()
    if either.streaming:
        assert [chunk async for chunk in each(answer)]

    (generation,) = recorder.generations
    outer = recorder.named("ask")
    assert generation.parent.span_id == outer.context.span_id
    assert outer.end_time >= generation.end_time
    assert "gen_ai.usage.input_tokens" not in outer.attributes
