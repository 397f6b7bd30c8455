"""A fault in any internal step: the wrapped function returns its value or raises its own error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from standin_collector import StandInCollector

import watchpost
from watchpost import providers
from watchpost.errors import Blocked
from watchpost.export import build_processor
from watchpost.runtime import SHIELD, Runtime, install
from watchpost.screening.guard import Question, Verdict
from watchpost.screening.policy import Policy

SECRET = "words nobody should log"
# Every step between a call and its span's end, by where it is looked up.
STEPS = (
    "watchpost.patching.request_seam.find_by_path",
    "watchpost.patching.request_seam.name_by_host",
    "watchpost.patching.request_seam.ask_for_usage",
    "watchpost.patching.request_seam.replace_iterator",
    "watchpost.call.Call.__init__",
    "watchpost.call.Call._describe",
    "watchpost.call.Call._attributes",
    "watchpost.call.current_scope",
    "watchpost.call.snapshot",
    "watchpost.call.mark_error",
    "watchpost.call.defer",
    "watchpost.call.to_attributes",
    "watchpost.accounting.settle",
    "watchpost.record.dump",
    "watchpost.record.origin_attributes",
    "watchpost.scope.Scope.__init__",
    "watchpost.scope.Scope.take_inputs",
    "watchpost.scope.Scope.count_generation",
    "watchpost.scope.Scope._describe",
    "watchpost.scope.Scope._attributes",
    "watchpost.scope.snapshot",
    "watchpost.scope.defer",
    "watchpost.recorded.settle_scope",
    "watchpost.recorded.find_by_result",
    "watchpost.observation.is_stream",
    "watchpost.observation.follow",
    "opentelemetry.sdk.trace.Span.end",
    "watchpost.export.processor.weigh",
    "watchpost.export.processor.ExportProcessor._enqueue",
    "watchpost.export.processor.encode_batch",
    "watchpost.export.processor.compress",
    "watchpost.export.encoding.encode_spans",
    "watchpost.export.otlp.write_value",
    "watchpost.export.exporter.Sender.send",
    "watchpost.export.delivery.Delivery.offer",
    "watchpost.export.spill.Spill.stored",
    "watchpost.masking.redaction.Redactor.redact_request",
)
READERS = ("read_request", "read_result", "read_stream", "has_output")


def broken(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError(SECRET)


@pytest.fixture
def collector() -> Iterator[StandInCollector]:
    with StandInCollector() as running:
        yield running


@pytest.fixture
def production(
    collector: StandInCollector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[pytest.LogCaptureFixture]:
    """watchpost as it runs outside tests, sending to a collector; nothing it logs is secret."""
    caplog.set_level(logging.INFO, "watchpost")
    monkeypatch.setattr(SHIELD, "strict", False)
    processor = build_processor(endpoint=collector.url, spill_dir=tmp_path, interval_s=0.01)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    install(Runtime(provider.get_tracer("watchpost"), deliver=processor.take))
    yield caplog
    processor.flush(20)
    monkeypatch.undo()
    processor.shutdown()
    assert SECRET not in caplog.text


async def run_observed(caller: Any) -> str:
    """The answer through a patched client inside an observed function."""

    @watchpost.observe("outer")
    async def outer(question: str) -> str:
        with watchpost.span("inner", kind="tool") as here:
            here.set(user="u")
            return str(await caller.ask(question))

    return await outer("hello")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", ["async", "stream"])
async def test_a_fault_in_a_step_costs_the_caller_nothing(
    make_caller: Any,
    shape: str,
    step: str,
    production: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = make_caller("chat", shape)
    monkeypatch.setattr(step, broken)
    assert (await run_observed(caller)).startswith("Hello")


@pytest.mark.parametrize("step", STEPS)
async def test_a_fault_in_a_step_does_not_stand_in_for_the_functions_own_error(
    step: str, production: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @watchpost.observe("fails")
    def fail(question: str) -> str:
        raise LookupError(question)

    monkeypatch.setattr(step, broken)
    with pytest.raises(LookupError, match="its own"):
        fail("its own")


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_in_a_step_breaks_no_generator(
    step: str, production: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @watchpost.observe("counts")
    def count(most: int) -> Iterator[int]:
        yield from range(most)

    @watchpost.observe("hands out")
    def hand_out(most: int) -> Iterator[int]:
        return count(most)

    monkeypatch.setattr(step, broken)
    assert list(hand_out(3)) == [0, 1, 2]


@pytest.mark.parametrize("part", READERS)
async def test_a_fault_in_a_providers_reader_costs_the_caller_nothing(
    make_caller: Any,
    protocol: str,
    shape: str,
    part: str,
    production: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = make_caller(protocol, shape)
    table = tuple(replace(provider, **{part: broken}) for provider in providers.PROVIDERS)
    monkeypatch.setattr(providers, "PROVIDERS", table)
    providers.find_by_path.cache_clear()
    try:
        assert (await run_observed(caller)).startswith("Hello")
    finally:
        providers.find_by_path.cache_clear()


def test_a_score_that_cannot_be_handed_over_is_no_error(
    production: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watchpost.span("scored", kind="tool"):
        monkeypatch.setattr("watchpost.export.processor.ExportProcessor._enqueue", broken)
        watchpost.score("good", True)


def test_a_prompt_that_cannot_be_looked_up_is_its_fallback(
    production: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchpost.prompts.cache.PromptCache.look", broken)
    assert watchpost.get_prompt("greeting", fallback="Hi {{who}}").render(who="you") == "Hi you"


async def test_blocked_is_the_exception_on_purpose(
    make_caller: Any, shape: str, production: pytest.LogCaptureFixture
) -> None:
    class Never:
        name = "never"

        def check(self, question: Question) -> Verdict:
            return Verdict("never", probability=1.0, tripped=True)

    @watchpost.observe("outer", policy=Policy(block=[Never()]))
    async def outer(question: str) -> str:
        return str(await make_caller("chat", shape).ask(question))

    with pytest.raises(Blocked):
        await outer("hello")
