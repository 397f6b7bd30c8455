"""Models in this very process: vLLM's engines and transformers' pipelines.

Neither is installed for tests, because both bring a deep learning framework. What is tested are
objects of the shapes they document, defined here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from provider_features import shows
from word_guard import WordGuard

import watchpost
from watchpost.errors import Blocked
from watchpost.patching import unpatch
from watchpost.providers import find_by_result, transformers_pipelines, vllm_outputs
from watchpost.screening.policy import Policy


@dataclass
class CompletionOutput:
    """As vLLM gives it."""

    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    cumulative_logprob: float | None = None
    logprobs: Any = None
    stop_reason: Any = None


@dataclass
class RequestOutput:
    """As vLLM gives it."""

    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]
    finished: bool = True
    prompt_logprobs: Any = None
    metrics: Any = None
    num_cached_tokens: int | None = None


@dataclass
class SamplingParams:
    """As vLLM takes it."""

    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 1
    seed: int | None = None
    stop: list[str] = field(default_factory=list)


def make_output(text: str, tokens: int = 3, at: int = 0) -> RequestOutput:
    said = CompletionOutput(0, text, list(range(tokens)), "stop")
    return RequestOutput(f"r{at}", None, [1, 2, 3, 4], [said], num_cached_tokens=2)


class LLM:
    """vLLM's engine for whole batches."""

    __module__ = "vllm.entrypoints.llm"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def generate(self, prompts: Any, sampling_params: Any = None) -> list[RequestOutput]:
        self.asked.append(prompts)
        several = prompts if isinstance(prompts, list) else [prompts]
        return [make_output("It is 14 degrees.", at=at) for at, _ in enumerate(several)]

    def chat(self, messages: Any, sampling_params: Any = None) -> list[RequestOutput]:
        self.asked.append(messages)
        return [make_output("It is 14 degrees.")]


class AsyncLLM:
    """vLLM's engine for servers, which gives each time all it has so far."""

    __module__ = "vllm.v1.engine.async_llm"

    async def generate(
        self, prompt: Any, sampling_params: Any, request_id: str
    ) -> AsyncIterator[RequestOutput]:
        for end, text in enumerate(("It is ", "It is 14 ", "It is 14 degrees."), 1):
            said = CompletionOutput(0, text, list(range(end)), "stop" if end == 3 else None)
            yield RequestOutput(request_id, None, [1, 2, 3, 4], [said], finished=end == 3)


class TextGenerationPipeline:
    """transformers' pipeline: it repeats what it was asked."""

    __module__ = "transformers.pipelines.text_generation"
    task = "text-generation"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, text_inputs: Any, **options: Any) -> Any:
        self.asked.append(text_inputs)
        if isinstance(text_inputs, str):
            return [{"generated_text": f"{text_inputs} It is 14 degrees."}]
        answer = {"role": "assistant", "content": "It is 14 degrees."}
        return [{"generated_text": [*text_inputs, answer]}]


@shows("result", "tokens", "cached tokens", of=["vllm engine"])
@pytest.mark.parametrize("asked", ["How warm is it?", {"prompt": "How warm is it?"}])
def test_a_prompt_of_an_engine_is_recorded_with_its_own_tokens(recorder: Any, asked: Any) -> None:
    llm = watchpost.patch(LLM())
    llm.generate(asked, SamplingParams(max_tokens=50, temperature=0.25))

    found = recorder.generation
    assert found["gen_ai.provider.name"] == "vllm"
    assert found["gen_ai.response.id"] == "r0"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (4, 3)
    assert found["gen_ai.usage.cache_read.input_tokens"] == 2
    assert found["gen_ai.request.max_tokens"] == 50
    assert found["gen_ai.request.temperature"] == 0.25
    assert recorder.messages("input")[0]["parts"][0]["content"] == "How warm is it?"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "It is 14 degrees."


def test_a_batch_is_one_generation_with_all_its_tokens(recorder: Any) -> None:
    watchpost.patch(LLM()).generate(["one", "two"])

    assert recorder.generation["gen_ai.usage.input_tokens"] == 8
    assert recorder.generation["gen_ai.usage.output_tokens"] == 6
    assert len(recorder.messages("output")) == 2


def test_a_conversation_of_an_engine_is_recorded(recorder: Any) -> None:
    watchpost.patch(LLM()).chat([{"role": "user", "content": "How warm is it?"}])

    asked = {"type": "text", "content": "How warm is it?"}
    assert recorder.messages("input") == [{"role": "user", "parts": [asked]}]


