"""Files into a running watchpost, batch by batch: what is stored already is left alone.

Reads a line, asks whether its span is stored, and only then counts, screens and sends it; so a
repeated or resumed import does the missing part. It prints nothing: every step is yielded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from watchpost import attributes
from watchpost.masking.redaction import Redactor
from watchpost.pricing.tokens import estimate
from watchpost.record import Request
from watchpost.screening.decision import Ruling
from watchpost_collector.importing.delivery import Delivery
from watchpost_collector.importing.formats import provider_of, read_line, sniff
from watchpost_collector.importing.otlp import drop_content, read_spans, screen_span
from watchpost_collector.importing.row import BadLine, Row
from watchpost_collector.importing.screened import Capture, build_policy, screen_row
from watchpost_collector.importing.source import Line, Source, open_source, read_lines
from watchpost_collector.importing.spans import (
    Identity,
    add_verdicts,
    build_span,
    frame,
    identify,
)

BATCH_LINES = 256
REQUEST_BYTES = 8 << 20
# The first line waits for the vocabulary; there is nobody to hold up.
VOCABULARY_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to read and store: the model of files that name none, whose calls they are, guards."""

    model: str = ""
    service: str = "import"
    guards: Sequence[str] = ("pii", "secrets", "length")
    capture: Capture = "redacted"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that was not stored, and why."""

    path: Path
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """What happened since the last step: lines read, spans stored, found there, and faults."""

    source: Source
    lines: int = 0
    stored: int = 0
    present: int = 0
    uncounted: int = 0
    joined: int = 0
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line that can be stored: a row, or the frames of OTLP spans."""

    line: int
    identities: tuple[Identity, ...]
    row: Row | None = None
    frames: tuple[ResourceSpans, ...] = ()


@dataclass(slots=True)
class Batches:
    """The requests of batch files by their id, and which of them some output answers."""

    asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def note(self, line: Line) -> None:
        """Remembers a batch line; any other is left alone."""
        if not isinstance(line.value, dict) or "custom_id" not in line.value:
            return
        try:
            kind = sniff(line.value)
        except BadLine:
            return
        if kind == "batch input":
            self.asked[str(line.value["custom_id"])] = line.value["body"]
        elif kind == "batch output":
            self.answered.add(str(line.value["custom_id"]))


def open_sources(paths: Iterable[Path]) -> tuple[list[Source], Batches]:
    """The files, each read through once; a file given twice counts once."""
    sources = list({source.digest: source for source in map(open_source, paths)}.values())
    batches = Batches()
    for source in sources:
        first = next(iter(read_lines(source)), None)
        if first and isinstance(first.value, dict) and "custom_id" in first.value:
            for line in read_lines(source):
                batches.note(line)
    return sources, batches


def import_source(
    source: Source, batches: Batches, options: Options, delivery: Delivery
) -> Iterator[Step]:
    """Stores every line of the file that is not stored yet."""
    maker = _Maker(source, options)
    lines = read_lines(source)
    while batch := list(itertools.islice(lines, BATCH_LINES)):
        yield _import_batch(source, batch, batches, maker, delivery)


def _import_batch(
    source: Source, batch: Sequence[Line], batches: Batches, maker: _Maker, delivery: Delivery
) -> Step:
    entries: list[_Entry] = []
    faults: list[Fault] = []
    joined = 0
    for line in batch:
        try:
            if _is_answered(line, batches):
                joined += 1
            else:
                entries.append(_read_entry(line, source, batches))
        except BadLine as error:
            faults.append(Fault(source.path, line.number, str(error)))
    wanted = [identity for entry in entries for identity in entry.identities]
    stored = delivery.find_stored(wanted)
    present = sum(identity in stored for identity in wanted)
    request, uncounted = maker.make_request(entries, stored)
    sent = len(request.resource_spans)
    for part in _split(request):
        refused, why = delivery.send(part)
        if refused:
            sent -= refused
            faults.append(Fault(source.path, batch[0].number, f"{refused} refused: {why}"))
    return Step(source, len(batch), sent, present, uncounted, joined, tuple(faults))


