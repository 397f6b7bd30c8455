"""The parsers under test: for each a corpus of what it is meant to read, and how to feed it.

A target may raise what its own documentation names, nothing else: `WatchpostError` and, inside the
importer, `BadLine`.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backports import zstd
from otlp_bodies import break_utf8, build_request

from watchpost.errors import WatchpostError
from watchpost.serving.keys import parse_keys, read_secret
from watchpost_collector.counters import Counters
from watchpost_collector.importing.formats import read_line
from watchpost_collector.importing.row import BadLine
from watchpost_collector.importing.source import open_source, read_lines
from watchpost_collector.intake.admission import Admission, Parcel, admit, read_content_type
from watchpost_collector.otlp.compression import decompress
from watchpost_collector.otlp.envelope import Letter, frame_head, read_envelopes, reframe
from watchpost_collector.otlp.refusal import JSON_TYPE, PROTOBUF_TYPE
from watchpost_collector.otlp.signals import LOGS, METRICS, TRACES, Signal
from watchpost_collector.private_files import make_private
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.segments import count_items, recover_segments
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.store.prices.own import read_own_prices

FIXTURES = Path(__file__).parents[1] / "fixtures"
_LIMIT = 4 << 20
Feed = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser under test."""

    name: str
    corpus: Sequence[bytes]
    feed: Feed
    allowed: tuple[type[Exception], ...] = (WatchpostError,)


def list_parsers(accepted: list[Admission]) -> Iterator[Parser]:
    """Every parser; what intake takes of traces is added to `accepted`, to be stored."""
    traces = [build_request(n).SerializeToString() for n in (1, 3)]
    traces.append(break_utf8(traces[0]))
    documents = [path.read_bytes() for path in sorted(FIXTURES.rglob("*.json"))]
    otlp = [_spell_json(body) for body in traces] + documents[:12]
    letters = [Letter(body, "default", time.time_ns(), 1, b"d" * 16) for body in traces]
    envelopes = [frame_head(letter, "s") + letter.body for letter in letters]
    yield Parser("envelope", [*envelopes, b"".join(envelopes)], feed_envelopes)
    yield Parser("spool recovery", [*envelopes, b"".join(envelopes)], feed_recovery)
    yield Parser("traces in protobuf", traces, _feed_intake(TRACES, PROTOBUF_TYPE, accepted))
    yield Parser("traces in JSON", otlp, _feed_intake(TRACES, JSON_TYPE, accepted))
    for signal in (LOGS, METRICS):
        bodies = [build_other(signal)]
        yield Parser(f"{signal.name} in protobuf", bodies, _feed_intake(signal, PROTOBUF_TYPE, []))
        spelled = [_spell_json(body, signal) for body in bodies]
        yield Parser(f"{signal.name} in JSON", spelled, _feed_intake(signal, JSON_TYPE, []))
    for encoding, pack in (
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstd.compress),
    ):
        packed = [pack(traces[1]), pack(b""), pack(traces[0]) * 3]
        yield Parser(encoding, packed, partial(_feed_encoding, encoding))
    yield Parser("digests", [b"d" * 16 + time.time_ns().to_bytes(8, "little")], feed_digests)
    keys = (
        b"ingest:0123456789abcdef,read@team-a:fedcba9876543210\n# admin\nadmin:sha256=" + b"ab" * 32
    )
    yield Parser("keys", [keys], lambda content: _drop(parse_keys(content.decode("latin-1"))))
    yield Parser("headers", [b"Bearer abc", b"Basic YTpi", PROTOBUF_TYPE.encode()], feed_headers)
    yield Parser("prices", [_PRICES], feed_prices)
    lines = [line for body in (_LINES, *documents[:3]) for line in body.splitlines() if line]
    lines = [*lines[:20], *documents[:6]]
    yield Parser("import", [_LINES, *lines], feed_import, (WatchpostError, BadLine))


