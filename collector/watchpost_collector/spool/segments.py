"""Segment files at rest: found again after a crash, split, or renamed.

Every change is made so that a crash in the middle leaves either the old file or all of the new
ones: children are written first and their parent deleted last, and a parent that still stands
makes its children void. What cannot be read never keeps the rest from being found. This file
knows no store and no HTTP.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError

from watchpost_collector import fault
from watchpost_collector.counters import Counters
from watchpost_collector.otlp.envelope import Framed, read_envelopes, reframe
from watchpost_collector.otlp.inspection import list_items
from watchpost_collector.otlp.signals import Signal, read_signal
from watchpost_collector.private_files import read_private, sync_directory, write_private
from watchpost_collector.spool.writer import SUFFIX, Segment

log = logging.getLogger(__name__)

# Takes a name, bytes that are no whole segment, and the reason.
SetAside = Callable[[str, bytes, str], None]


def recover_segments(directory: Path, set_aside: SetAside, counters: Counters) -> list[Segment]:
    """The segments a dead process left, in order, each with its whole envelopes alone.

    What is cut off was never acknowledged, unless the disk lost it: it is set aside all the same,
    and counted in bytes (`torn_bytes`); a file that cannot be read at all is left where it is and
    counted as such (`unrecovered_segments`).
    """
    for draft in directory.glob("*.draft"):
        draft.unlink(missing_ok=True)
    names = {path.name.removesuffix(SUFFIX) for path in directory.glob(f"*{SUFFIX}")}
    for name in sorted(names):
        if any(parent in names for parent in _list_parents(name)):
            (directory / f"{name}{SUFFIX}").unlink(missing_ok=True)
            names.discard(name)
    found = []
    for name in sorted(names):
        ours = counters.of(read_signal(name))
        try:
            segment = _recover(directory / f"{name}{SUFFIX}", name, set_aside, ours)
        except OSError as error:
            ours.add(unrecovered_segments=1)
            log.warning("segment %s is left alone: it cannot be recovered (%s)", name, error)
            continue
        found += [segment] if segment is not None else []
    sync_directory(directory)
    return found


def _list_parents(name: str) -> Iterator[str]:
    """What a segment was split from, and what that was: their names are beginnings of its own."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def split_segment(segment: Segment, pieces: int) -> list[Segment]:
    """The same envelopes in up to `pieces` new segments of other names; one piece is a renaming."""
    envelopes = list(read_envelopes(read_private(segment.path)))
    size = -(-len(envelopes) // pieces)
    return _replace(segment, [envelopes[i : i + size] for i in range(0, len(envelopes), size)])


def part_segment(segment: Segment, chosen: Container[int]) -> list[Segment]:
    """The same envelopes in two new segments: all but those at the chosen places, then those."""
    envelopes = list(enumerate(read_envelopes(read_private(segment.path))))
    rest = [framed for place, framed in envelopes if place not in chosen]
    return _replace(segment, [rest, [framed for place, framed in envelopes if place in chosen]])


def count_envelopes(segment: Segment) -> int:
    """How many requests a segment holds."""
    return len(segment.digests)


def count_items(body: bytes | memoryview, signal: Signal) -> int:
    """How many spans (log records, data points) an encoded request holds."""
    request = signal.request.FromString(bytes(body))
    return sum(len(items) for _, items in list_items(signal, request))


def _recover(path: Path, name: str, set_aside: SetAside, counters: Counters) -> Segment | None:
    content = read_private(path)
    found = list(read_envelopes(content))
    signal = read_signal(name)
    whole = [framed for framed in found if _is_whole(framed, signal)]
    end = found[-1].end if found else 0
    torn = [(f"{name}.tail", end, len(content), f"torn at byte {end} of {len(content)}")]
    starts = {framed.start for framed in whole}
    for framed in found:
        if framed.start not in starts:
            reason = f"the envelope at byte {framed.start} is not what was written there"
            torn.append((f"{name}.{framed.start}", framed.start, framed.end, reason))
    for piece, first, last, reason in torn:
        if first < last:
            counters.add(torn_bytes=last - first)
            _give_up(set_aside, piece, content[first:last], reason)
    if not whole:
        path.unlink()
        return None
    if len(whole) < len(found):
        # Rewritten under its name: were its rows stored, they no longer add up and are sent anew.
        content = b"".join(content[framed.start : framed.end] for framed in whole)
        write_private(path, content)
    elif end < len(content):
        os.truncate(path, end)
        _sync_file(path)
    return _describe(path, name, whole, sum(f.end - f.start for f in whole), fresh=False)


def _is_whole(framed: Framed, signal: Signal) -> bool:
    """Whether the body is what was written, and can be read at all."""
    if not framed.whole:
        return False
    try:
        count_items(framed.body, signal)
    except DecodeError:
        return False
    return True


def _give_up(set_aside: SetAside, name: str, content: bytes, reason: str) -> None:
    try:
        set_aside(name, content, f"{reason} when the collector died")
    except OSError as error:
        # A full disk must not keep the whole envelopes from the store.
        log.warning("%s (%s) could not be set aside: %s", name, reason, error)


def _replace(segment: Segment, groups: Sequence[Sequence[Framed]]) -> list[Segment]:
    try:
        children = [
            _write_child(segment, number, group) for number, group in enumerate(groups) if group
        ]
    except OSError:
        # The parent goes on by itself, perhaps until it is stored: then nothing voids a child.
        for number in range(len(groups)):
            _name_child(segment, number).unlink(missing_ok=True)
        raise
    fault.reach("half_split")
    segment.path.unlink()
    sync_directory(segment.path.parent)
    return children


def _name_child(parent: Segment, number: int) -> Path:
    return parent.path.with_name(f"{parent.name}.{number}{SUFFIX}")


def _write_child(parent: Segment, number: int, group: Sequence[Framed]) -> Segment:
    path = _name_child(parent, number)
    name = path.name.removesuffix(SUFFIX)
    content = b"".join(reframe(framed, name) for framed in group)
    write_private(path, content)
    return _describe(path, name, group, len(content), fresh=True)


def _describe(
    path: Path, name: str, envelopes: Sequence[Framed], size_bytes: int, *, fresh: bool
) -> Segment:
    return Segment(
        name=name,
        path=path,
        size_bytes=size_bytes,
        spans=sum(count_items(framed.body, read_signal(name)) for framed in envelopes),
        digests=tuple((framed.digest, framed.received_ns) for framed in envelopes),
        fresh=fresh,
    )


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
