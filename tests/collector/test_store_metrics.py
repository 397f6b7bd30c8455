from __future__ import annotations

import re
import secrets
import time
from pathlib import Path

import pytest
from otlp_signals import Metrics, put_all
from store_segments import name_segment

from watchpost_collector.intake.admission import Admission, Parcel, admit
from watchpost_collector.otlp.envelope import frame_head
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.otlp.signals import METRICS
from watchpost_collector.store.client import Store

DELTA, CUMULATIVE = 1, 2


def insert(store: Store, metrics: Metrics, project: str) -> Admission:
    """Store a request as the flusher does, twice, as after a crash."""
    parcel = Parcel(metrics.encode(), PROTOBUF_TYPE, "", project, time.time_ns(), signal=METRICS)
    admission = admit(parcel, 1 << 24)
    segment = f"{name_segment()}-metrics"
    for _ in range(2):
        store.insert_segment(frame_head(admission.letter, segment) + admission.letter.body, segment)
    assert store.count_segment(segment).spans == admission.letter.spans
    return admission


def read(store: Store, project: str, columns: str) -> list[tuple[object, ...]]:
    return list(
        store.query(
            f"select {columns} from watchpost.metrics where project = {{project:String}} "
            "order by name, time",
            {"project": project},
        )
    )


@pytest.fixture
def project() -> str:
    return f"metrics-{secrets.token_hex(4)}"


def test_a_histogram_keeps_buckets_temporality_and_what_panels_filter_by(
    store: Store, project: str
) -> None:
    now = time.time_ns()
    metrics = Metrics("shop")
    histogram = metrics.add("gen_ai.client.token.usage", "{token}").histogram
    histogram.aggregation_temporality = CUMULATIVE
    point = histogram.data_points.add(
        start_time_unix_nano=now - 10**9,
        time_unix_nano=now,
        count=3,
        sum=5.5,
        bucket_counts=[1, 2, 0],
        explicit_bounds=[1.0, 10.0],
        min=0.5,
        max=4,
    )
    named = {"gen_ai.token.type": "input", "gen_ai.request.model": "gpt-4o", "deep": [{"a": 1}]}
    put_all(point.attributes, {**named, "gen_ai.operation.name": "chat", "gen_ai.system": "openai"})

    insert(store, metrics, project)

    assert read(store, project, "name, unit, kind, temporality, count, sum, min, max") == [
        ("gen_ai.client.token.usage", "{token}", "histogram", "cumulative", 3, 5.5, 0.5, 4.0)
    ]
    assert read(store, project, "bounds, buckets, value") == [([1.0, 10.0], [1, 2, 0], None)]
    assert read(store, project, "service, model, provider, operation, token_type") == [
        ("shop", "gpt-4o", "openai", "chat", "input")
    ]
    assert read(store, project, "attributes['deep'], toInt64(time - start)") == [('[{"a":1}]', 1)]


def test_every_kind_of_point_is_kept_with_what_it_has(store: Store, project: str) -> None:
    now = time.time_ns()
    metrics = Metrics()
    gauge = metrics.add("gauge").gauge.data_points
    gauge.add(time_unix_nano=now, as_int=-7)
    gauge.add(time_unix_nano=now + 1, as_double=1.5)
    gauge.add(time_unix_nano=now + 2, flags=1)
    total = metrics.add("sum").sum
    total.is_monotonic, total.aggregation_temporality = True, DELTA
    total.data_points.add(time_unix_nano=now, as_int=3)
    exponential = metrics.add("exponential").exponential_histogram
    exponential.aggregation_temporality = DELTA
    point = exponential.data_points.add(time_unix_nano=now, count=4, scale=-1, zero_count=1)
    point.positive.offset, point.zero_threshold = -3, 0.25
    point.positive.bucket_counts.extend([1, 2])
    point.negative.bucket_counts.append(9)
    summary = metrics.add("summary").summary.data_points.add(time_unix_nano=now, count=4, sum=2.0)
    summary.quantile_values.add(quantile=0.5, value=1.0)

    insert(store, metrics, project)

    assert read(store, project, "name, value, count, sum, temporality, monotonic") == [
        ("exponential", None, 4, None, "delta", False),
        ("gauge", -7.0, 0, None, "", False),
        ("gauge", 1.5, 0, None, "", False),
        ("gauge", None, 0, None, "", False),
        ("sum", 3.0, 0, None, "delta", True),
        ("summary", None, 4, 2.0, "", False),
    ]
    columns = "scale, offset, buckets, zero_count, zero_threshold, negative_buckets"
    assert read(store, project, columns)[0] == (-1, -3, [1, 2], 1, 0.25, [9])
    assert read(store, project, "quantiles.quantile, quantiles.value")[-1] == ([0.5], [1.0])


