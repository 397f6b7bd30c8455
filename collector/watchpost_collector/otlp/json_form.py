"""OTLP/JSON to OTLP protobuf: ids are hex, 64-bit numbers may be text, unknown names are ignored.

Driven by the message descriptors, so it has no list of fields of its own. Lenient where a span
can be saved (a bad id empties itself and its span alone is refused later), exact about where a
value is wrong. This file knows the encoding, not what a span means.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from watchpost_collector.otlp.fold import UNREADABLE
from watchpost_collector.otlp.refusal import Refusal
from watchpost_collector.otlp.signals import TRACES, Signal

_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_FLOATS = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
_DEPTH = 40
_LARGE_BYTES, _MOST_SEPARATORS, _SEPARATORS = 2 << 20, 3_000_000, (b",", b"{", b"[")


def translate_json(content: bytes, signal: Signal = TRACES) -> bytes:
    """The encoded request of a JSON body; Refusal names what and where."""
    if len(content) > _LARGE_BYTES and sum(map(content.count, _SEPARATORS)) > _MOST_SEPARATORS:
        # Parsed, every one of them is an object: bounded before there is anything to count.
        raise Refusal(413, "the JSON body holds too many values", "send fewer at once")
    document = _load(content)
    if not isinstance(document, dict):
        first = signal.request.DESCRIPTOR.fields[0].json_name
        cure = f'send {{"{first}": [...]}}'
        raise Refusal(400, "the JSON body is not an object", cure)
    request = signal.request()
    _fill(request, document, "", 0)
    return bytes(request.SerializeToString())


def _load(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as strict:
        # Lone surrogates, NaN and stray bytes are not JSON, but the rest of the batch is.
        try:
            return json.loads(content.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            where = f"line {strict.lineno} column {strict.colno}"
            reason = f"the body is not JSON ({strict.msg} at {where})"
            raise Refusal(400, reason, "send valid JSON, or protobuf") from strict


def _fill(message: Any, document: dict[str, Any], path: str, depth: int) -> None:
    if depth > _DEPTH and message.DESCRIPTOR.name == "AnyValue":
        message.string_value = UNREADABLE
        return
    if depth > 2 * _DEPTH:
        raise Refusal(400, f"{path[:80]}... is nested too deep", f"nest at most {_DEPTH} levels")
    fields = _fields(message.DESCRIPTOR)
    for key, value in document.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        here = f"{path}.{key}" if path else key
        if field.is_repeated:
            _fill_list(message, field, value, here, depth)
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(inner, _expect(value, dict, "an object", here), here, depth + 1)
        else:
            _assign(message, field, value, here)


def _fill_list(message: Any, field: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    target = getattr(message, field.name)
    for number, item in enumerate(_expect(value, list, "a list", path)):
        here = f"{path}[{number}]"
        if field.message_type is not None:
            _fill(target.add(), _expect(item, dict, "an object", here), here, depth + 1)
        else:
            _append(target, field, item, here)


def _append(target: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    try:
        target.append(_convert(field, value, path))
    except UnicodeEncodeError:
        target.append(value.encode("utf-8", "replace").decode())
    except (ValueError, TypeError) as error:
        raise _misfit(path) from error


def _misfit(path: str) -> Refusal:
    return Refusal(400, f"{path} does not fit its field", "see the OTLP/JSON encoding")


def _assign(message: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    try:
        setattr(message, field.name, _convert(field, value, path))
    except (ValueError, TypeError) as error:
        if isinstance(error, UnicodeEncodeError):
            healed = value.encode("utf-8", "replace").decode()
            setattr(message, field.name, healed)
            return
        raise _misfit(path) from error


def _convert(field: FieldDescriptor, value: Any, path: str) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _expect(value, str, "a text", path)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _read_bytes(field.name, _expect(value, str, "a text", path), path)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _expect(value, bool, "true or false", path)
    # Names are ASCII; upb breaks on looking up what is no text at all.
    if field.type == FieldDescriptor.TYPE_ENUM and isinstance(value, str) and value.isascii():
        known = field.enum_type.values_by_name.get(value) if field.enum_type else None
        if known is not None:
            return known.number
    try:
        if field.type in _FLOATS:
            return float(value)
        number = int(value)
        if isinstance(value, float) and number != value:
            raise ValueError("a fraction")
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(400, f"{path} is not a number", "send a number, or its text") from error
    return number


def _read_bytes(name: str, text: str, path: str) -> bytes:
    if name in _IDS:
        try:
            return bytes.fromhex(text)
        except ValueError:
            return b""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"{path} is not base64", "encode bytes as base64") from error


def _expect(value: Any, kind: type, said: str, path: str) -> Any:
    if not isinstance(value, kind):
        raise Refusal(400, f"{path} is not {said}", "see the OTLP/JSON encoding")
    return value


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Fields by their JSON name, and by their own, which some senders use."""
    return {n: f for f in descriptor.fields for n in (f.name, f.json_name or f.name)}
