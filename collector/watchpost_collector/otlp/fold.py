"""Repairs of a parsed request, for the few that need one: deep values, and broken UTF-8.

ClickHouse's schema holds scalars and lists of scalars; anything deeper would silently become
null, so it is folded into its JSON text. A string that is not UTF-8 has its bad bytes replaced
and the rest of the request kept. This file knows messages, not where they came from.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from watchpost_collector.otlp.envelope import encode_varint
from watchpost_collector.otlp.signals import LOGS, SIGNALS, TRACES, Signal
from watchpost_collector.otlp.twins import load_raw, load_raw_value, load_shallow

# What stands for a value that is nested deeper than can be read, or broken.
UNREADABLE = "[cut by watchpost: nested too deep, or broken]"
_TAGS = {"array_value": b"\x2a", "kvlist_value": b"\x32"}


def fold_request(body: bytes, signal: Signal = TRACES) -> bytes:
    """The same request with every value deeper than a list of scalars as JSON text."""
    try:
        request = signal.request.FromString(body)
    except DecodeError:
        # The probe does not look into what is deep: it may be broken, or deeper than parsers go.
        request = signal.request.FromString(_mend_deep(body, signal))
    if signal is TRACES:
        for attributes in _attribute_lists(request):
            for pair in attributes:
                _fold(pair.value)
    elif signal is LOGS:
        _fold_logs(request)
    else:
        _fold_everywhere(request)
    return bytes(request.SerializeToString())


def heal_request(body: bytes, signal: Signal = TRACES) -> bytes:
    """The same request with U+FFFD in place of what is not UTF-8; DecodeError if not protobuf."""
    message = load_raw(signal).FromString(body)
    _heal(message)
    return bytes(message.SerializeToString())


def render_json(value: AnyValue) -> str:
    """An attribute value as compact JSON; bytes as base64, what JSON has no number for as text."""
    return orjson.dumps(_to_plain(value)).decode()


def _attribute_lists(request: Any) -> Iterator[Iterable[KeyValue]]:
    for resource in request.resource_spans:
        yield resource.resource.attributes
        for scope in resource.scope_spans:
            yield scope.scope.attributes
            for span in scope.spans:
                yield span.attributes
                for event in span.events:
                    yield event.attributes
                for link in span.links:
                    yield link.attributes


def _fold_logs(request: Any) -> None:
    for resource in request.resource_logs:
        for pair in resource.resource.attributes:
            _fold(pair.value)
        for scope in resource.scope_logs:
            for pair in scope.scope.attributes:
                _fold(pair.value)
            for record in scope.log_records:
                _fold(record.body)
                for pair in record.attributes:
                    _fold(pair.value)


def _fold_everywhere(message: Any) -> None:
    """Fold the outermost values anywhere in a message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if field.is_repeated else (value,):
            if isinstance(inner, AnyValue):
                _fold(inner)
            else:
                _fold_everywhere(inner)


def _mend_deep(body: bytes, signal: Signal) -> bytes:
    """The same request with each list and map as JSON text, those that cannot be read as a mark."""
    message = load_shallow(signal).FromString(body)
    for value in _find_values(message):
        kind = value.WhichOneof("value")
        if kind in _TAGS:
            value.string_value = _read_deep(_TAGS[kind], getattr(value, kind))
    return bytes(message.SerializeToString())


def _find_values(message: Any) -> Iterator[Any]:
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                if inner.DESCRIPTOR.name == "AnyValue":
                    yield inner
                else:
                    yield from _find_values(inner)


def _read_deep(tag: bytes, content: bytes) -> str:
    encoded = tag + encode_varint(len(content)) + content
    try:
        return render_json(AnyValue.FromString(encoded))
    except DecodeError:
        pass
    try:
        raw = load_raw_value().FromString(encoded)
        _heal(raw)
        return render_json(AnyValue.FromString(raw.SerializeToString()))
    except DecodeError:
        return UNREADABLE


def _fold(value: AnyValue) -> None:
    if _is_deep(value):
        value.string_value = render_json(value)


def _is_deep(value: AnyValue) -> bool:
    kind = value.WhichOneof("value")
    if kind != "array_value":
        return kind == "kvlist_value"
    nested = ("array_value", "kvlist_value")
    return any(item.WhichOneof("value") in nested for item in value.array_value.values)


def _to_plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_to_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _to_plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    plain = getattr(value, kind)
    return str(plain) if isinstance(plain, float) and not math.isfinite(plain) else plain


def _heal(message: Any) -> None:
    # The twin made bytes of strings; the fields that were bytes from the start stay as they are.
    origin = _ORIGINAL_STRINGS.get(message.DESCRIPTOR.name, frozenset())
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                _heal(item)
        elif field.name in origin:
            if field.is_repeated:
                value[:] = [_heal_text(item) for item in value]
            else:
                setattr(message, field.name, _heal_text(value))


def _heal_text(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode()


def _list_strings() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    waiting = [signal.request.DESCRIPTOR for signal in SIGNALS]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.name in found:
            continue
        fields = descriptor.fields
        found[descriptor.name] = frozenset(f.name for f in fields if f.type == f.TYPE_STRING)
        waiting += [f.message_type for f in fields if f.message_type is not None]
    return found


_ORIGINAL_STRINGS = _list_strings()
