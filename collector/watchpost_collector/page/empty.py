"""What the page says before the first trace: how to send one to this very server."""

from __future__ import annotations

from watchpost_collector.page.elements import box, text

PYTHON = """\
import openai, watchpost

watchpost.configure(endpoint="{url}", service="my-service"{key})
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
HEADERS = 'export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20YOUR-INGEST-KEY"\n'


def draw_empty(server_url: str, keyed: bool) -> None:
    """Draw it; `server_url` is what the browser reached this server by, `keyed` whether it asks
    senders for a key."""
    url = server_url.rstrip("/")
    python = PYTHON.format(url=url, key=', key="YOUR-INGEST-KEY"' if keyed else "")
    environment = ENVIRONMENT.format(url=url) + (HEADERS if keyed else "")
    with box("div", "wp-empty"):
        text("h1", "Waiting for the first trace")
        text("p", "Nothing is stored yet. This page fills by itself a second or two after a call.")
        text("h3", "From Python")
        text("pre", python.rstrip(), "wp-code mono", "empty-python")
        text("h3", "From anything that speaks OpenTelemetry")
        text("pre", environment.rstrip(), "wp-code mono", "empty-environment")
        text("h3", "Or look at two weeks of a made-up shop first")
        text("pre", "watchpost demo", "wp-code mono")
