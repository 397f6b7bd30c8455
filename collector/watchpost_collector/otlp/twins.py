"""Twins of the OTLP messages: the same wire format, read with other rules.

Built from the published descriptors, so they cannot drift. The *probe* reads what ClickHouse's
schema can hold and has a required field nobody sends one level below: `IsInitialized()` is false
exactly when a value is deeper than that, found in C without touching a span. The *raw* twin reads
strings as bytes, for requests with invalid UTF-8; the *shallow* twin reads lists and maps as bytes,
for values nested deeper than any parser goes. This file knows descriptors, not what to do.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from watchpost_collector.otlp.signals import TRACES, Signal

_FIELD = descriptor_pb2.FieldDescriptorProto
_FEATURES = descriptor_pb2.FeatureSet
_OTLP_NAME = re.compile(r"^\.opentelemetry\.proto\.(collector\.)?\w+\.v1\.")


@cache
def load_probe(signal: Signal = TRACES) -> Any:
    """The message class that flags deep values; it refuses invalid UTF-8 as the original does."""
    file = _copy_messages("watchpost.probe", signal)
    messages = {message.name: message for message in file.message_type}
    poison = file.message_type.add(name="Poison")
    never = poison.field.add(
        name="never", number=100_000, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL
    )
    never.options.features.field_presence = _FEATURES.LEGACY_REQUIRED
    leaf = file.message_type.add()
    leaf.CopyFrom(messages["AnyValue"])
    leaf.name = "Leaf"
    for field in leaf.field:
        if field.name in ("array_value", "kvlist_value"):
            field.type_name = ".watchpost.probe.Poison"
    for field in messages["AnyValue"].field:
        if field.name == "kvlist_value":
            field.type_name = ".watchpost.probe.Poison"
    messages["ArrayValue"].field[0].type_name = ".watchpost.probe.Leaf"
    return _build_class(file, signal)


@cache
def load_raw(signal: Signal = TRACES) -> Any:
    """The message class whose strings are bytes, so that nothing is refused for its encoding."""
    file = _copy_messages("watchpost.raw", signal)
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type  # events and links are declared inside the span
        for field in message.field:
            if field.type == _FIELD.TYPE_STRING:
                field.type = _FIELD.TYPE_BYTES
    return _build_class(file, signal)


@cache
def load_shallow(signal: Signal = TRACES) -> Any:
    """The message class that does not look into lists and maps."""
    file = _copy_messages("watchpost.shallow", signal)
    for message in file.message_type:
        for field in message.field if message.name == "AnyValue" else ():
            if field.name in ("array_value", "kvlist_value"):
                field.type = _FIELD.TYPE_BYTES
                field.ClearField("type_name")
    return _build_class(file, signal)


@cache
def load_raw_value() -> Any:
    """The raw twin's class of one attribute value."""
    values = load_raw().DESCRIPTOR.file.message_types_by_name["AnyValue"]
    return message_factory.GetMessageClass(values)


def _copy_messages(package: str, signal: Signal) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto",
        package=package,
        syntax="editions",
        edition=descriptor_pb2.EDITION_2023,
    )
    file.options.features.field_presence = _FEATURES.IMPLICIT
    service = signal.request.DESCRIPTOR.file
    for source in (common_pb2.DESCRIPTOR, resource_pb2.DESCRIPTOR, *service.dependencies, service):
        origin = descriptor_pb2.FileDescriptorProto()
        source.CopyToProto(origin)
        file.message_type.extend(origin.message_type)
        file.enum_type.extend(origin.enum_type)
    for message in file.message_type:
        _rename(message, package)
    return file


def _rename(message: descriptor_pb2.DescriptorProto, package: str) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = _OTLP_NAME.sub(f".{package}.", field.type_name)
        field.ClearField("json_name")
        field.ClearField("proto3_optional")
    for nested in message.nested_type:
        _rename(nested, package)


def _build_class(file: descriptor_pb2.FileDescriptorProto, signal: Signal) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    name = f"{file.package}.{signal.request.DESCRIPTOR.name}"
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
