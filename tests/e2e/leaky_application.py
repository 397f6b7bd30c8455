"""An application that lets secrets slip wherever one can: the program behind a test.

Arguments: collector URL, provider URL, spill directory, where its policy stands ("guarded": given
to `configure`, "scoped": to each span, "bare": nowhere), the secrets as JSON. It prints whether
the collector has everything.
"""

import base64
import json
import logging
import sys
from urllib.parse import quote

import openai
from opentelemetry import trace
from opentelemetry.trace import Link, Status, StatusCode

import watchpost

PIECE = 5


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def talk(client: openai.OpenAI, secret: str) -> None:
    """Messages, tool calls and a streamed answer."""
    said = f"my secret is {secret}, encoded {encode(secret)}, linked {quote(secret, safe='')}"
    arguments = json.dumps({"to": secret, "note": encode(f"for {secret}")})
    call = {"name": "send", "arguments": arguments}
    messages = [
        {"role": "system", "content": f"The customer is {secret}."},
        {"role": "user", "content": [{"type": "text", "text": said}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"sent": secret})},
    ]
    client.chat.completions.create(model="gpt-4o", messages=messages)  # type: ignore[call-overload]
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": f"repeat {secret}"}],
        stream=True,
    )
    for _ in stream:
        pass


@watchpost.observe(tags=["leaky"])
def fail(client: openai.OpenAI, secret: str) -> None:
    """An error of the provider that quotes the request, and one of our own that quotes it again."""
    try:
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": f"fail for {secret}"}]
        )
    except openai.APIStatusError as error:
        raise ValueError(f"no answer for {secret} ({encode(secret)}): {error}") from error


def fetch(secret: str) -> None:
    """Spans of another instrumentation in the same process."""
    tracer = trace.get_tracer("some.http.client")
    link = Link(trace.INVALID_SPAN_CONTEXT, {"for": secret})
    with tracer.start_as_current_span(f"GET /users/{quote(secret)}", links=[link]) as span:
        span.set_attribute("url.full", f"https://api.example/u/{quote(secret, safe='')}?q={secret}")
        span.set_attribute("http.request.header.x-note", [encode(secret), f"plain {secret}"])
        span.set_attribute(f"user.{secret}", True)
        span.set_attribute("body", json.dumps({"deep": [{"er": json.dumps({"x": secret})}]}))
        for text in (f"chunks of {secret}.", f"chunks of {encode(secret)}."):
            for start in range(0, len(text), PIECE):
                span.add_event("chunk", {"delta": text[start : start + PIECE]})
        span.set_status(Status(StatusCode.ERROR, f"refused {secret}"))


def main() -> None:
    endpoint, provider, spill, mode, listed = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("watchpost").setLevel(logging.DEBUG)
    policy = watchpost.Policy(redact=("pii", "secrets")) if mode != "bare" else None
    everywhere, here = (policy, None) if mode == "guarded" else (None, policy)
    watchpost.configure(
        endpoint=endpoint, service="leaky", policy=everywhere, data_dir=spill, capture=None
    )
    client = watchpost.patch(openai.OpenAI(base_url=provider, api_key="test", max_retries=0))
    for secret in json.loads(listed):
        with watchpost.span(f"turn of {secret}", user=secret, session=f"s-{secret}", policy=here):
            talk(client, secret)
            fetch(secret)
            try:
                fail(client, secret)
            except ValueError:
                logging.getLogger("application").info("a call failed")
        fetch(secret)  # outside of every scope
    print("delivered" if watchpost.flush(60) else "kept", flush=True)
    watchpost.shutdown()


if __name__ == "__main__":
    main()
