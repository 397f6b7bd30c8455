"""The processor: nothing is lost without being counted, and nothing leaves unmasked."""

import gzip
import logging
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from standin_collector import StandInCollector

from watchpost import Policy
from watchpost.errors import ConfigError
from watchpost.export import build_processor
from watchpost.export.processor import ExportProcessor

CARD = "4111 1111 1111 1111"
Build = Callable[..., tuple[ExportProcessor, TracerProvider]]


@pytest.fixture
def collector() -> Iterator[StandInCollector]:
    with StandInCollector() as running:
        yield running


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Makes processors with a tracer provider in front; all are shut down afterwards."""
    made: list[ExportProcessor] = []

    def make(url: str, **options: Any) -> tuple[ExportProcessor, TracerProvider]:
        options = {"spill_dir": tmp_path / "spill", "interval_s": 0.05, **options}
        processor = build_processor(endpoint=url, **options)
        made.append(processor)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        return processor, provider

    yield make
    for processor in made:
        processor.shutdown()


def record(provider: TracerProvider, name: str, **attributes: Any) -> None:
    with provider.get_tracer("test").start_as_current_span(name) as span:
        span.set_attributes(attributes)


def attributes_of(collector: StandInCollector) -> dict[str, Any]:
    (span,) = collector.spans()
    return {pair.key: pair.value.string_value for pair in span.attributes}  # type: ignore[attr-defined]


def test_spans_arrive_by_themselves_and_in_order(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url)
    for number in range(50):
        record(provider, f"span {number}")
    assert processor.flush(20)
    assert collector.names == [f"span {number}" for number in range(50)]
    assert processor.counts.delivered == processor.counts.received == 50


def test_a_burst_is_delivered_whole(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url)
    for number in range(5000):
        record(provider, str(number))
    assert processor.flush(60)
    assert collector.names == [str(number) for number in range(5000)]
    assert len(collector.requests) >= 5000 // 512


def test_spans_of_many_threads_all_arrive(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url)

    def work(thread: int) -> None:
        for number in range(200):
            record(provider, f"{thread}.{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert processor.flush(60)
    assert len(set(collector.names)) == 1600


def test_a_full_queue_drops_counts_and_says_so_once(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "watchpost")
    processor, provider = build("http://127.0.0.1:9", queue_bytes=20_000, interval_s=3600)
    for _ in range(100):
        record(provider, "x", text="y" * 1000)
    assert processor.counts.dropped > 50
    assert processor.counts.received == 100
    processor.shutdown()
    assert sum("were dropped" in message for message in caplog.messages) == 1


def test_without_a_collector_spans_wait_on_disk_and_leave_in_order(
    tmp_path: Path, build: Build
) -> None:
    collector = StandInCollector()
    collector.close()
    processor, provider = build(collector.url)
    for number in range(3):
        record(provider, f"away {number}")
        assert not processor.flush(20)
    assert processor.counts.spilled == 3
    assert processor.counts.dropped == 0
    with StandInCollector(collector.port) as back:
        record(provider, "back")
        assert processor.flush(20)
        assert back.names == ["away 0", "away 1", "away 2", "back"]
        assert processor.counts.delivered == 4
        processor.shutdown()
    assert not list((tmp_path / "spill").rglob("*.otlp.gz"))


def test_what_a_process_leaves_behind_the_next_one_delivers(tmp_path: Path, build: Build) -> None:
    collector = StandInCollector()
    collector.close()
    first, provider = build(collector.url)
    record(provider, "left behind")
    first.shutdown()
    with StandInCollector(collector.port) as back:
        second, _ = build(collector.url)
        assert second.flush(20)
        assert back.names == ["left behind"]
        second.shutdown()


def test_the_next_span_that_leaves_says_how_many_were_dropped_before_it(
    collector: StandInCollector, build: Build
) -> None:
    processor, provider = build(collector.url)
    collector.refuse(400)
    for name in ("lost", "lost too"):
        record(provider, name)
    processor.flush(20)
    for name in ("first", "second"):
        record(provider, name)
        assert processor.flush(20)
    said = [
        {pair.key: pair.value.int_value for pair in span.attributes}  # type: ignore[attr-defined]
        for span in collector.spans()
    ]
    assert said == [{"watchpost.export.dropped": processor.counts.dropped}, {}]
    assert processor.counts.dropped == 2


@pytest.mark.parametrize("end", ["settle", "shutdown"])
def test_a_collector_that_never_answers_holds_up_no_end_and_costs_no_span(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("watchpost.export.processor.SHUTDOWN_S", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        processor, provider = build(f"http://127.0.0.1:{silent.getsockname()[1]}")
        record(provider, "unanswered")
        if end == "settle":
            processor.settle(0.4)
        else:
            processor.shutdown()
        assert (processor.counts.spilled, processor.counts.dropped) == (1, 0)
        assert len(list((tmp_path / "spill").rglob("*.otlp.gz"))) == 1


def test_a_flush_tries_a_collector_that_is_away_once_however_much_is_waiting(
    collector: StandInCollector, build: Build
) -> None:
    processor, provider = build(collector.url, interval_s=3600)
    for _ in range(9):
        collector.refuse(503)
    for number in range(600):
        record(provider, str(number))
    assert not processor.flush(20)
    assert len(collector.headers) <= 2
    assert processor.counts.spilled == 600


def test_a_span_that_cannot_be_weighed_is_counted_and_its_caller_hears_nothing(
    collector: StandInCollector, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor, provider = build(collector.url)
    monkeypatch.setattr("watchpost.export.processor.weigh", lambda span: 1 // 0)
    record(provider, "weightless")
    monkeypatch.undo()
    record(provider, "next")
    assert processor.flush(20)
    assert collector.names == ["next"]
    assert (processor.counts.received, processor.counts.dropped) == (2, 1)


def test_a_collector_that_says_later_is_not_asked_before(
    collector: StandInCollector, build: Build
) -> None:
    processor, provider = build(collector.url)
    collector.refuse(503, **{"Retry-After": "300"})
    record(provider, "one")
    assert not processor.flush(20)
    record(provider, "two")
    assert not processor.flush(20)
    assert len(collector.headers) == 1
    assert processor.counts.spilled == 2


def test_a_batch_the_collector_will_never_take_is_dropped_and_counted(
    collector: StandInCollector, build: Build
) -> None:
    processor, provider = build(collector.url)
    collector.refuse(400)
    record(provider, "bad")
    processor.flush(20)
    record(provider, "good")
    assert processor.flush(20)
    assert collector.names == ["good"]
    assert processor.counts.dropped == 1


def test_rejected_spans_are_counted(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url)
    collector.reject(1)
    record(provider, "a")
    processor.flush(20)
    assert (processor.counts.delivered, processor.counts.dropped) == (0, 1)


CONTENT = {
    "gen_ai.input.messages": "said",
    "llm.input_messages.0.message.content": "said",
    "gen_ai.tool.call.arguments": "said",
    "exception.message": "said",
    "my.own.long.attribute": "said" * 100,
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.prompt.name": "greeting",
}


@pytest.mark.parametrize("capture", ["full", "metadata"])
def test_metadata_keeps_who_and_drops_what_was_said(
    collector: StandInCollector, build: Build, capture: str
) -> None:
    processor, provider = build(collector.url, capture=capture)
    record(provider, "call", **CONTENT)
    assert processor.flush(20)
    left = attributes_of(collector)
    assert left["gen_ai.request.model"] == "gpt-4o"
    assert left["gen_ai.prompt.name"] == "greeting"
    assert ("said" in str(left)) is (capture == "full")


def test_metadata_drops_the_message_of_an_error(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url, capture="metadata")
    with pytest.raises(ValueError, match="said"):  # noqa: SIM117
        with provider.get_tracer("t").start_as_current_span("call"):
            raise ValueError("said")
    assert processor.flush(20)
    assert "said" not in str(collector.requests)
    assert "ValueError" in str(collector.requests)


def test_off_sends_nothing(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url, capture="off")
    record(provider, "call")
    assert processor.flush(20)
    processor.shutdown()
    assert collector.headers == []


def test_redacted_masks_without_a_policy(collector: StandInCollector, build: Build) -> None:
    processor, provider = build(collector.url, capture="redacted")
    record(provider, "call", text=f"card {CARD}, password: hunter2")
    assert processor.flush(60)
    assert attributes_of(collector)["text"] == "card [CREDIT_CARD], password: [SECRET]"


def test_what_is_spilled_is_masked_already(tmp_path: Path, build: Build) -> None:
    processor, provider = build("http://127.0.0.1:9", policy=Policy(redact=("pii",)))
    record(provider, f"call {CARD}", text=CARD)
    assert not processor.flush(60)
    (file,) = (tmp_path / "spill").rglob("*.otlp.gz")
    assert CARD.encode() not in gzip.decompress(file.read_bytes())
    assert b"[CREDIT_CARD]" in gzip.decompress(file.read_bytes())


def test_an_unknown_capture_is_refused(build: Build) -> None:
    with pytest.raises(ConfigError) as error:
        build("http://127.0.0.1:9", capture="everything")
    assert error.value.value == "everything"


def test_shutting_down_twice_is_fine_and_later_spans_are_counted(
    collector: StandInCollector, build: Build
) -> None:
    processor, provider = build(collector.url)
    record(provider, "before")
    processor.shutdown()
    processor.shutdown()
    record(provider, "after")
    assert collector.names == ["before"]
    assert processor.counts.dropped == 1


def test_what_neither_collector_nor_disk_takes_waits_in_memory_and_leaves_in_order(
    tmp_path: Path, build: Build
) -> None:
    (tmp_path / "file").write_text("in the way")
    collector = StandInCollector()
    collector.close()
    processor, provider = build(collector.url, spill_dir=tmp_path / "file")
    for number in range(3):
        record(provider, f"away {number}")
        assert not processor.flush(20)
    assert (processor.counts.waiting, processor.counts.dropped) == (3, 0)
    with StandInCollector(collector.port) as back:
        record(provider, "back")
        assert processor.flush(20)
    assert back.names == ["away 0", "away 1", "away 2", "back"]
    assert (processor.counts.delivered, processor.counts.waiting) == (4, 0)


def test_what_waits_in_memory_counts_against_its_bound_and_is_told_of_at_the_end(
    tmp_path: Path, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "watchpost")
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file"
    processor, provider = build("http://127.0.0.1:9", spill_dir=place, queue_bytes=30_000)
    for _ in range(60):
        record(provider, "x", text=random.randbytes(1000).hex())
        assert not processor.flush(20)
    assert 10 < processor.counts.waiting < 30
    assert processor.counts.waiting + processor.counts.dropped == 60
    processor.shutdown()
    assert (processor.counts.dropped, processor.counts.waiting) == (60, 0)
    told = [int(line.split()[0]) for line in caplog.messages if "were dropped" in line]
    assert sum(told) == 60
    assert sum("cannot be reached" in line for line in caplog.messages) == 1


def test_a_disk_that_is_well_again_takes_what_waited_in_memory(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchpost.export.delivery.DISTRUST_S", 0.0)
    place = tmp_path / "place"
    place.write_text("in the way")
    processor, provider = build("http://127.0.0.1:9", spill_dir=place)
    record(provider, "held")
    assert not processor.flush(20)
    place.unlink()
    record(provider, "kept")
    assert not processor.flush(20)
    assert (processor.counts.dropped, processor.counts.spilled) == (0, 2)


PROGRAM = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from watchpost.export import build_processor
processor = build_processor(endpoint=sys.argv[1], spill_dir=sys.argv[2], interval_s=3600)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("t")
tracer.start_span("parent").end()
if sys.argv[3] == "fork":
    child = os.fork()
    if child == 0:
        tracer.start_span("child").end()
        ok = processor.flush(20)
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


def run_program(collector: StandInCollector, spill: Path, mode: str) -> None:
    command = [sys.executable, "-c", PROGRAM, collector.url, str(spill), mode]
    subprocess.run(command, check=True, timeout=60)


def test_a_program_that_just_ends_loses_nothing(
    collector: StandInCollector, tmp_path: Path
) -> None:
    run_program(collector, tmp_path / "spill", "end")
    assert collector.names == ["parent"]


def test_a_forked_child_sends_its_own_spans_and_the_parent_its_own(
    collector: StandInCollector, tmp_path: Path
) -> None:
    run_program(collector, tmp_path / "spill", "fork")
    assert sorted(collector.names) == ["child", "parent"]