@shows("async stream", "tokens", of=["vllm async engine"])
async def test_what_grows_is_read_as_it_ended(recorder: Any) -> None:
    engine = watchpost.patch(AsyncLLM())
    seen = [chunk async for chunk in engine.generate("How warm is it?", SamplingParams(), "r7")]

    assert len(seen) == 3
    found = recorder.generation
    assert found["gen_ai.response.id"] == "r7"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (4, 3)
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert recorder.messages("output")[0]["parts"][0]["content"] == "It is 14 degrees."


def test_pieces_that_bring_only_what_is_new_are_joined() -> None:
    pieces = [
        RequestOutput("r", None, [1, 2], [CompletionOutput(0, text, [at])])
        for at, text in enumerate(("It is ", "14 ", "degrees."))
    ]
    found = vllm_outputs.read_stream(pieces)
    assert found.messages[0]["parts"][0]["content"] == "It is 14 degrees."
    assert found.usage is not None
    assert (found.usage.output_tokens, found.usage.source) == (3, "estimated")


@shows("question redacted", "answer redacted", of=["vllm engine"])
def test_a_guard_changes_what_an_engine_is_asked_and_answers(recorder: Any) -> None:
    llm = watchpost.patch(LLM())
    asked = [{"prompt": "I am Ada"}, "Ada again"]
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        llm.generate(asked)
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("degrees")])):
        (answer,) = llm.generate("hello")

    assert llm.asked[0] == [{"prompt": "I am [WORD]"}, "[WORD] again"]
    assert asked == [{"prompt": "I am Ada"}, "Ada again"]
    assert answer.outputs[0].text == "It is 14 [WORD]."


def test_tokens_are_not_passed_by_a_guard_that_cannot_read_them(
    recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = watchpost.patch(LLM())
    llm.generate({"prompt_token_ids": [1, 2, 3]})
    monkeypatch.setattr("watchpost.runtime.SHIELD.strict", False)
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(watchpost.WatchpostError):
        llm.generate({"prompt_token_ids": [1, 2, 3]})

    assert len(llm.asked) == 1
    assert recorder.generation["gen_ai.usage.input_tokens"] == 4


@shows("result", of=["transformers pipeline"])
def test_a_pipeline_is_recorded_though_it_is_called_itself(recorder: Any) -> None:
    pipe = TextGenerationPipeline()
    assert watchpost.patch(pipe) is pipe
    answer = pipe([{"role": "user", "content": "How warm is it?"}], max_new_tokens=50)

    assert answer[0]["generated_text"][-1]["content"] == "It is 14 degrees."
    assert isinstance(pipe, TextGenerationPipeline)
    found = recorder.generation
    assert found["gen_ai.provider.name"] == "transformers"
    assert found["gen_ai.request.max_tokens"] == 50
    assert recorder.messages("input")[0]["parts"][0]["content"] == "How warm is it?"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "It is 14 degrees."


@shows("question redacted", "question blocked", of=["transformers pipeline"])
def test_a_pipeline_is_guarded_and_given_back(recorder: Any) -> None:
    pipe = watchpost.patch(TextGenerationPipeline())
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        pipe("I am Ada.")
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked):
        pipe("the secret")
    unpatch(pipe)
    pipe("I am Ada.")

    assert pipe.asked == ["I am [WORD].", "I am Ada."]
    assert type(pipe) is TextGenerationPipeline
    assert len(recorder.generations) == 2


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (make_output("x"), "vllm"),
        ([make_output("x"), make_output("y")], "vllm"),
        ([{"generated_text": "x"}], "transformers"),
        ([[{"generated_text": "x"}], [{"generated_text": "y"}]], "transformers"),
        ([{"generated_text": [{"role": "assistant", "content": "x"}]}], "transformers"),
    ],
)
def test_what_they_return_is_known_by_its_shape(answer: Any, name: str) -> None:
    found = find_by_result(answer)
    assert found is not None
    assert found.name == name


def test_a_pipelines_answer_is_redacted_where_it_stands() -> None:
    told = [{"generated_text": [{"role": "user", "content": "Ada?"}, {"content": "Yes, Ada."}]}]
    transformers_pipelines.visit_result(told, lambda text: text.replace("Ada", "[WORD]"))
    assert told[0]["generated_text"][-1]["content"] == "Yes, [WORD]."
