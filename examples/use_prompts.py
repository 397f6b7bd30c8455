"""Fill in a prompt, and print what its call says of it. Needs no key and no collector.

The prompt is asked for by label. With a collector running, push one (`watchpost prompts push
answer.md --label production`) and it takes the place of the one in code; without, that stands in.
"""

from __future__ import annotations

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

import watchpost
from watchpost.testing.provider import ProviderServer

IN_CODE = watchpost.Prompt(
    "answer",
    [
        {"role": "system", "content": "You answer customers on the {{plan}} plan."},
        {"role": "user", "content": "{{question}}"},
    ],
)


class Print(SpanProcessor):
    """Prints what every finished span says of its prompt."""

    def on_end(self, span: ReadableSpan) -> None:
        print(span.name)
        for name, value in (span.attributes or {}).items():
            if "prompt." in name:
                print(f"    {name} = {value}")


@watchpost.observe
def answer(client: OpenAI, question: str, plan: str) -> str:
    """A function like yours; at most half a second is waited for the prompt, and only once."""
    prompt = watchpost.get_prompt("answer", fallback=IN_CODE, deadline_s=0.5)
    messages = prompt.render(question=question, plan=plan)
    reply = client.chat.completions.create(model="gpt-4o", messages=messages)
    return reply.choices[0].message.content or ""


def main() -> None:
    """Ask once."""
    provider = TracerProvider()
    provider.add_span_processor(Print())
    trace.set_tracer_provider(provider)
    with ProviderServer() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
        print(answer(watchpost.patch(client), "Where is my parcel?", "free"))


if __name__ == "__main__":
    main()
