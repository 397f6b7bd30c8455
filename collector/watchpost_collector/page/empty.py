"""What the page says before the first trace: how to send one to this very server."""

from __future__ import annotations

from watchpost_collector.page.elements import box, text

PYTHON = """\
import openai, watchpost

watchpost.configure(endpoint="{url}", service="my-service")
client = watchpost.patch(openai.OpenAI())

@watchpost.observe(prompt="answer", version="1")
def answer(question):
    reply = client.chat.completions.create(
        model="gpt-5-mini", messages=[{{"role": "user", "content": question}}])
    return reply.choices[0].message.content
"""
ENVIRONMENT = """\
export OTEL_EXPORTER_OTLP_ENDPOINT={url}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
"""


def draw_empty(server_url: str) -> None:
    """Draw it; `server_url` is what the browser reached this server by."""
    url = server_url.rstrip("/")
    with box("div", "wp-empty"):
        text("h1", "Waiting for the first trace")
        text("p", "Nothing is stored yet. This page fills by itself a second or two after a call.")
        text("h3", "From Python")
        text("pre", PYTHON.format(url=url).rstrip(), "wp-code mono", "empty-python")
        text("h3", "From anything that speaks OpenTelemetry")
        text("pre", ENVIRONMENT.format(url=url).rstrip(), "wp-code mono", "empty-environment")
        text("h3", "Or look at two weeks of a made-up shop first")
        text("pre", "watchpost demo", "wp-code mono")
