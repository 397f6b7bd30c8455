"""Every text of a protobuf message, each with the means to replace it.

Found by walking the message's own description, so that no field is forgotten. JSON inside a
string is opened and its keys, strings and long numbers are texts of their own. Texts that are
pieces of one stream (same span, same event name, same key, at any index) are grouped in order.
It does not know what is looked for in a text.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from watchpost.masking.quiet import Quiet, Sign, sign_events, sign_pair
from watchpost.screening.disguise import readable
from watchpost.screening.guard import Finding

_INDEX = re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])")
# Too plain to hide anything; most keys of most JSON are like this.
_PLAIN_KEY = re.compile(r"[A-Za-z_]{1,20}")
_SHORTEST_NUMBER = 10
_DEEPEST_JSON = 100

Trail = tuple[str, ...]


@dataclass(slots=True)
class Leaf:
    """One text: where it stands, how to replace it, and what was found in it.

    `key` is the name nearest to it, `path` the attribute it belongs to; `is_key` marks a text
    that names something else.
    """

    text: str
    write: Callable[[str], None]
    key: str = ""
    path: str = ""
    is_key: bool = False
    findings: list[Finding] = field(default_factory=list)
    failed: bool = False


@dataclass(slots=True)
class _Parcel:
    """A string that holds JSON: written again when something in it was replaced."""

    value: Any
    write: Callable[[str], None]
    changed: bool = False
    renamed: list[tuple[dict[str, Any], str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Texts:
    """The texts of one message in order, and those that are pieces of one stream."""

    leaves: list[Leaf] = field(default_factory=list)
    groups: dict[Trail, list[Leaf]] = field(default_factory=dict)
    parcels: list[_Parcel] = field(default_factory=list)
    quiet: Quiet | None = None
    has_skipped: bool = False
    _signed: list[tuple[Sign, int, int]] = field(default_factory=list)

    def add(self, leaf: Leaf, trail: Trail | None) -> None:
        """Add one text; `trail` is what the pieces of its stream have in common."""
        self.leaves.append(leaf)
        if trail is not None:
            self.groups.setdefault(trail, []).append(leaf)

    def is_quiet(self, sign: Sign | None) -> bool:
        """Whether everything under a sign may be left out; what is, is noted."""
        if sign is None or self.quiet is None or sign not in self.quiet:
            return False
        self.has_skipped = True
        return True

    def sign(self, sign: Sign | None, start: int) -> None:
        """Note that the leaves from `start` on are everything there is under a sign."""
        if sign is not None:
            self._signed.append((sign, start, len(self.leaves)))

    def remember_quiet(self) -> None:
        """Remember every sign under which nothing was found. Call once all was looked at."""
        if self.quiet is None:
            return
        for sign, start, end in self._signed:
            if not any(leaf.findings or leaf.failed for leaf in self.leaves[start:end]):
                self.quiet.add(sign)

    def close(self) -> None:
        """Write what was opened back, innermost first. Call once, after the leaves are written."""
        for parcel in reversed(self.parcels):
            for holder, old, new in parcel.renamed:
                _rename(holder, old, new)
            if parcel.changed:
                parcel.write(_dump(parcel.value))


def collect_texts(message: Message, quiet: Quiet | None = None) -> Texts:
    """Every text in a message, but for those of its spans that are known to be quiet."""
    texts = Texts(quiet=quiet)
    _walk(message, (), texts)
    return texts


def _walk(message: Message, trail: Trail, texts: Texts) -> None:
    if isinstance(message, KeyValue):
        _open_pair(message, trail, texts)
        return
    if isinstance(message, AnyValue):
        _open_value(message, trail, "", "", texts)
        return
    if isinstance(message, Span):
        trail = (f"span {message.trace_id.hex()} {message.span_id.hex()}",)
        if texts.quiet is not None:
            _walk_span(message, trail, texts)
            return
    elif isinstance(message, Span.Event):
        trail = (*trail, message.name)
    for spec, value in message.ListFields():
        _walk_field(message, spec, value, trail, texts)


def _walk_field(
    message: Message, spec: FieldDescriptor, value: Any, trail: Trail, texts: Texts
) -> None:
    if spec.type == FieldDescriptor.TYPE_MESSAGE:
        for part in value if spec.is_repeated else (value,):
            _walk(part, trail, texts)
    elif spec.type == FieldDescriptor.TYPE_STRING:
        _open_strings(message, spec, value, texts)


def _walk_span(span: Span, trail: Trail, texts: Texts) -> None:
    """Walk a span past what is known to be quiet in it.

    Only what no other text can be read together with has a sign: attributes whose keys stand once
    and have no index, all events at once, and the span's own strings.
    """
    for spec, value in span.ListFields():
        if spec.name == "attributes" and len({pair.key for pair in value}) == len(value):
            for pair in value:
                sign = sign_pair(pair)
                if not texts.is_quiet(sign):
                    start = len(texts.leaves)
                    _open_pair(pair, trail, texts)
                    texts.sign(None if _INDEX.search(pair.key) else sign, start)
            continue
        sign = sign_events(value) if spec.name == "events" else None
        if spec.name == "name":
            sign = value
        if not texts.is_quiet(sign):
            start = len(texts.leaves)
            _walk_field(span, spec, value, trail, texts)
            texts.sign(sign, start)


def _open_strings(message: Message, spec: FieldDescriptor, value: Any, texts: Texts) -> None:
    if not spec.is_repeated:
        write = _field_writer(message, spec.name)
        texts.add(Leaf(value, write, path=spec.name), None)
        return
    for index, item in enumerate(value):
        texts.add(Leaf(item, _item_writer(value, index), path=spec.name), None)


def _open_pair(pair: KeyValue, trail: Trail, texts: Texts) -> None:
    if not _PLAIN_KEY.fullmatch(pair.key):
        texts.add(Leaf(pair.key, _field_writer(pair, "key"), is_key=True), None)
    trail = (*trail, _INDEX.sub("*", pair.key))
    _open_value(pair.value, trail, pair.key.rpartition(".")[2], pair.key, texts)


def _open_value(value: AnyValue, trail: Trail, key: str, path: str, texts: Texts) -> None:
    write = _field_writer(value, "string_value")
    match value.WhichOneof("value"):
        case "string_value":
            _open_text(value.string_value, write, Place(trail, key, path), texts)
        case "int_value" if len(str(value.int_value)) >= _SHORTEST_NUMBER:
            texts.add(Leaf(str(value.int_value), write, key, path), None)
        case "bytes_value":
            texts.add(Leaf(readable(value.bytes_value), write, key, path), None)
        case "array_value":
            for item in value.array_value.values:
                _open_value(item, (*trail, "*"), key, path, texts)
        case "kvlist_value":
            for pair in value.kvlist_value.values:
                _open_pair(pair, trail, texts)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: what its stream has in common, its nearest name, its attribute."""

    trail: Trail
    key: str
    path: str

    def at(self, step: str) -> "Place":
        """The place one step further in; an index keeps the name."""
        return Place((*self.trail, step), self.key if step == "*" else step, self.path)


