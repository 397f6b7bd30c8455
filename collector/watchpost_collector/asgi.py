"""Requests and answers of the small routes: a body within a bound, an answer as JSON.

The doors for OTLP read and answer by OTLP's own rules. This file knows ASGI messages and no route.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from watchpost.errors import BadPayload
from watchpost_collector.access.origin import Receive, Send


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


async def send_json(
    send: Send, status: int, answer: Mapping[str, object], *, retry_after_s: int = 0
) -> None:
    """Answer with a JSON object."""
    body = json.dumps(answer).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
