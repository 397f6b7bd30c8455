from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from watchpost.errors import BadPayload
from watchpost.serving.asgi import read_body
from watchpost.serving.origin import Receive


def receive_from(messages: Iterable[dict[str, Any]]) -> Receive:
    """What a server hands on of a request, one message a call."""
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return receive


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_all_its_pieces() -> None:
    received = receive_from([piece(b"half of "), piece(b"an order", more=False)])

    assert await read_body(received, 100) == b"half of an order"


async def test_half_an_order_of_a_client_that_went_away_is_none() -> None:
    received = receive_from([piece(b"prices: []"), {"type": "http.disconnect"}])

    with pytest.raises(BadPayload, match="went away"):
        await read_body(received, 100)


async def test_of_a_body_beyond_its_bound_no_more_is_read_than_shows_it() -> None:
    pieces = [piece(b"x" * 40)] * 3

    assert len(await read_body(receive_from(pieces), 100)) == 120
