from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp_bodies import build_request, only_spans, put

from watchpost_collector.otlp.envelope import encode_varint
from watchpost_collector.otlp.parts import count_parts
from watchpost_collector.otlp.signals import SIGNALS, TRACES, Signal

TRACE = TRACES.request.DESCRIPTOR


def wrap(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + encode_varint(len(content)) + content


def test_every_attribute_of_a_span_counts() -> None:
    request = build_request(1)
    before = count_parts(request.SerializeToString(), TRACE, 10**9).count

    for number in range(500):
        put(only_spans(request)[0], f"k{number}", number)

    assert count_parts(request.SerializeToString(), TRACE, 10**9).count - before >= 500


@pytest.mark.parametrize(
    "path", [(0x0A,), (0x0A, 0x12), (0x0A, 0x12, 0x12), (0x0A, 0x12, 0x12, 0x4A)]
)
def test_empty_parts_count_wherever_they_are(path: tuple[int, ...]) -> None:
    content = bytes([path[-1], 0]) * 1000
    for tag in reversed(path[:-1]):
        content = wrap(tag, content)

    assert count_parts(content, TRACE, 10**9).count >= 1000


def test_values_inside_values_count() -> None:
    value = wrap(0x12, wrap(0x2A, b"\x0a\x00" * 1000))
    content = wrap(0x0A, wrap(0x12, wrap(0x12, wrap(0x4A, value))))

    assert count_parts(content, TRACE, 10**9).count >= 1000


def test_the_longest_text_is_found() -> None:
    body = build_request(2, text="x" * 70_000).SerializeToString()

    assert 70_000 < count_parts(body, TRACE, 10**9).longest_bytes < 71_000


def test_counting_ends_soon_after_there_are_too_many() -> None:
    assert count_parts(b"\x0a\x00" * 100_000, TRACE, 1000).count == 1001


@given(st.binary(max_size=300), st.sampled_from(SIGNALS))
def test_any_bytes_are_counted_without_an_error(content: bytes, signal: Signal) -> None:
    assert count_parts(content, signal.request.DESCRIPTOR, 10**6).count <= len(content)
