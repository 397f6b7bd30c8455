from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from otlp_bodies import build_request
from prometheus_client.parser import text_string_to_metric_families
from running_server import RunningServer

from watchpost.serving.exposition import render_readings
from watchpost.serving.histogram import Histogram
from watchpost.serving.readings import Reading, Sample

Parsed = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Parsed:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(parsed: Parsed, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(v for (n, found), v in parsed.items() if n == name and wanted <= set(found))


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.text(), max_size=3),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_label_and_value_reads_back_as_it_was(labels: dict[str, str], value: float) -> None:
    reading = Reading("a_thing", "gauge", "Text \\ with\nlines.", "1", (Sample(value, labels),))

    assert parse(render_readings([reading])) == {("a_thing", tuple(sorted(labels.items()))): value}


def test_a_histogram_is_cumulative_and_ends_in_infinity() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.5, 0.5, 9.0):
        histogram.observe(seconds)
    reading = Reading("took_seconds", "histogram", "Time.", "s", (Sample(histogram.read()),))

    parsed = parse(render_readings([reading]))

    buckets = [total(parsed, "took_seconds_bucket", le=bound) for bound in ("0.1", "1", "+Inf")]
    assert buckets == [1, 3, 4]
    assert total(parsed, "took_seconds_count") == 4
    assert abs(total(parsed, "took_seconds_sum") - 10.05) < 1e-9


def name_types(lines: Iterable[str]) -> set[str]:
    return {line.split()[3] for line in lines if line.startswith("# TYPE")}


def test_the_metrics_of_a_server_parse_and_add_up(server: RunningServer) -> None:
    before = parse(server.request("GET", "/metrics").body.decode())
    body = build_request(7, service="metered").SerializeToString()
    for _ in range(2):
        assert server.send(body, **server.project("metered")).status == 200
    server.flush()

    answer = server.request("GET", "/metrics")

    text = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert name_types(text.splitlines()) == {"counter", "gauge", "histogram"}
    parsed = parse(text)
    came = total(parsed, "watchpost_spans_received_total")
    came += total(parsed, "watchpost_spans_recovered_total")
    went = total(parsed, "watchpost_spans_settled_total") + total(parsed, "watchpost_spans_waiting")
    assert came == went
    of = {"project": "metered"}
    assert total(parsed, "watchpost_project_spans_total", **of, fate="received") == 14
    assert total(parsed, "watchpost_project_spans_total", **of, fate="deduplicated") == 7
    assert total(parsed, "watchpost_store_state", state="ready") == 1
    for histogram in ("watchpost_acknowledge_seconds_count", "watchpost_flush_seconds_count"):
        assert total(parsed, histogram) > total(before, histogram)


def test_metrics_take_no_other_method(server: RunningServer) -> None:
    assert server.request("POST", "/metrics").status == 405
