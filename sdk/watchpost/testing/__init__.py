"""Parts for testing programs that use watchpost: nothing leaves the process, nobody is asked.

    from watchpost.testing import ProviderServer, capture

    with ProviderServer() as provider, capture() as seen:
        provider.answer("Forty-two.")
        ask(provider.openai_url)
    assert seen.generation.usage.output_tokens == 3

Import it in tests only: it brings OpenTelemetry's SDK and an HTTP server along.
"""

from watchpost.testing.capture import Capture, capture
from watchpost.testing.exchange import Answer, Failure, ProviderRequest, ToolCall, Usage
from watchpost.testing.frozen import CountedIds, FrozenClock
from watchpost.testing.guards import FakeGuard
from watchpost.testing.provider import ProviderServer

__all__ = [
    "Answer",
    "Capture",
    "CountedIds",
    "Failure",
    "FakeGuard",
    "FrozenClock",
    "ProviderRequest",
    "ProviderServer",
    "ToolCall",
    "Usage",
    "capture",
]
