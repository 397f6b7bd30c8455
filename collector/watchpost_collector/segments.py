"""Segment files at rest: found again after a crash, split, renamed, or set aside.

Every change is made so that a crash in the middle leaves either the old file or all of the new
ones: children are written first and their parent deleted last, and a parent that still stands
makes its children void. This file knows no store and no HTTP.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from watchpost_collector import fault
from watchpost_collector.envelope import Framed, read_envelopes, reframe
from watchpost_collector.private_files import read_private, sync_directory, write_private
from watchpost_collector.spool import SUFFIX, Segment


def recover_segments(directory: Path, set_aside: Path) -> list[Segment]:
    """The segments a dead process left, in order, each cut to its last whole envelope.

    What is cut off was never acknowledged, unless the disk lost it: it is set aside all the same.
    """
    for draft in directory.glob("*.draft"):
        draft.unlink(missing_ok=True)
    names = {path.name.removesuffix(SUFFIX) for path in directory.glob(f"*{SUFFIX}")}
    for name in sorted(names):
        if any(name.startswith(f"{parent}.") for parent in names):
            (directory / f"{name}{SUFFIX}").unlink(missing_ok=True)
            names.discard(name)
    found = [_recover(directory / f"{name}{SUFFIX}", name, set_aside) for name in sorted(names)]
    sync_directory(directory)
    return [segment for segment in found if segment is not None]


def split_segment(segment: Segment, pieces: int) -> list[Segment]:
    """The same envelopes in up to `pieces` new segments of other names; one piece is a renaming."""
    envelopes = list(read_envelopes(read_private(segment.path)))
    size = -(-len(envelopes) // pieces)
    groups = [envelopes[i : i + size] for i in range(0, len(envelopes), size)]
    children = [
        _write_child(segment, number, group) for number, group in enumerate(groups) if group
    ]
    fault.reach("half_split")
    segment.path.unlink()
    sync_directory(segment.path.parent)
    return children


def set_segment_aside(segment: Segment, directory: Path, reason: str) -> Path:
    """Move a segment nobody can store to `directory`, with a file that says why."""
    _explain(directory, segment.name, reason, segment.spans, segment.size_bytes)
    target = directory / f"{segment.name}.envelopes"
    os.replace(segment.path, target)
    sync_directory(directory)
    sync_directory(segment.path.parent)
    return target


def count_envelopes(segment: Segment) -> int:
    """How many requests a segment holds."""
    return len(segment.digests)


def count_spans(body: bytes | memoryview) -> int:
    """How many spans an encoded request holds."""
    request = ExportTraceServiceRequest.FromString(bytes(body))
    return sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)


def _recover(path: Path, name: str, set_aside: Path) -> Segment | None:
    content = read_private(path)
    whole: list[Framed] = []
    for framed in read_envelopes(content):
        if not framed.whole:
            break
        whole.append(framed)
    end = whole[-1].end if whole else 0
    if end < len(content):
        reason = f"the file was torn at byte {end} of {len(content)} when the collector died"
        _explain(set_aside, f"{name}.tail", reason, 0, len(content) - end)
        write_private(set_aside / f"{name}.tail.envelopes", content[end:])
        os.truncate(path, end)
        _sync_file(path)
    if not whole:
        path.unlink()
        return None
    return _describe(path, name, whole, end, fresh=False)


def _write_child(parent: Segment, number: int, group: Sequence[Framed]) -> Segment:
    name = f"{parent.name}.{number}"
    path = parent.path.with_name(f"{name}{SUFFIX}")
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
        spans=sum(count_spans(framed.body) for framed in envelopes),
        digests=tuple((framed.digest, framed.received_ns) for framed in envelopes),
        fresh=fresh,
    )


def _explain(directory: Path, name: str, reason: str, spans: int, size_bytes: int) -> None:
    told = {"segment": name, "reason": reason, "spans": spans, "bytes": size_bytes}
    write_private(directory / f"{name}.reason.json", json.dumps(told, indent=2).encode())


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
