"""Record a streamed call of a patched client, and print what was recorded. Needs no key.

The provider is the stand-in that the demo uses. With a collector running (`watchpost up`), put
`watchpost.configure(service="example")` in place of the printing processor.
"""

from __future__ import annotations

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

import watchpost
from watchpost.testing.provider import ProviderServer


class Print(SpanProcessor):
    """Prints every finished span."""

    def on_end(self, span: ReadableSpan) -> None:
        print(span.name)
        for name, value in (span.attributes or {}).items():
            print(f"    {name} = {value}")


@watchpost.observe(prompt="answer", version=3, tags=["example"])
def answer(client: OpenAI, question: str) -> str:
    """A function like yours: it returns plain text."""
    watchpost.current().set(session="s-1", tenant="acme")
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def main() -> None:
    """Ask once."""
    provider = TracerProvider()
    provider.add_span_processor(Print())
    trace.set_tracer_provider(provider)
    with ProviderServer() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
        print(answer(watchpost.patch(client), "What do you record?"))


if __name__ == "__main__":
    main()
