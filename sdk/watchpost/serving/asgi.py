"""Requests and answers of the small routes: a body within a bound, an answer as JSON or a page.

The doors for OTLP read and answer by OTLP's own rules. This file knows ASGI messages and no route.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from watchpost.errors import BadPayload
from watchpost.serving.origin import Receive, Scope, Send

Header = tuple[bytes, bytes]

# After how many seconds to ask again for what is still being loaded.
RETRY_S = 2


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """The body; of one that is longer than `most_bytes`, a little more than that and no more.

    Raises BadPayload for one that ends before it is whole: half an order is none.
    """
    body = bytearray()
    more = True
    while more and len(body) <= most_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadPayload("the client went away before its body was complete")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for something to show; programs that want JSON never name HTML."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    accepted = (value for name, value in scope["headers"] if name == b"accept")
    return any(b"text/html" in value.lower() for value in accepted)


async def send_json(
    send: Send, status: int, answer: Mapping[str, object], *, retry_after_s: int = 0
) -> None:
    """Answer with a JSON object."""
    body = json.dumps(answer).encode()
    await _send_whole(send, status, body, [(b"content-type", b"application/json")], retry_after_s)


async def send_page(
    send: Send, status: int, page: bytes, headers: Iterable[Header], *, retry_after_s: int = 0
) -> None:
    """Answer with an HTML page, and the headers that belong to it."""
    typed = [(b"content-type", b"text/html; charset=utf-8"), *headers]
    await _send_whole(send, status, page, typed, retry_after_s)


async def send_text(send: Send, content_type: str, text: str, *, is_head: bool = False) -> None:
    """Answer with a text of a type of its own; to a HEAD request without it."""
    body = text.encode()
    typed = [(b"content-type", content_type.encode())]
    await _send_whole(send, 200, body, typed, 0, is_head=is_head)


async def _send_whole(
    send: Send,
    status: int,
    body: bytes,
    typed: Iterable[Header],
    retry_after_s: int,
    *,
    is_head: bool = False,
) -> None:
    headers = [
        *typed,
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else body})
