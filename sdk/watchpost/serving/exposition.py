"""Readings as the text that Prometheus scrapes (exposition format 0.0.4).

A counter's samples end in `_total`; a histogram's buckets are cumulative and end in `+Inf`. This
file knows the format and nothing of what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from watchpost.serving.histogram import Distribution
from watchpost.serving.readings import Reading, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render_readings(readings: Iterable[Reading]) -> str:
    """The readings as one text."""
    return "".join(f"{line}\n" for reading in readings for line in _render(reading))


def _render(reading: Reading) -> Iterator[str]:
    name = f"{reading.name}_total" if reading.kind == "counter" else reading.name
    yield f"# HELP {name} {_escape(reading.help)}"
    yield f"# TYPE {name} {reading.kind}"
    for sample in reading.samples:
        if isinstance(sample.value, Distribution):
            yield from _render_histogram(name, sample, sample.value)
        else:
            yield f"{name}{_render_labels(sample.labels)} {_render_number(sample.value)}"


def _render_histogram(name: str, sample: Sample, found: Distribution) -> Iterator[str]:
    bounds = [_render_number(bound) for bound in found.bounds] + ["+Inf"]
    for bound, count in zip(bounds, accumulate(found.counts), strict=True):
        yield f"{name}_bucket{_render_labels({**sample.labels, 'le': bound})} {count}"
    labels = _render_labels(sample.labels)
    yield f"{name}_sum{labels} {_render_number(found.total_s)}"
    yield f"{name}_count{labels} {found.count}"


def _render_labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escape(value, quotes=True)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _render_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
