"""Bounds of what one request may hold: parts, items, attributes, lengths.

What is too much as a whole is refused before it is parsed or walked; what is too much of one item
is cut with a mark, and the item and its batch are kept. Honest requests never meet any of it, so
the common path only compares a few lengths. This file knows messages; it knows no disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchpost_collector.otlp.parts import count_parts
from watchpost_collector.otlp.refusal import Refusal
from watchpost_collector.otlp.signals import LOGS, METRICS, TRACES, Signal

MOST_PARTS = 1_000_000
MOST_GROUPS = 10_000
MOST_ITEMS = 100_000
MOST_ATTRIBUTES = 4096
MOST_TEXT = 1 << 20
# The store repeats a resource and a scope for every item: that is bounded as a whole.
_PLENTY_BYTES, _MOST_REPEATED_BYTES = 16 << 10, 4 << 20
# Below this a request is parsed without a look: it cannot become more than a few hundred megabytes.
_LARGE_BYTES = 2 << 20
_CROWDED_BYTES = 64 << 10
_SHORT_TEXT, _FEW_ATTRIBUTES = 256, 64

_GROUPS = {
    TRACES.name: ("resource_spans", "scope_spans", "spans"),
    LOGS.name: ("resource_logs", "scope_logs", "log_records"),
    METRICS.name: ("resource_metrics", "scope_metrics", "metrics"),
}


def check_body(body: bytes, signal: Signal) -> bool:
    """Refusal for an encoded request of too many parts; whether a text in it must be cut."""
    if len(body) <= _LARGE_BYTES:
        return False
    parts = count_parts(body, signal.request.DESCRIPTOR, MOST_PARTS)
    if parts.count > MOST_PARTS:
        raise _refuse(f"more than {MOST_PARTS} attributes and other parts")
    return parts.longest_bytes > MOST_TEXT


def check_request(request: Any, signal: Signal, size_bytes: int) -> bool:
    """Refusal for a parsed request of too many items; whether some of them must be cut."""
    outer, middle, inner = _GROUPS[signal.name]
    resources = getattr(request, outer)
    groups = len(resources)
    items = 0
    crowded = False
    for resource in resources if groups <= MOST_GROUPS else ():
        scopes = getattr(resource, middle)
        groups += len(scopes)
        if groups > MOST_GROUPS:
            break
        inside = 0
        for scope in scopes:
            found = getattr(scope, inner)
            inside += len(found)
            crowded = crowded or _repeats_too_much(scope.scope, len(found))
        items += inside
        crowded = crowded or _repeats_too_much(resource.resource, inside)
    if groups > MOST_GROUPS:
        raise _refuse(f"more than {MOST_GROUPS} resources and scopes")
    if items > MOST_ITEMS:
        raise _refuse(f"more than {MOST_ITEMS} {signal.items}")
    return crowded or (size_bytes > _CROWDED_BYTES and _has_crowded_item(resources, signal))


def cut_request(body: bytes, signal: Signal) -> tuple[bytes, int]:
    """The request within the bounds, and how many values and attributes were cut."""
    request = signal.request.FromString(body)
    outer, middle, inner = _GROUPS[signal.name]
    cut = sum(_cut_message(message) for message in getattr(request, outer))
    for resource in getattr(request, outer):
        scopes = getattr(resource, middle)
        inside = sum(len(getattr(scope, inner)) for scope in scopes)
        if _repeats_too_much(resource.resource, inside):
            cut += _cut_message(resource.resource, _FEW_ATTRIBUTES, _SHORT_TEXT)
        for scope in scopes:
            if _repeats_too_much(scope.scope, len(getattr(scope, inner))):
                cut += _cut_message(scope.scope, _FEW_ATTRIBUTES, _SHORT_TEXT)
    return bytes(request.SerializeToString()), cut


def cut_text(text: str, most: int = MOST_TEXT) -> str:
    """The beginning of a text that is too long, with a mark that says how long it was."""
    if len(text) <= most:
        return text
    return f"{text[:most]}... [cut by watchpost: it had {len(text)} characters]"


def _refuse(what: str) -> Refusal:
    return Refusal(413, f"the request holds {what}", "send fewer at once")


def _repeats_too_much(message: Any, times: int) -> bool:
    size = message.ByteSize()
    return bool(size > _PLENTY_BYTES and size * times > _MOST_REPEATED_BYTES)


def _has_crowded_item(resources: Any, signal: Signal) -> bool:
    if signal is METRICS:
        return False
    _, middle, inner = _GROUPS[signal.name]
    counted = _COUNTED if signal is TRACES else _COUNTED[:1]
    return any(
        len(getattr(item, name)) > MOST_ATTRIBUTES
        for resource in resources
        for scope in getattr(resource, middle)
        for item in getattr(scope, inner)
        for name in counted
    )


def _cut_message(message: Any, most: int = MOST_ATTRIBUTES, length: int = MOST_TEXT) -> int:
    """Cut a message and everything in it; how much was cut."""
    cut = 0
    for field, value in message.ListFields():
        if field.is_repeated and field.name in _COUNTED and len(value) > most:
            cut += _drop_rest(message, field.name, value, most)
        if field.message_type is not None:
            cut += sum(_cut_message(inner, most, length) for inner in _list(field, value))
        elif field.type == field.TYPE_STRING and not field.is_repeated and len(value) > length:
            setattr(message, field.name, cut_text(value, length))
            cut += 1
    return cut


def _list(field: Any, value: Any) -> Iterator[Any]:
    yield from value if field.is_repeated else (value,)


def _drop_rest(message: Any, name: str, values: Any, most: int) -> int:
    """Keep the first `most`; OTLP has a field that tells how many were dropped."""
    dropped = len(values) - most
    del values[most:]
    told = f"dropped_{name}_count"
    if told in message.DESCRIPTOR.fields_by_name:
        known = getattr(message, told)
        setattr(message, told, min(known + dropped, 2**32 - 1))
    return dropped


_COUNTED = ("attributes", "events", "links")
