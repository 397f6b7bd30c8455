"""What every client's tests have in common: how it is made, asked and answered, and what is true.

A case is one client with one of its ways to ask. It spells the same answer in its protocol, whole
and in pieces, so that one test can be run over all of them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wire_server import Reply, WireServer

import watchpost

SHAPES = ("sync", "async", "stream", "async stream")
TWO_SHAPES = ("sync", "async stream")
"""The two that have the least in common."""


@dataclass(frozen=True)
class Said:
    """An answer: its text in pieces, or a call of the tool `weather` for the city of Bern."""

    pieces: tuple[str, ...] = ("It is ", "14 ", "degrees.")
    calls_tool: bool = False
    thought: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


ARGUMENTS = {"city": "Bern"}


class ProviderCase:
    """One client with one of its ways to ask. The tokens are those of `whole` and `stream`."""

    name: str
    provider: str
    operation = "chat"
    model: str
    response_model: str = ""
    response_id: str = ""
    input_tokens = 2006
    output_tokens = 300
    cache_read_tokens = 0
    reasoning_tokens = 0
    cost_usd: str | None = None
    finish = "stop"
    tool_finish = "tool_calls"
    has_tools = True
    """Whether this way to ask knows tools, and roles."""
    thinks = True
    """Whether its answers tell what was thought."""
    opening = 1
    """How many pieces of a stream come before its text."""
    error_type = ""
    complaint = "no such thing"
    """What a refusal says, as a pattern."""
    retries: tuple[str, ...] = ()
    """In which shapes its client asks a busy server again, and at once where the server says so."""

    @property
    def row_name(self) -> str:
        """What it is called in the documents' tables."""
        return self.name

    def connect(self, url: str, is_async: bool) -> Any:
        """A real client of the server at `url`, not patched."""
        raise NotImplementedError

    def close(self, client: Any, is_async: bool) -> Any:
        """Close its connections; awaited where it can be."""
        return client.close()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        """What is called to ask."""
        raise NotImplementedError

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        """What it is called with: plain dictionaries, or the client's own types."""
        raise NotImplementedError

    def tools(self) -> dict[str, Any]:
        """Arguments that offer the tool `weather`."""
        raise NotImplementedError

    def whole(self, said: Said) -> Reply:
        """The answer at once."""
        raise NotImplementedError

    def stream(self, said: Said) -> Reply:
        """The answer in pieces."""
        raise NotImplementedError

    def error(self, status: int) -> Reply:
        """A refusal."""
        raise NotImplementedError

    def text_of(self, result: Any) -> str:
        """What a result says."""
        raise NotImplementedError

    def delta_of(self, chunk: Any) -> str:
        """What a piece says."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


@dataclass
class Line:
    """One case in one shape: a client at one end, the server at the other."""

    case: ProviderCase
    shape: str
    wire: WireServer
    client: Any = None
    is_patched: bool = True

    def __post_init__(self) -> None:
        self.client = self.case.connect(self.wire.url, self.is_async)
        if self.is_patched:
            watchpost.patch(self.client)

    @property
    def is_async(self) -> bool:
        return self.shape.startswith("async")

    @property
    def streaming(self) -> bool:
        return self.shape.endswith("stream")

    def answer(self, said: Said | None = None) -> None:
        """Queue an answer in the shape that is asked for."""
        said = said or Said()
        self.wire.answer(self.case.stream(said) if self.streaming else self.case.whole(said))

    async def start(self, arguments: Mapping[str, Any]) -> Any:
        """The client's own answer: a result, or a stream that was not read yet."""
        made = self.case.method(self.client, self.is_async, self.streaming)(**arguments)
        return await made if inspect.isawaitable(made) else made

    async def ask(self, text: str = "How warm is it?", **more: Any) -> str:
        """The whole text of the answer."""
        return await self.ask_with({**self.case.arguments(text), **more})

    async def ask_with(self, arguments: Mapping[str, Any]) -> str:
        """The whole text of the answer to these arguments."""
        answer = await self.start(arguments)
        if not self.streaming:
            return self.case.text_of(answer)
        return "".join([self.case.delta_of(chunk) async for chunk in each(answer)])

    async def close(self) -> None:
        closed = self.case.close(self.client, self.is_async)
        if inspect.isawaitable(closed):
            await closed


async def each(stream: Any) -> Any:
    """The pieces of a stream, whichever kind it is."""
    if hasattr(stream, "__aiter__"):
        async for chunk in stream:
            yield chunk
        return
    for chunk in stream:
        yield chunk


async def close_stream(stream: Any) -> None:
    """Stop reading, as the client's own streams are stopped."""
    for name in ("aclose", "close"):
        if hasattr(stream, name):
            closed = getattr(stream, name)()
            if inspect.isawaitable(closed):
                await closed
            break
    for _ in range(20):
        # Generators inside the one that was closed are closed by the loop, when it comes to it.
        await asyncio.sleep(0)
