"""The door: the bytes of one request in, a letter for the spool and what to tell the client out.

Validation is one parse in C; Python looks at ids and times and at nothing else. What can be saved
is saved: a broken string is healed, a deep value folded, a span without a usable id refused alone
while the rest of its batch is kept. This file knows OTLP; it knows no socket, no file, no store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from watchpost_collector.otlp.bounds import check_body, check_request, cut_request
from watchpost_collector.otlp.compression import decompress
from watchpost_collector.otlp.envelope import Letter, encode_varint
from watchpost_collector.otlp.fold import fold_request, heal_request
from watchpost_collector.otlp.inspection import Found, Times, inspect, name_place, remove_items
from watchpost_collector.otlp.json_form import translate_json
from watchpost_collector.otlp.refusal import JSON_TYPE, PROTOBUF_TYPE, Refusal
from watchpost_collector.otlp.signals import TRACES, Signal
from watchpost_collector.otlp.twins import load_probe
from watchpost_collector.spool.digests import compute_digest

_NAMED = 3
# Takes the bytes of a request and gives others in their place.
Edit = Callable[[bytes, Signal], bytes]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request as it came off the wire."""

    body: bytes
    content_type: str
    encoding: str
    project: str
    received_ns: int
    backfill: bool = False
    signal: Signal = TRACES


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a parcel: the letter to store, the items refused, a text about both.

    `letter.spans` (items of any signal) is zero when there is nothing to store.
    """

    letter: Letter
    rejected: int = 0
    message: str = ""
    signal: Signal = TRACES


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


def admit(parcel: Parcel, limit_bytes: int, edit: Edit | None = None) -> Admission:
    """Check a parcel and make it ready for the spool; Refusal when nothing of it can be kept.

    `edit` may change the request before anything of it is kept.
    """
    sent = decompress(parcel.body, parcel.encoding, limit_bytes)
    if len(sent) > limit_bytes:
        raise Refusal.oversize(limit_bytes)
    signal = parcel.signal
    body = translate_json(sent, signal) if parcel.content_type == JSON_TYPE else sent
    long = check_body(body, signal)
    body, probe = _parse(body, signal)
    crowded = check_request(probe, signal, len(body))
    times = Times.around(parcel.received_ns, backfill=parcel.backfill)
    found = inspect(signal, probe, times)
    if not probe.IsInitialized():
        body = fold_request(body, signal)
    if edit is not None:
        # Before anything is cut: half a secret is not recognised.
        body = edit(body, signal)
    cut = 0
    if long or crowded:
        body, cut = cut_request(body, signal)
    if found.faults:
        body = remove_items(signal, body, {place for place, _ in found.faults})
    kind = parcel.content_type if signal is TRACES else f"{signal.name} {parcel.content_type}"
    letter = Letter(
        body=body,
        project=parcel.project,
        received_ns=parcel.received_ns,
        spans=found.items - len(found.faults),
        digest=compute_digest(sent, parcel.project, kind),
        backfill=parcel.backfill,
    )
    message = "; ".join(_tell(found, signal, cut))
    return Admission(letter, len(found.faults), message, signal)


def encode_response(admission: Admission, content_type: str) -> bytes:
    """The `Export...ServiceResponse`: empty on full success, else what was refused and why."""
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
        partial[admission.signal.rejected] = str(admission.rejected)
    return json.dumps({"partialSuccess": partial}).encode()


def _parse(body: bytes, signal: Signal) -> tuple[bytes, Any]:
    probe = load_probe(signal)
    try:
        return body, probe.FromString(body)
    except DecodeError:
        pass
    try:
        # Only an encoding can be healed; what is no protobuf fails here again.
        healed = heal_request(body, signal)
        return healed, probe.FromString(healed)
    except DecodeError as error:
        raise Refusal(
            400,
            f"the {len(body)} bytes are not an {signal.request.DESCRIPTOR.name} ({_last(error)})",
            "check that nothing cut or changed the body on its way",
        ) from error


def _last(error: Exception) -> str:
    return str(error).rsplit(":", 1)[-1].strip()


def _tell(found: Found, signal: Signal, cut: int) -> Iterator[str]:
    if cut:
        yield f"{cut} values or attributes were too long or too many, and cut with a mark"
    if found.faults:
        named = [f"{name_place(signal, place)}: {why}" for place, why in found.faults[:_NAMED]]
        more = len(found.faults) - len(named)
        yield f"{len(found.faults)} {signal.items} refused: {', '.join(named)}" + (
            f" and {more} more" * bool(more)
        )
    if found.odd:
        begin = "whose start is" if signal is TRACES else "whose time is"
        yield (
            f"{found.odd} {signal.items} kept {begin} over 31 days ago or an hour ahead: "
            "stored at their time of arrival (a backfill says so: X-Watchpost-Backfill: 1)"
        )
