from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from watchpost.serving import patience
from watchpost.serving.origin import Receive, Scope, Send
from watchpost.serving.patience import HEAD_BYTES
from watchpost_collector.listening import PatientProtocol

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    config = uvicorn.Config(answer, port=0, http=PatientProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        task = asyncio.create_task(server.serve([bound]))
        yield bound.getsockname()[1]
        server.should_exit = True
        await task


async def talk(port: int, *pieces: bytes) -> bytes:
    """Everything that came back until the other side hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (GET,),
        (b"\r\n", b"\r\n"),
        (GET + b"\r\n", b"\r\n"),
        (GET + b"content-length: 9\r\n\r\n",),
    ],
    ids=["silence", "half a head", "line ends", "line ends after a request", "half a body"],
)
async def test_a_client_that_stops_talking_is_hung_up_on(
    pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    monkeypatch.setattr(patience, "MESSAGE_S", 0.2)
    async with serve() as port:
        said = await talk(port, *pieces)

    assert said.count(b"HTTP/1.1 204") == (pieces[:1] == (GET + b"\r\n",))


async def test_a_head_without_end_is_refused() -> None:
    async with serve() as port:
        said = await talk(port, GET, *[b"x: " + b"y" * 9000 + b"\r\n"] * (HEAD_BYTES // 9000 + 2))

    assert said.startswith(b"HTTP/1.1 431") or said == b""


async def test_requests_on_one_connection_are_answered_as_before() -> None:
    last = GET + b"connection: close\r\ncontent-length: 3\r\n\r\n"
    async with serve() as port:
        said = await talk(port, GET + b"\r\n", GET + b"\r\n", last, b"abc")

    assert said.count(b"HTTP/1.1 204") == 3
