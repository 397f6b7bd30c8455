"""Erasing in files of envelopes: what was set aside, which no table holds and no query finds.

A file is written anew without the spans that are erased, all of it or not at all. Bytes that
cannot be read as envelopes are searched for the id itself and go as a whole. This file knows
envelopes and spans; it does not know who calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from watchpost_collector.erasure.subject import Remembered, Subject
from watchpost_collector.otlp.envelope import Framed, Letter, frame_head, read_envelopes
from watchpost_collector.otlp.signals import TRACES, Signal, read_signal
from watchpost_collector.private_files import read_private, sync_directory, write_private

_CONTENT, _REASON = ".envelopes", ".reason.json"


@dataclass(frozen=True, slots=True)
class FilesReport:
    """What was found and done: files rewritten and deleted whole, and spans removed."""

    rewritten: int = 0
    deleted: int = 0
    spans: int = 0

    def add(self, other: FilesReport) -> FilesReport:
        """Both together."""
        return FilesReport(
            self.rewritten + other.rewritten,
            self.deleted + other.deleted,
            self.spans + other.spans,
        )


def erase_files(
    directory: Path, subject: Subject | Remembered, traces: Collection[str], *, change: bool = True
) -> FilesReport:
    """Remove the subject and the spans of `traces` (hexadecimal) from every file set aside.

    With `change` false nothing is written and the report says what would be.
    """
    rewritten = deleted = spans = 0
    for path in sorted(directory.glob(f"*{_CONTENT}")):
        content = read_private(path)
        signal = read_signal(path.name.removesuffix(_CONTENT))
        kept, removed = _strip(content, subject, traces, signal)
        if kept == content:
            continue
        spans += removed
        if kept:
            rewritten += 1
            if change:
                write_private(path, kept)
        else:
            deleted += 1
            if change:
                path.unlink()
                reason = path.name.removesuffix(_CONTENT) + _REASON
                (directory / reason).unlink(missing_ok=True)
    if change and (rewritten or deleted):
        sync_directory(directory)
    return FilesReport(rewritten, deleted, spans)


def _strip(
    content: bytes, subject: Subject | Remembered, traces: Collection[str], signal: Signal
) -> tuple[bytes, int]:
    """The content without the subject, and how many spans that took."""
    signs = _list_signs(subject, traces)
    kept: list[bytes] = []
    removed = end = 0
    for framed in read_envelopes(content):
        end = framed.end
        original = content[framed.start : framed.end]
        if subject.project and framed.project != subject.project:
            kept.append(original)
            continue
        if signal is not TRACES:
            # Records and points are many and small: a request that names them goes as a whole.
            kept += [] if _holds(original, signs) else [original]
            continue
        try:
            request = ExportTraceServiceRequest.FromString(bytes(framed.body))
        except DecodeError:
            # Nobody can say which span is whose: all of it goes if the id stands in it anywhere.
            kept += [] if _holds(original, signs) else [original]
            continue
        gone = _remove_spans(request, subject, traces)
        removed += gone
        kept.append(_reframe(framed, request) if gone else original)
    tail = content[end:]
    if tail and not _holds(tail, signs):
        kept.append(tail)
    return b"".join(kept), removed


def _remove_spans(
    request: ExportTraceServiceRequest, subject: Subject | Remembered, traces: Collection[str]
) -> int:
    """Remove the subject's traces from a request; returns how many spans that were."""
    theirs = set(traces)
    for resource in request.resource_spans:
        everybody = any(_names(subject, pair) for pair in resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                named = everybody or any(_names(subject, pair) for pair in span.attributes)
                if named or subject.is_trace(span.trace_id.hex()):
                    theirs.add(span.trace_id.hex())
    removed = 0
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            kept = [span for span in scope.spans if span.trace_id.hex() not in theirs]
            removed += len(scope.spans) - len(kept)
            if len(kept) < len(scope.spans):
                copies = [type(span).FromString(span.SerializeToString()) for span in kept]
                del scope.spans[:]
                scope.spans.extend(copies)
    return removed


def _names(subject: Subject | Remembered, pair: object) -> bool:
    value = pair.value  # type: ignore[attr-defined]
    text = value.string_value or (str(value.int_value) if value.int_value else "")
    return subject.names(pair.key, text)  # type: ignore[attr-defined]


def _reframe(framed: Framed, request: ExportTraceServiceRequest) -> bytes:
    spans = sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)
    if not spans:
        return b""
    letter = Letter(
        body=request.SerializeToString(),
        project=framed.project,
        received_ns=framed.received_ns,
        spans=spans,
        digest=framed.digest,
        backfill=framed.backfill,
    )
    return frame_head(letter, framed.segment) + letter.body


def _list_signs(subject: Subject | Remembered, traces: Collection[str]) -> list[bytes]:
    """The bytes by which the subject shows where nothing can be parsed."""
    signs = [bytes.fromhex(trace) for trace in traces]
    if subject.value:
        signs.append(subject.value.encode())
    if subject.value and subject.kind == "trace":
        signs.append(bytes.fromhex(subject.value))
    return signs


def _holds(content: bytes, signs: Iterable[bytes]) -> bool:
    return any(sign in content for sign in signs)
