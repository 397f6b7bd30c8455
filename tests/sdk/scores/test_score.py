"""`score`: checked at once, delivered with the spans, by the same rules."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from standin_collector import StandInCollector

import watchpost
from watchpost import Policy
from watchpost.errors import ConfigError
from watchpost.export import build_processor
from watchpost.export.event import Event
from watchpost.export.processor import ExportProcessor
from watchpost.runtime import SHIELD, Runtime, install
from watchpost.scores.score import MOST_COMMENT

TRACE, SPAN = "ab" * 16, "cd" * 8
CARD = "4111 1111 1111 1111"
PROGRAM = """
import os, sys, warnings, watchpost
warnings.simplefilter("ignore", DeprecationWarning)
watchpost.configure(endpoint=sys.argv[1], data_dir=sys.argv[2], service="shop")
watchpost.score("parent", 1, trace="ab" * 16)
child = os.fork()
watchpost.score("child" if child == 0 else "after", 1, trace="ab" * 16)
if child:
    os.waitpid(child, 0)
"""
SetUp = Callable[..., ExportProcessor]


@pytest.fixture
def collector() -> Iterator[StandInCollector]:
    with StandInCollector() as running:
        yield running


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    """Puts a real exporter in force, as `configure` does."""
    made: list[ExportProcessor] = []

    def make(url: str, **options: Any) -> ExportProcessor:
        processor = build_processor(
            endpoint=url, spill_dir=tmp_path / "spill", interval_s=0.05, **options
        )
        made.append(processor)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        install(Runtime(provider.get_tracer("watchpost"), deliver=processor.take))
        return processor

    yield make
    for processor in made:
        processor.shutdown()


def test_a_score_arrives_as_the_event_of_the_conventions(
    collector: StandInCollector, set_up: SetUp
) -> None:
    processor = set_up(collector.url)

    watchpost.score("helpful", 0.5, trace=TRACE, span=SPAN, comment="so so", author="ann")

    assert processor.flush(20)
    assert [header["path"] for header in collector.headers] == ["/v1/logs"]
    assert collector.events() == [
        (
            TRACE,
            SPAN,
            {
                "gen_ai.evaluation.name": "helpful",
                "gen_ai.evaluation.score.value": 0.5,
                "gen_ai.evaluation.explanation": "so so",
                "watchpost.score.kind": "number",
                "watchpost.score.source": "sdk",
                "watchpost.score.author": "ann",
            },
        )
    ]
    assert processor.counts.delivered == processor.counts.received == 1


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (3, None, ("number", 3.0, None)),
        (Decimal("0.5"), None, ("number", 0.5, None)),
        (numpy.float32(0.5), None, ("number", 0.5, None)),
        (numpy.bool_(True), None, ("boolean", 1.0, None)),
        (True, None, ("boolean", 1.0, None)),
        (False, None, ("boolean", 0.0, None)),
        ("up", "boolean", ("boolean", 1.0, None)),
        ("down", "boolean", ("boolean", 0.0, None)),
        (1, "boolean", ("boolean", 1.0, None)),
        ("off topic", None, ("category", None, "off topic")),
        ("up", None, ("category", None, "up")),
    ],
)
def test_the_kind_is_told_by_the_value_unless_it_is_given(
    collector: StandInCollector, set_up: SetUp, value: Any, kind: str | None, told: Any
) -> None:
    processor = set_up(collector.url)

    watchpost.score("s", value, trace=TRACE, kind=kind)

    assert processor.flush(20)
    [(_, _, sent)] = collector.events()
    names = ("watchpost.score.kind", "gen_ai.evaluation.score.value")
    names += ("gen_ai.evaluation.score.label",)
    assert tuple(sent.get(name) for name in names) == told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": 5}, "name"),
        ({"value": float("nan")}, "value"),
        ({"value": None}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": numpy.zeros(2)}, "value"),
        ({"comment": 5}, "comment"),
        ({"value": "w" * 201}, "value"),
        ({"value": True, "kind": "number"}, "value"),
        ({"value": 2, "kind": "boolean"}, "value"),
        ({"value": 1, "kind": "category"}, "value"),
        ({"kind": "stars"}, "kind"),
        ({"trace": "12"}, "trace"),
        ({"trace": "x" * 32}, "trace"),
        ({"span": "12"}, "span"),
        ({"author": "a" * 201}, "author"),
    ],
)
def test_nonsense_is_told_by_name(arguments: dict[str, Any], named: str) -> None:
    given = {"name": "s", "value": 1, "trace": TRACE, **arguments}

    with pytest.raises(ConfigError) as caught:
        watchpost.score(given.pop("name"), given.pop("value"), **given)

    assert caught.value.setting == named


def test_without_a_trace_the_score_is_of_where_one_stands(
    collector: StandInCollector, set_up: SetUp
) -> None:
    processor = set_up(collector.url)

    with watchpost.span("outer") as outer:
        watchpost.score("here", 1)
        with watchpost.span("inner"):
            watchpost.score("there", 1, trace=outer)
    watchpost.score("whole", 1, trace=outer.trace_id)

    assert processor.flush(20)
    assert [(trace, span) for trace, span, _ in collector.events()] == [
        (outer.trace_id, outer.span_id),
        (outer.trace_id, outer.span_id),
        (outer.trace_id, ""),
    ]
    assert sorted(collector.names) == ["inner", "outer"]


def test_where_nothing_is_recorded_nothing_happens_and_one_line_says_so(
    collector: StandInCollector, set_up: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    watchpost.score("s", 1, trace=TRACE)
    watchpost.score("s", 1, trace=TRACE)
    processor = set_up(collector.url)
    watchpost.score("s", 1)

    assert processor.flush(20)
    assert collector.log_requests == []
    assert len([line for line in caplog.messages if "configure" in line]) == 1


def test_an_error_of_ours_does_not_reach_the_caller() -> None:
    def fail(_: Event) -> None:
        raise RuntimeError("a queue that broke")

    install(Runtime(TracerProvider().get_tracer("t"), deliver=fail))
    SHIELD.strict = False

    watchpost.score("s", 1, trace=TRACE)


def test_a_long_comment_is_cut(collector: StandInCollector, set_up: SetUp) -> None:
    processor = set_up(collector.url)

    watchpost.score("s", 1, trace=TRACE, comment="x" * (MOST_COMMENT + 1))

    assert processor.flush(20)
    [(_, _, sent)] = collector.events()
    assert sent["gen_ai.evaluation.explanation"] == "x" * MOST_COMMENT


@pytest.mark.parametrize(("capture", "shown"), [("full", "ok"), ("metadata", None)])
def test_the_capture_level_holds_for_comments(
    collector: StandInCollector, set_up: SetUp, capture: str, shown: str | None
) -> None:
    processor = set_up(collector.url, capture=capture)

    watchpost.score("s", "word", trace=TRACE, comment="ok")

    assert processor.flush(20)
    [(_, _, sent)] = collector.events()
    assert sent.get("gen_ai.evaluation.explanation") == shown
    assert sent["gen_ai.evaluation.score.label"] == "word"


def test_nothing_leaves_when_capture_is_off(collector: StandInCollector, set_up: SetUp) -> None:
    processor = set_up(collector.url, capture="off")

    watchpost.score("s", 1, trace=TRACE)

    assert processor.flush(20)
    assert collector.log_requests == []


def test_a_comment_is_masked_before_it_touches_the_disk_and_delivered_in_order_later(
    set_up: SetUp, tmp_path: Path
) -> None:
    with StandInCollector() as first:
        port, url = first.port, first.url
    processor = set_up(url, policy=Policy(redact=("pii",)))

    watchpost.score("s", 1, trace=TRACE, comment=f"my card is {CARD}")
    with watchpost.span("after"):
        pass
    assert not processor.flush(20)

    kept = [path for path in (tmp_path / "spill").rglob("*.gz") if path.is_file()]
    assert {path.name.split(".", 1)[1] for path in kept} == {"logs.gz", "otlp.gz"}
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in kept} == {0o600}
    with StandInCollector(port) as back:
        assert processor.flush(20)
        [(_, _, sent)] = back.events()
        assert back.names == ["after"]
    assert CARD not in str(sent["gen_ai.evaluation.explanation"])
    assert str(sent["gen_ai.evaluation.explanation"]).startswith("my card is ")
    assert processor.counts.delivered == processor.counts.received == 2


def test_a_collector_that_takes_spans_alone_is_not_held_up_by_scores(
    collector: StandInCollector, set_up: SetUp
) -> None:
    processor = set_up(collector.url)
    collector.refuse(404)

    watchpost.score("s", 1, trace=TRACE)
    assert processor.flush(20)
    with watchpost.span("after"):
        pass

    assert processor.flush(20)
    assert collector.names == ["after"]
    assert (processor.counts.dropped, processor.counts.delivered) == (1, 1)


def test_events_carry_whose_they_are(collector: StandInCollector, set_up: SetUp) -> None:
    processor = set_up(collector.url)
    resource = Resource({"service.name": "shop"})
    for number in range(3):
        processor.take(Event("e", 1, attributes={"n": float(number)}, resource=resource))

    assert processor.flush(20)

    [holder] = [holder for sent in collector.log_requests for holder in sent.resource_logs]
    assert {pair.key: pair.value.string_value for pair in holder.resource.attributes} == {
        "service.name": "shop"
    }


def test_scores_given_last_arrive_from_every_process_though_nobody_flushes(
    collector: StandInCollector, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, collector.url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    sent = sorted(str(told["gen_ai.evaluation.name"]) for _, _, told in collector.events())
    assert sent == ["after", "child", "parent"]
    [service] = {
        pair.value.string_value
        for request in collector.log_requests
        for holder in request.resource_logs
        for pair in holder.resource.attributes
        if pair.key == "service.name"
    }
    assert service == "shop"
