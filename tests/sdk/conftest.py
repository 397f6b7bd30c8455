"""Fixtures of the SDK's tests: recorded spans, real clients against the stand-in, no tolerance."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from wire_server import WireServer

import watchpost
from watchpost.runtime import SHIELD, Runtime, install
from watchpost.screening.declared import DECLARED
from watchpost.testing.provider import ProviderServer

MODELS = {"chat": "gpt-4o", "responses": "gpt-5", "messages": "claude-opus-4-6"}
PROTOCOLS = tuple(MODELS)
SHAPES = ("sync", "async", "stream", "async stream")


class Recorder:
    """What was recorded so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def install(self, **changes: Any) -> None:
        install(Runtime(self.provider.get_tracer("watchpost"), **changes))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    @property
    def generations(self) -> list[ReadableSpan]:
        return [s for s in self.spans if (s.attributes or {}).get("watchpost.kind") == "generation"]

    @property
    def generation(self) -> dict[str, Any]:
        """The attributes of the one generation there is."""
        (span,) = self.generations
        return dict(span.attributes or {})

    def messages(self, direction: str) -> Any:
        """The recorded messages of the one generation, "input" or "output", parsed."""
        return json.loads(self.generation[f"gen_ai.{direction}.messages"])

    def named(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span


class Caller:
    """One question to one provider's real, patched client, in one of the four shapes."""

    def __init__(self, provider: ProviderServer, protocol: str, shape: str) -> None:
        self.provider = provider
        self.protocol = protocol
        self.streaming = shape.endswith("stream")
        self.is_async = shape.startswith("async")
        self.model = MODELS[protocol]
        self.client: Any = watchpost.patch(make_client(provider, protocol, self.is_async))

    def arguments(self, text: str) -> dict[str, Any]:
        asked: Any = [{"role": "user", "content": text}]
        if self.protocol == "responses":
            return {"model": self.model, "input": asked, "max_output_tokens": 50}
        options = {"model": self.model, "messages": asked, "max_tokens": 50}
        if self.protocol == "chat" and self.streaming:
            options["stream_options"] = {"include_usage": True}
        return options

    async def start(self, text: str, **options: Any) -> Any:
        """The client's own answer: a result, or a stream that was not read yet."""
        options = {**self.arguments(text), **options}
        if self.streaming:
            options["stream"] = True
        if self.protocol == "messages":
            made = self.client.messages.create(**options)
        elif self.protocol == "responses":
            made = self.client.responses.create(**options)
        else:
            made = self.client.chat.completions.create(**options)
        return await made if self.is_async else made

    async def ask(self, text: str, **options: Any) -> str:
        """The whole text of the answer."""
        answer = await self.start(text, **options)
        if not self.streaming:
            return text_of(self.protocol, answer)
        if self.is_async:
            return "".join([delta_of(self.protocol, chunk) async for chunk in answer])
        return "".join(delta_of(self.protocol, chunk) for chunk in answer)

    async def close(self) -> None:
        closed = self.client.close()
        if self.is_async:
            await closed


def make_client(provider: ProviderServer, protocol: str, is_async: bool) -> Any:
    """A real client, not patched."""
    library: Any = anthropic if protocol == "messages" else openai
    name = "Anthropic" if protocol == "messages" else "OpenAI"
    kind = getattr(library, ("Async" if is_async else "") + name)
    http = library.DefaultAsyncHttpxClient if is_async else library.DefaultHttpxClient
    url = provider.anthropic_url if protocol == "messages" else provider.openai_url
    # Reading certificates for each of hundreds of clients takes longer than the tests.
    return kind(base_url=url, api_key="test", http_client=http(verify=False))


def text_of(protocol: str, answer: Any) -> str:
    if protocol == "messages":
        return "".join(block.text for block in answer.content if block.type == "text")
    if protocol == "responses":
        return str(answer.output_text)
    return answer.choices[0].message.content or ""


def delta_of(protocol: str, chunk: Any) -> str:
    if protocol == "messages":
        return getattr(getattr(chunk, "delta", None), "text", None) or ""
    if protocol == "responses":
        return chunk.delta if chunk.type == "response.output_text.delta" else ""
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """What production would have hidden fails the test."""
    SHIELD.forget()
    SHIELD.strict = True
    yield
    SHIELD.strict = False
    install(None)
    DECLARED.forget()


@pytest.fixture
def collecting_alone() -> Iterator[None]:
    """Garbage is collected when the test says so: it would not be where another thread is at it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Records every span of this test."""
    made = Recorder()
    made.install()
    yield made
    made.provider.shutdown()


@pytest.fixture
async def make_raw(provider: ProviderServer) -> AsyncIterator[Callable[[str, bool], Any]]:
    """Makes real clients that nobody patched, closed at the end."""
    made: list[Any] = []

    def make(protocol: str, is_async: bool = False) -> Any:
        made.append(make_client(provider, protocol, is_async))
        return made[-1]

    yield make
    for client in made:
        closed = client.close()
        if closed is not None:
            await closed


@pytest.fixture(scope="session")
def _wire() -> Iterator[WireServer]:
    with WireServer() as running:
        yield running


@pytest.fixture
def wire(_wire: WireServer) -> WireServer:
    """A server that answers with what a test writes down."""
    _wire.reset()
    return _wire


@pytest.fixture
async def connect(wire: WireServer) -> AsyncIterator[Callable[..., Any]]:
    """Makes patched OpenAI clients of the wire, closed at the end."""
    made: list[Any] = []

    def make(is_async: bool = False, **options: Any) -> Any:
        library: Any = openai
        http = library.DefaultAsyncHttpxClient if is_async else library.DefaultHttpxClient
        kind = library.AsyncOpenAI if is_async else library.OpenAI
        given = {"base_url": f"{wire.url}/v1", "api_key": "test", **options}
        made.append(kind(http_client=http(verify=False), **given))
        return watchpost.patch(made[-1])

    yield make
    for client in made:
        closed = client.close()
        if closed is not None:
            await closed


MakeCaller = Callable[[str, str], Caller]


@pytest.fixture
async def make_caller(provider: ProviderServer) -> AsyncIterator[MakeCaller]:
    """Makes callers that are closed at the end."""
    made: list[Caller] = []

    def make(protocol: str, shape: str) -> Caller:
        made.append(Caller(provider, protocol, shape))
        return made[-1]

    yield make
    for caller in made:
        await caller.close()


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Each of the three protocols."""
    return str(request.param)


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """Each of the four shapes a call can have."""
    return str(request.param)


@pytest.fixture
def caller(make_caller: MakeCaller, protocol: str, shape: str) -> Caller:
    """Every protocol in every shape."""
    return make_caller(protocol, shape)