def _split(request: ExportTraceServiceRequest) -> Iterator[ExportTraceServiceRequest]:
    """The request in parts that a collector takes."""
    part, size = ExportTraceServiceRequest(), 0
    for framed in request.resource_spans:
        if size and size + framed.ByteSize() > REQUEST_BYTES:
            yield part
            part, size = ExportTraceServiceRequest(), 0
        part.resource_spans.append(framed)
        size += framed.ByteSize()
    if size:
        yield part


def _is_answered(line: Line, batches: Batches) -> bool:
    """Whether the line is a batch request whose answer is imported too, and carries it."""
    if not isinstance(line.value, dict) or line.value.get("custom_id") not in batches.answered:
        return False
    return sniff(line.value) == "batch input"


def _read_entry(line: Line, source: Source, batches: Batches) -> _Entry:
    if line.fault:
        raise BadLine(line.fault)
    try:
        if sniff(line.value) == "otlp":
            frames = read_spans(line.value, source.digest, line.number)
            spans = [framed.scope_spans[0].spans[0] for framed in frames]
            identities = tuple((span.trace_id, span.span_id) for span in spans)
            return _Entry(line.number, identities, frames=tuple(frames))
        row = read_line(line.value, batches.asked.get(str(line.value.get("custom_id"))))
        return _Entry(line.number, (identify(source.digest, line.number),), row)
    except RecursionError as error:
        raise BadLine("nested too deep") from error


class _Maker:
    """Makes the spans of one file's lines: models named, tokens counted, guards asked, masked."""

    def __init__(self, source: Source, options: Options) -> None:
        self._source = source
        self._model = options.model
        self._policy = build_policy(options.guards, options.capture)
        self._redactor = Redactor(self._policy)
        self._content = options.capture != "metadata"
        self._made: set[Identity] = set()
        self._resource = {attributes.SERVICE_NAME: options.service}

    def make_request(
        self, entries: Iterable[_Entry], stored: set[Identity]
    ) -> tuple[ExportTraceServiceRequest, int]:
        """The request with the spans not stored yet, and how many calls stay uncounted."""
        request = ExportTraceServiceRequest()
        rulings: list[tuple[Ruling, ...]] = []
        uncounted = 0
        for entry in entries:
            for framed, ruled in self._screened_frames(entry, stored):
                request.resource_spans.append(framed)
                rulings.append(ruled)
        self._redactor.redact_request(request)
        # Verdicts hold no text, so they come after the masking and are not searched.
        for framed, ruled in zip(request.resource_spans, rulings, strict=True):
            span = framed.scope_spans[0].spans[0]
            add_verdicts(span, ruled)
            uncounted += _is_uncounted(span)
        return request, uncounted

    def _screened_frames(
        self, entry: _Entry, stored: set[Identity]
    ) -> Iterator[tuple[ResourceSpans, tuple[Ruling, ...]]]:
        """What of the entry is not stored yet, and what the guards ruled on it."""
        if entry.row is not None and entry.identities[0] not in stored:
            row, rulings = screen_row(self._complete(entry.row), self._policy)
            span = build_span(row, self._source, entry.line, content=self._content)
            yield frame(span, self._resource), rulings
        for framed, identity in zip(entry.frames, entry.identities, strict=False):
            # A document may hold a span twice; what the last batch sent may not be readable yet.
            if identity in stored or identity in self._made:
                continue
            self._made.add(identity)
            span = framed.scope_spans[0].spans[0]
            ruled = screen_span(span, self._policy)
            if not self._content:
                drop_content(span)
            yield framed, ruled

    def _complete(self, row: Row) -> Row:
        """The row with the model of the command line and the tokens nobody reported."""
        generation = row.generation
        if not generation.model and self._model:
            asking: Request = replace(generation.request, model=self._model)
            provider = generation.provider or provider_of(self._model)
            generation = replace(generation, request=asking, provider=provider)
        if generation.result.usage is None and not generation.error_type:
            usage = estimate(
                generation.request,
                generation.result,
                generation.model,
                wait_s=VOCABULARY_WAIT_S,
            )
            if usage is not None:
                counted = replace(
                    generation.usage,
                    input_tokens=usage[0],
                    output_tokens=usage[1],
                    source=attributes.ESTIMATED,
                )
                generation = replace(generation, usage=counted)
        return replace(row, generation=generation)


def _is_uncounted(span: Span) -> bool:
    return any(
        item.key == attributes.USAGE_SOURCE and item.value.string_value == attributes.UNKNOWN
        for item in span.attributes
    )