def test_points_of_one_series_share_it_and_others_do_not(store: Store, project: str) -> None:
    now = time.time_ns()
    metrics = Metrics()
    points = metrics.add("load").gauge.data_points
    for number, model in enumerate(("a", "b", "a")):
        point = points.add(time_unix_nano=now + number, as_int=number)
        put_all(point.attributes, {"gen_ai.request.model": model, "gen_ai.system": "openai"})

    insert(store, metrics, project)

    first, other, again = [series for (series,) in read(store, project, "series")]
    assert first == again
    assert first != other


def test_a_point_nobody_could_ask_for_is_refused_alone_and_named(
    store: Store, project: str
) -> None:
    now = time.time_ns()
    metrics = Metrics()
    metrics.add("").gauge.data_points.add(time_unix_nano=now, as_int=1)
    points = metrics.add("time").histogram.data_points
    points.add(time_unix_nano=now, count=1, bucket_counts=[1], explicit_bounds=[1.0, 2.0])
    points.add(time_unix_nano=now, count=1)

    admission = insert(store, metrics, project)

    assert (admission.letter.spans, admission.rejected) == (1, 2)
    assert "scopeMetrics[0].metrics[0].dataPoints[0]: its metric has no name" in admission.message
    assert "1 bucketCounts do not go with 2 explicitBounds" in admission.message
    assert read(store, project, "name, buckets") == [("time", [])]


def test_absurd_times_are_stored_at_their_arrival(store: Store, project: str) -> None:
    metrics = Metrics()
    metrics.add("late").gauge.data_points.add(time_unix_nano=2**63, as_int=1)

    admission = insert(store, metrics, project)

    assert "1 data points kept whose time is over 31 days ago" in admission.message
    assert read(store, project, "abs(dateDiff('minute', time, now())) < 5, start = time") == [
        (True, True)
    ]


@pytest.mark.parametrize(("temporality", "p95_s"), [(DELTA, 0.5), (CUMULATIVE, 0.1)])
def test_the_panel_of_the_guide_shows_the_percentile_of_what_was_added(
    store: Store, project: str, temporality: int, p95_s: float
) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text()
    panels = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    [panel] = [sql for sql in panels if "watchpost.metrics" in sql]
    now = time.time_ns()
    metrics = Metrics()
    histogram = metrics.add("gen_ai.server.time_to_first_token", "s").histogram
    histogram.aggregation_temporality = temporality
    # The second point says 99 fast ones more. What a cumulative series begins with is a day's.
    second = [99, 1, 0] if temporality == DELTA else [99, 1, 100]
    for number, counts in enumerate(([0, 0, 100], second)):
        point = histogram.data_points.add(
            start_time_unix_nano=now - 86_400 * 10**9,
            time_unix_nano=now + number,
            count=sum(counts),
            bucket_counts=counts,
            explicit_bounds=[0.1, 0.5],
        )
        put_all(point.attributes, {"gen_ai.request.model": project})

    insert(store, metrics, project)

    assert [row[2] for row in store.query(panel) if row[1] == project] == [p95_s]
