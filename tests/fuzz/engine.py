"""The parsers that need the engine: the gate, the façade, the insert of what intake accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from hostile_statements import FAMILIES
from ordinary_statements import ORDINARY

from fuzz.parsers import Parser
from watchpost.serving.keys import Keys
from watchpost.serving.origin import Message, Scope
from watchpost_collector.intake.admission import Admission
from watchpost_collector.otlp.envelope import frame_head
from watchpost_collector.query.facade import Facade
from watchpost_collector.query.gate import examine
from watchpost_collector.query.reader import Reader
from watchpost_collector.query.session import Limits, open_session
from watchpost_collector.store.client import SegmentRefused, Store

_QUERIES = (
    b"/?query=SELECT+1&default_format=JSON",
    b"/?database=watchpost&query_id=a&param_x=1&query=SELECT+{x:Int64}",
    b"/ping",
    b"/play?user=default&password=x",
)


def list_engine_parsers(store: Store, opened: ExitStack) -> Iterator[Parser]:
    """The gate, with statements good and bad, and the façade; `opened` closes what they use."""
    session = opened.enter_context(open_session(store.dsn, Limits(execution_s=5)))
    reader = Reader(store.dsn, Limits(execution_s=5))
    facade = Facade(reader, Keys())
    loop = asyncio.new_event_loop()
    for close in (loop.close, facade.close, reader.close):
        opened.callback(close)
    hostile = (text for family in FAMILIES.values() for text in family)
    statements = [text.encode() for text in (*ORDINARY, *hostile)]

    def feed_gate(content: bytes) -> None:
        examine(session, content.decode("utf-8", "replace"), {})

    def feed_facade(content: bytes) -> None:
        status = loop.run_until_complete(ask(facade, content))
        assert 200 <= status < 600

    yield Parser("gate", statements, feed_gate)
    yield Parser("façade", [*_QUERIES, *statements[:20]], feed_facade)


async def ask(facade: Facade, content: bytes) -> int:
    """Ask the façade for an address, or with a body where the input is no address."""
    target, _, body = content.partition(b"\n") if content.startswith(b"/") else (b"/", b"", content)
    text = target.decode("latin-1")
    try:
        parts = urlsplit(text)
        query, path = parts.query.encode("latin-1"), parts.path
    except ValueError:
        query, path = target, "/"
    scope: Scope = {
        "type": "http",
        "method": "POST" if body else "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())],
    }
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await facade(scope, receive, send)
    return int(said[0]["status"])


def store_accepted(store: Store, accepted: Sequence[Admission]) -> list[str]:
    """Insert what intake took in one segment: stored whole, or each half by itself."""
    if not accepted:
        return []
    name = f"fuzz-{time.time_ns()}"
    letters = [admission.letter for admission in accepted]
    content = b"".join(frame_head(letter, name) + letter.body for letter in letters)
    try:
        store.insert_segment(content, name)
    except SegmentRefused:
        # A known field of the wrong wire type: the flusher finds the one and sets it aside.
        half = len(accepted) // 2
        parts = (accepted[:half], accepted[half:]) if half else ()
        return [wrong for part in parts for wrong in store_accepted(store, part)]
    counted, spans = store.count_segment(name), sum(letter.spans for letter in letters)
    whole = counted.whole and counted.spans == spans
    return [] if whole else [f"{spans} spans accepted, counted {counted}"]
