"""A file to import: its digest, and its lines with their numbers, gzipped or not.

The digest is of the uncompressed bytes, so that a file and its gzipped copy are the same file. A
file that is one JSON document (OTLP, or a list) gives its parts, numbered, instead of lines. What
the lines mean is not known here.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from watchpost.errors import ConfigError

GZIP_MAGIC = b"\x1f\x8b"
DIGEST_HEX = 32
DOCUMENT_BYTES = 256 * 1024 * 1024
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read through once: what it is, how long, and when it was last changed."""

    path: Path
    digest: str
    lines: int
    modified_ns: int
    document: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line as JSON; `value` is None and `fault` says why when it could not be read."""

    number: int
    value: Any = None
    fault: str = ""


def open_source(path: Path) -> Source:
    """Reads the file once. Raises ConfigError when it cannot be read."""
    hashed = hashlib.sha256()
    lines, size, last = 0, 0, b""
    try:
        with _open(path) as stream:
            while block := stream.read(_BLOCK):
                hashed.update(block)
                lines += block.count(b"\n")
                size += len(block)
                last = block
        modified_ns = path.stat().st_mtime_ns
    except (OSError, EOFError) as error:
        raise ConfigError("FILE", str(path), f"it cannot be read ({error})") from error
    if last and not last.endswith(b"\n"):
        lines += 1
    document = size <= DOCUMENT_BYTES and _is_document(path)
    return Source(path, hashed.hexdigest()[:DIGEST_HEX], lines, modified_ns, document)


def read_lines(source: Source) -> Iterator[Line]:
    """Every line that is not blank; of a document, every part."""
    if source.document:
        yield from _read_document(source.path)
        return
    with _open(source.path) as stream:
        for number, raw in enumerate(stream, start=1):
            stripped = raw.removeprefix(b"\xef\xbb\xbf").strip()
            if stripped:
                yield _parse(number, stripped)


def _parse(number: int, raw: bytes) -> Line:
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        return Line(number, fault=f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return Line(number, fault=f"not JSON: {error.msg} at character {error.pos}")
    except RecursionError:
        return Line(number, fault="not JSON: nested too deep")
    if not isinstance(value, dict):
        return Line(number, fault=f"a JSON {type(value).__name__}, not an object")
    return Line(number, value)


def _read_document(path: Path) -> Iterator[Line]:
    with _open(path) as stream:
        value = json.loads(stream.read())
    parts = value if isinstance(value, list) else [value]
    for number, part in enumerate(parts, start=1):
        if isinstance(part, dict):
            yield Line(number, part)
        else:
            yield Line(number, fault=f"a JSON {type(part).__name__}, not an object")


def _is_document(path: Path) -> bool:
    """Whether the file is one JSON value over several lines, or a list."""
    with _open(path) as stream:
        first = next((line.strip() for line in stream if line.strip()), b"")
        with contextlib.suppress(ValueError, RecursionError):
            return isinstance(json.loads(first), list)
        if first[:1] not in (b"{", b"["):
            return False
        stream.seek(0)
        with contextlib.suppress(ValueError, RecursionError):
            json.loads(stream.read())
            return True
    return False


def _open(path: Path) -> IO[bytes]:
    stream = path.open("rb")
    magic = stream.read(2)
    stream.seek(0)
    if magic != GZIP_MAGIC:
        return stream
    return cast("IO[bytes]", _Unzipped(stream))


class _Unzipped(gzip.GzipFile):
    """A gzipped file that closes what lies under it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._under = stream

    def close(self) -> None:
        super().close()
        self._under.close()