def _open_text(text: str, write: Callable[[str], None], place: Place, texts: Texts) -> None:
    parsed = _parse(text)
    if parsed is None:
        texts.add(Leaf(text, write, place.key, place.path), place.trail)
        return
    inside = Texts()
    parcel = _Parcel(parsed, write)
    inside.parcels.append(parcel)
    try:
        _open_json(parsed, place, parcel, inside, 0)
    except RecursionError:
        texts.add(Leaf(text, write, place.key, place.path), place.trail)
        return
    texts.leaves += inside.leaves
    texts.parcels += inside.parcels
    for trail, leaves in inside.groups.items():
        texts.groups.setdefault(trail, []).extend(leaves)


def _open_json(value: Any, place: Place, parcel: _Parcel, texts: Texts, depth: int) -> None:
    if depth > _DEEPEST_JSON:
        raise RecursionError
    for step, inner in _each_item(value):
        write = _json_writer(value, step, parcel)
        here = place.at(step if isinstance(step, str) else "*")
        if isinstance(step, str) and not _PLAIN_KEY.fullmatch(step):
            texts.add(Leaf(step, _key_writer(value, step, parcel), is_key=True), None)
        if isinstance(inner, str):
            _open_text(inner, write, here, texts)
        elif isinstance(inner, dict | list):
            _open_json(inner, here, parcel, texts, depth + 1)
        elif _is_long_number(inner):
            texts.add(Leaf(str(inner), write, here.key, here.path), None)


def _each_item(value: Any) -> Iterator[tuple[str | int, Any]]:
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def _is_long_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and len(str(value)) >= _SHORTEST_NUMBER
    )


def _parse(text: str) -> Any:
    """The object or list a string holds as JSON, or None."""
    if text[:1] not in "{[" and text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text, object_pairs_hook=_refuse_twins)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) and value else None


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key written twice would hide the first value from us but not from a reader."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _rename(holder: dict[str, Any], old: str, new: str) -> None:
    items = list(holder.items())
    holder.clear()
    for key, value in items:
        name = new if key == old else key
        while name in holder:
            name += "_"
        holder[name] = value


def _field_writer(message: Message, name: str) -> Callable[[str], None]:
    return lambda new: setattr(message, name, new)


def _item_writer(values: Any, index: int) -> Callable[[str], None]:
    return lambda new: values.__setitem__(index, new)


def _json_writer(holder: Any, step: str | int, parcel: _Parcel) -> Callable[[str], None]:
    def write(new: str) -> None:
        holder[step] = new
        parcel.changed = True

    return write


def _key_writer(holder: dict[str, Any], step: str, parcel: _Parcel) -> Callable[[str], None]:
    def write(new: str) -> None:
        parcel.renamed.append((holder, step, new))
        parcel.changed = True

    return write
