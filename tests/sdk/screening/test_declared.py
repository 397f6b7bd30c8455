"""A policy given to one function or span holds for everything that leaves the process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from standin_collector import StandInCollector

import watchpost
from watchpost import Blocked, Policy, Verdict
from watchpost.errors import ConfigError
from watchpost.export import build_processor
from watchpost.export.processor import ExportProcessor
from watchpost.runtime import Runtime, install
from watchpost.screening.declared import REMEMBERED_RULES
from watchpost.screening.guard import Finding, Question

CARD = "4111 1111 1111 1111"
KEY = "sk-" + "proj-abcdEFGH1234567890abcdEFGH"


class WordGuard:
    """Finds one word and says where; counts what it is asked on its way out."""

    pure = True
    locates = True

    def __init__(self, word: str, name: str = "word") -> None:
        self.word, self.name = word, name
        self.asked: list[str] = []
        self.warmed: list[threading.Thread] = []
        self.is_warm = threading.Event()

    def warm(self) -> None:
        self.warmed.append(threading.current_thread())
        self.is_warm.set()

    def check(self, question: Question) -> Verdict:
        self.asked.append(question.text)
        start = question.text.find(self.word)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),) if start >= 0 else ()
        return Verdict(self.name, "WORD", float(bool(found)), tripped=bool(found), findings=found)


class Outlet:
    """An exporter without a policy of its own, and what came out of it."""

    def __init__(self, collector: StandInCollector, processor: ExportProcessor) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self.collector = collector
        self._processor = processor

    def record(self, name: str, **attributes: Any) -> None:
        """A span of another instrumentation."""
        with self.provider.get_tracer("some.http.client").start_as_current_span(name) as span:
            span.set_attributes(attributes)

    def deliver(self) -> str:
        """Everything the collector has been sent, as text."""
        assert self._processor.flush(30)
        return "\n".join(map(str, self.collector.requests))


Open = Callable[..., Outlet]


@pytest.fixture
def open_outlet(tmp_path: Path) -> Iterator[Open]:
    """Opens outlets; spans wait in them until they are asked to deliver."""
    made: list[ExportProcessor] = []
    with StandInCollector() as collector:

        def make(url: str | None = None, **options: Any) -> Outlet:
            url = url or collector.url
            made.append(
                build_processor(endpoint=url, spill_dir=tmp_path, interval_s=600, **options)
            )
            outlet = Outlet(collector, made[-1])
            install(Runtime(outlet.provider.get_tracer("watchpost")))
            return outlet

        yield make
        for processor in made:
            processor.shutdown()


async def test_what_one_functions_policy_hides_is_in_nothing_that_leaves(
    open_outlet: Open, make_caller: Any
) -> None:
    outlet, caller = open_outlet(), make_caller("chat", "sync")

    @watchpost.observe(f"turn {CARD}", policy=Policy(redact=("pii",), block=("secrets",)))
    async def turn() -> None:
        await caller.ask(f"charge {CARD}")
        outlet.record(f"GET /cards/{CARD}", **{"url.full": f"https://x.example/{KEY}?q={CARD}"})
        raise ValueError(f"no answer for {CARD} and {KEY}")

    with pytest.raises(ValueError, match=CARD):
        await turn()

    left = outlet.deliver()
    assert "[CREDIT_CARD]" in left
    assert "chat gpt-4o" in left
    assert "https://x.example/" in left
    assert CARD not in left
    assert KEY not in left


def test_a_decorators_policy_counts_for_spans_that_were_waiting_before_it(
    open_outlet: Open,
) -> None:
    outlet = open_outlet()
    outlet.record("earlier", note=f"paid with {CARD}")

    @watchpost.observe(policy=Policy(redact=("pii",)))
    def never_called() -> None: ...

    left = outlet.deliver()
    assert "earlier" in left
    assert CARD not in left


def test_the_policies_of_many_scopes_count_together(open_outlet: Open) -> None:
    outlet = open_outlet(policy=Policy(redact=[WordGuard("apple", "own")]))
    for word in ("pear", "plum"):
        with watchpost.span("scope", kind="tool", policy=Policy(redact=[WordGuard(word)])):
            pass
    outlet.record("fruit", note="apple pear plum quince")

    left = outlet.deliver()
    assert not {"apple", "pear", "plum"} & set(left.replace('"', " ").split())
    assert "quince" in left


def test_a_policy_that_only_flags_changes_nothing_that_leaves(open_outlet: Open) -> None:
    outlet = open_outlet()
    with watchpost.span("scope", kind="tool", policy=Policy(flag=("pii", "secrets"))):
        outlet.record("inner", note=CARD)
    assert CARD in outlet.deliver()


@pytest.mark.parametrize("capture", ["full", "redacted", "metadata"])
def test_a_chosen_capture_level_does_not_let_a_scopes_policy_off(
    open_outlet: Open, capture: str
) -> None:
    outlet = open_outlet(capture=capture)
    with watchpost.span("scope", kind="tool", policy=Policy(redact=[WordGuard("plum")])):
        outlet.record("a plum", note="a plum, a quince")
    left = outlet.deliver()
    assert "plum" not in left
    assert "quince" in left


async def test_a_scopes_policy_does_not_send_messages_to_a_remote_collector(
    open_outlet: Open, make_caller: Any
) -> None:
    with StandInCollector() as elsewhere:
        # It reaches this machine by a name that does not say so.
        outlet = open_outlet(f"http://0.0.0.0:{elsewhere.port}")
        outlet.collector = elsewhere
        caller = make_caller("chat", "sync")
        with watchpost.span("scope", policy=Policy(redact=[WordGuard("plum")])):
            await caller.ask("a plum, a quince")
        left = outlet.deliver()
    assert "chat gpt-4o" in left
    assert "quince" not in left


def test_a_guard_in_many_policies_is_asked_once_about_a_text(open_outlet: Open) -> None:
    outlet, guard = open_outlet(), WordGuard("plum")
    text = "a plum and a quince"
    for threshold in (0.4, 0.5):
        policy = Policy(redact=[guard], thresholds={"word": threshold})
        with watchpost.span("scope", kind="tool", policy=policy):
            outlet.record("inner", note=text)
        assert "a plum" not in outlet.deliver()
    assert guard.asked.count(text) == 1


def test_guards_made_anew_in_every_call_still_mask_and_are_told_of(
    open_outlet: Open, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = open_outlet()
    with caplog.at_level(logging.WARNING, "watchpost"):
        for number in range(REMEMBERED_RULES + 5):
            policy = Policy(redact=[WordGuard(f"word-{number:03d}")])
            with watchpost.span("scope", kind="tool", policy=policy):
                pass
    outlet.record("inner", note=f"say word-{REMEMBERED_RULES + 4:03d}")
    assert f"word-{REMEMBERED_RULES + 4:03d}" not in outlet.deliver()
    told = [record for record in caplog.records if "Make a Policy once" in record.message]
    assert len(told) == 1


def test_a_decorated_functions_policy_outlives_many_others(open_outlet: Open) -> None:
    outlet = open_outlet()

    @watchpost.observe(kind="tool", policy=Policy(redact=[WordGuard("plum")]))
    def work() -> None:
        outlet.record("inner", note="a plum")

    for number in range(REMEMBERED_RULES):
        watchpost.span("other", policy=Policy(redact=[WordGuard(f"word-{number}")]))
    work()
    assert "plum" not in outlet.deliver()


def test_guards_load_on_another_thread_once_when_a_function_is_decorated() -> None:
    guard = WordGuard("plum")

    @watchpost.observe(kind="tool", policy=Policy(redact=[guard]))
    def work() -> None: ...

    assert guard.is_warm.wait(30)
    work()
    assert threading.current_thread() not in guard.warmed
    assert len(guard.warmed) == 1


def test_what_is_no_policy_is_refused_where_it_is_written() -> None:
    with pytest.raises(ConfigError, match=r"watchpost\.Policy"):
        watchpost.observe(policy="pii")(print)  # type: ignore[call-overload]


@pytest.mark.parametrize("is_configured", [False, True], ids=["not configured", "disabled"])
async def test_a_scopes_guards_run_where_nothing_is_recorded(
    make_caller: Any, is_configured: bool
) -> None:
    if is_configured:
        watchpost.configure(enabled=False)
    caller = make_caller("chat", "sync")
    with (
        watchpost.span("scope", policy=Policy(block=[WordGuard("plum")])),
        pytest.raises(Blocked),
    ):
        await caller.ask("a plum")
    with watchpost.span("scope", policy=Policy(redact=[WordGuard("quince")])):
        await caller.ask("a quince")
    (sent,) = caller.provider.requests
    assert "[WORD]" in str(sent.body)
    assert "quince" not in str(sent.body)