def build_other(signal: Signal) -> bytes:
    """A request of logs or metrics with one of everything."""
    request = signal.request()
    if signal is LOGS:
        resource = request.resource_logs.add()
        record = resource.scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
        record.body.string_value = "a body"
        record.attributes.add(key="event.name").value.string_value = "gen_ai.choice"
    else:
        resource = request.resource_metrics.add()
        metric = resource.scope_metrics.add().metrics.add(name="gen_ai.client.token.usage")
        point = metric.histogram.data_points.add(time_unix_nano=time.time_ns(), count=3, sum=9.5)
        point.bucket_counts.extend([1, 2])
        point.explicit_bounds.extend([4.0])
        number = resource.scope_metrics[0].metrics.add(name="a.sum").sum
        number.data_points.add(as_int=4, time_unix_nano=time.time_ns())
    resource.resource.attributes.add(key="service.name").value.string_value = "fuzz"
    return bytes(request.SerializeToString())


def feed_envelopes(content: bytes) -> None:
    end = 0
    for framed in read_envelopes(content):
        assert end <= framed.start < framed.end <= len(content)
        end = framed.end
        if framed.whole:
            [again] = read_envelopes(reframe(framed, "other"))
            assert bytes(again.body) == bytes(framed.body)


def feed_recovery(content: bytes) -> None:
    """What is recovered is what is on disk: whole, readable and counted right."""
    with tempfile.TemporaryDirectory() as place:
        spool = make_private(Path(place) / "spool", "--data")
        counters = Counters()
        aside = SetAside(make_private(Path(place) / "aside", "--data"), counters)
        (spool / "00000000000000000001-a.spool").write_bytes(content)
        found = recover_segments(spool, aside.take_bytes, counters)
        whole = sum(segment.size_bytes for segment in found)
        assert whole + counters.read().torn_bytes == len(content)
        for segment in found:
            framed = list(read_envelopes(segment.path.read_bytes()))
            assert all(one.whole for one in framed)
            assert segment.spans == sum(count_items(one.body, TRACES) for one in framed)
            assert segment.size_bytes == segment.path.stat().st_size


def _feed_intake(signal: Signal, content_type: str, accepted: list[Admission]) -> Feed:
    def feed(content: bytes) -> None:
        parcel = Parcel(content, content_type, "", "fuzz", time.time_ns(), signal=signal)
        admission = admit(parcel, _LIMIT)
        signal.request.FromString(admission.letter.body)
        if admission.letter.spans:
            accepted.append(admission)

    return feed


def _feed_encoding(encoding: str, content: bytes) -> None:
    assert len(decompress(content, encoding, _LIMIT)) <= _LIMIT


def feed_digests(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = make_private(Path(place) / "digests", "--data")
        (directory / "one.digests").write_bytes(content)
        Digests(directory).load()


def feed_headers(content: bytes) -> None:
    read_secret([(b"authorization", content)])
    read_content_type(content.decode("latin-1"))


def feed_prices(content: bytes) -> None:
    read_own_prices(content.decode("utf-8", "replace"))


def feed_import(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "lines.jsonl"
        path.write_bytes(content)
        for line in read_lines(open_source(path)):
            if isinstance(line.value, dict):
                with contextlib.suppress(BadLine):
                    read_line(line.value)


def _drop(_: object) -> None:
    """Nothing is asked of what was read."""


def _spell_json(body: bytes, signal: Signal = TRACES) -> bytes:
    from google.protobuf.json_format import MessageToDict

    with contextlib.suppress(Exception):
        return json.dumps(MessageToDict(signal.request.FromString(body))).encode()
    return b'{"resourceSpans": []}'


_USED = {"prompt_tokens": 3, "completion_tokens": 2}
_SAID = {"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}
_EXCHANGE = {
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
    "response": {"id": "1", "model": "gpt-4o", "choices": [_SAID], "usage": _USED},
}
_LINES = (
    json.dumps(_EXCHANGE).encode()
    + b"""
{"prompt": "hi", "reply": "ho", "model": "claude-sonnet-4-5", "time": "2026-01-02T03:04:05Z"}
{"custom_id": "a", "response": {"status_code": 200, "body": {"model": "gpt-4o", "choices": []}}}
{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "tags": ["a"]}
"""
)
_PRICES = b"""models:
  - model: my-model
    provider: azure
    aliases: [my-model-latest]
    valid_from: 2026-06-01
    input: 1.5
    output: 2
    above:
      - {tokens: 1000, input: 3}
    tiers:
      batch: {discount: 25%}
      flex: {input: 0.1}
  - match: ["*-gpu", "local/*"]
    gpu: {per_hour: 4, gpus: 2, concurrency: 4}
  - {model: drawn, per_image: 0.04}
"""
