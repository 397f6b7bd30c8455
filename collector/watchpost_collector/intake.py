"""The door: the bytes of one request in, a letter for the spool and what to tell the client out.

Validation is one parse in C; Python looks at ids and times and at nothing else. What can be saved
is saved: a broken string is healed, a deep value folded, a span without a usable id refused alone
while the rest of its batch is kept. This file knows OTLP; it knows no socket, no file, no store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from watchpost_collector.compression import decompress
from watchpost_collector.digests import compute_digest
from watchpost_collector.envelope import Letter, encode_varint
from watchpost_collector.fold import fold_request, heal_request
from watchpost_collector.otlp_json import translate_json
from watchpost_collector.refusal import JSON_TYPE, PROTOBUF_TYPE, Refusal
from watchpost_collector.twins import load_probe

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_DAY_NS = 86_400 * 10**9
_PAST_NS, _AHEAD_NS = 31 * _DAY_NS, _DAY_NS // 24
_OLDEST_NS = 946_684_800 * 10**9  # the year 2000: a backfill may be as old as that
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request as it came off the wire."""

    body: bytes
    content_type: str
    encoding: str
    project: str
    received_ns: int
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a parcel: the letter to store, the spans refused, a text about both.

    `letter.spans` is zero when there is nothing to store.
    """

    letter: Letter
    rejected: int = 0
    message: str = ""


def read_content_type(header: str) -> str:
    """The media type of a Content-Type header; Refusal when OTLP has no such encoding."""
    media = header.split(";")[0].strip().lower()
    if media in (JSON_TYPE, PROTOBUF_TYPE):
        return media
    if media in ("application/protobuf", "application/octet-stream"):
        return PROTOBUF_TYPE
    shown = media[:60] or "(none)"
    raise Refusal(
        415, f"content-type '{shown}' is not OTLP", f"send {PROTOBUF_TYPE} or {JSON_TYPE}"
    )


def admit(parcel: Parcel, limit_bytes: int) -> Admission:
    """Check a parcel and make it ready for the spool; Refusal when nothing of it can be kept."""
    sent = decompress(parcel.body, parcel.encoding, limit_bytes)
    if len(sent) > limit_bytes:
        raise Refusal.oversize(limit_bytes)
    body = translate_json(sent) if parcel.content_type == JSON_TYPE else sent
    body, probe = _parse(body)
    spans, faults, odd = _inspect(probe, parcel)
    if not probe.IsInitialized():
        body = fold_request(body)
    if faults:
        body = _without(body, {place for place, _ in faults})
    letter = Letter(
        body=body,
        project=parcel.project,
        received_ns=parcel.received_ns,
        spans=spans - len(faults),
        digest=compute_digest(sent, parcel.project, parcel.content_type),
        backfill=parcel.backfill,
    )
    return Admission(letter, len(faults), _explain(faults, odd))


def encode_response(admission: Admission, content_type: str) -> bytes:
    """The `ExportTraceServiceResponse`: empty on full success, else what was refused and why."""
    if content_type == JSON_TYPE:
        return _encode_json(admission)
    if not admission.message:
        return b""
    text = admission.message.encode()
    inner = b"\x12" + encode_varint(len(text)) + text
    if admission.rejected:
        inner = b"\x08" + encode_varint(admission.rejected) + inner
    return b"\x0a" + encode_varint(len(inner)) + inner


def _encode_json(admission: Admission) -> bytes:
    if not admission.message:
        return b"{}"
    partial: dict[str, object] = {"errorMessage": admission.message}
    if admission.rejected:
        partial["rejectedSpans"] = str(admission.rejected)
    return json.dumps({"partialSuccess": partial}).encode()


def _parse(body: bytes) -> tuple[bytes, Any]:
    probe = load_probe()
    try:
        return body, probe.FromString(body)
    except DecodeError:
        pass
    try:
        # Only an encoding can be healed; what is no protobuf fails here again.
        healed = heal_request(body)
        return healed, probe.FromString(healed)
    except DecodeError as error:
        raise Refusal(
            400,
            f"the {len(body)} bytes are not an ExportTraceServiceRequest ({_last(error)})",
            "check that nothing cut or changed the body on its way",
        ) from error


def _last(error: Exception) -> str:
    return str(error).rsplit(":", 1)[-1].strip()


Place = tuple[int, int, int]


def _inspect(probe: Any, parcel: Parcel) -> tuple[int, list[tuple[Place, str]], int]:
    """How many spans there are, which have no usable id and why, how many times are absurd."""
    low = _OLDEST_NS if parcel.backfill else parcel.received_ns - _PAST_NS
    high = parcel.received_ns + _AHEAD_NS
    count = odd = 0
    faults: list[tuple[Place, str]] = []
    for r, resource in enumerate(probe.resource_spans):
        for s, scope in enumerate(resource.scope_spans):
            spans = scope.spans
            count += len(spans)
            for n, span in enumerate(spans):
                trace_id, span_id = span.trace_id, span.span_id
                if (
                    len(trace_id) != 16
                    or len(span_id) != 8
                    or trace_id == _NO_TRACE
                    or span_id == _NO_SPAN
                ):
                    faults.append(((r, s, n), _describe_fault(trace_id, span_id)))
                elif not low <= span.start_time_unix_nano <= high:
                    odd += 1
    return count, faults, odd


def _describe_fault(trace_id: bytes, span_id: bytes) -> str:
    for name, value, size in (("traceId", trace_id, 16), ("spanId", span_id, 8)):
        if len(value) != size:
            return f"{name} has {len(value)} bytes, not {size}"
        if not any(value):
            return f"{name} is all zeros"
    return "its ids cannot be used"


def _without(body: bytes, places: set[Place]) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    for r, resource in enumerate(request.resource_spans):
        for s, scope in enumerate(resource.scope_spans):
            kept = [span for n, span in enumerate(scope.spans) if (r, s, n) not in places]
            if len(kept) < len(scope.spans):
                spans = [type(span).FromString(span.SerializeToString()) for span in kept]
                del scope.spans[:]
                scope.spans.extend(spans)
    return bytes(request.SerializeToString())


def _explain(faults: list[tuple[Place, str]], odd: int) -> str:
    return "; ".join(_tell(faults, odd))


def _tell(faults: list[tuple[Place, str]], odd: int) -> Iterator[str]:
    if faults:
        named = [
            f"resourceSpans[{r}].scopeSpans[{s}].spans[{n}]: {why}"
            for (r, s, n), why in faults[:_NAMED]
        ]
        more = len(faults) - len(named)
        yield f"{len(faults)} spans refused: {', '.join(named)}" + (
            f" and {more} more" * bool(more)
        )
    if odd:
        yield (
            f"{odd} spans kept whose start is over 31 days ago or an hour ahead: "
            "stored at their time of arrival (a backfill says so: X-Watchpost-Backfill: 1)"
        )
