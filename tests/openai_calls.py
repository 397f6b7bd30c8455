"""Every kind of call OpenAI's client makes, what the server says to it, and what is true of it.

Dollars are worked out by hand beside each, in USD per million of what is counted.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wire_server import Reply, json_reply, sse_reply

PIXEL = base64.b64encode(b"P" * 300).decode()
SOUND = ("sound.wav", b"RIFF" + b"\0" * 100, "audio/wav")
PICTURE = ("picture.png", b"\x89PNG" + b"\0" * 100, "image/png")
HEAD = {"id": "chatcmpl-1", "created": 1, "object": "chat.completion", "model": "gpt-4o-2024-08-06"}
CHUNK = {**HEAD, "object": "chat.completion.chunk"}


@dataclass(frozen=True)
class Called:
    """One kind of call. `ask` is given a client; `said` is the text that is recorded of the answer.

    `found` are attributes of the span, `cost` USD or None where nobody can know it.
    """

    name: str
    ask: Callable[[Any], Any]
    reply: Reply
    operation: str
    model: str
    tokens: tuple[int, int] | None = None
    cost: str | None = None
    said: str | None = None
    asked: str | None = None
    streaming: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row_name(self) -> str:
        """What it is called in the documents' tables."""
        return f"openai {self.name}"

    def __repr__(self) -> str:
        return self.name


def chat_reply(message: Mapping[str, Any], usage: Any = None, **more: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json_reply({**HEAD, "choices": [choice], "usage": usage, **more})


def chat_stream(*deltas: Mapping[str, Any], usage: Any = None) -> Reply:
    chunks = [{**CHUNK, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage is not None:
        chunks.append({**CHUNK, "choices": [], "usage": usage})
    return sse_reply(chunks, done=True)


def usage_of(asked: int, said: int, **details: Mapping[str, int]) -> dict[str, Any]:
    """Chat's usage, with `prompt` and `completion` details."""
    named = {f"{name}_tokens_details": value for name, value in details.items()}
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        **named,
    }


def chat(client: Any, **more: Any) -> Any:
    asked = [{"role": "user", "content": "hello"}]
    return client.chat.completions.create(**{"model": "gpt-4o", "messages": asked, **more})


HEARD_USAGE = {
    "type": "tokens",
    "input_tokens": 140,
    "output_tokens": 30,
    "total_tokens": 170,
    "input_token_details": {"audio_tokens": 120, "text_tokens": 20},
}
DRAWN_USAGE = {
    "input_tokens": 1000,
    "output_tokens": 4160,
    "total_tokens": 5160,
    "input_tokens_details": {"text_tokens": 100, "image_tokens": 900},
}
AUDIO_USAGE = usage_of(100, 60, prompt={"audio_tokens": 80}, completion={"audio_tokens": 50})
SPOKEN = {"id": "a", "expires_at": 1, "data": PIXEL, "transcript": "hi there"}

EMBEDDED = Called(
    "embeddings",
    lambda client: client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]),
    json_reply(
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        }
    ),
    "embeddings",
    "text-embedding-3-small",
    tokens=(8, 0),
    cost="0.00000016",  # 8 x 0.02
    asked="one",
    found={"watchpost.kind": "embedding"},
)
MODERATED = Called(
    "moderations",
    lambda client: client.moderations.create(model="omni-moderation-latest", input="hello"),
    json_reply(
        {
            "id": "modr-1",
            "model": "omni-moderation-latest",
            "results": [
                {
                    "flagged": True,
                    "categories": {"violence": True, "hate/threatening": True, "hate": False},
                    "category_scores": {"violence": 0.9},
                    "category_applied_input_types": {},
                }
            ],
        }
    ),
    "moderation",
    "omni-moderation-latest",
    asked="hello",
    found={
        "watchpost.kind": "guard",
        "watchpost.moderation.flagged": ("hate/threatening", "violence"),
    },
)
DRAWN = Called(
    "images",
    lambda client: client.images.generate(model="gpt-image-1", prompt="a cat"),
    json_reply(
        {
            "created": 1,
            "data": [{"b64_json": PIXEL}],
            "output_format": "webp",
            "usage": {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210},
        }
    ),
    "generate_content",
    "gpt-image-1",
    tokens=(50, 4160),
    cost="0.16665",  # 50 x 5 + 4,160 x 40
    asked="a cat",
    found={
        "watchpost.usage.images": 1,
        "gen_ai.output.type": "image",
        "gen_ai.usage.image.output_tokens": 4160,
    },
)
EDITED = Called(
    "image edits",
    lambda client: client.images.edit(model="gpt-image-1", prompt="a cat", image=PICTURE),
    json_reply({"created": 1, "data": [{"b64_json": PIXEL}], "usage": DRAWN_USAGE}),
    "generate_content",
    "gpt-image-1",
    tokens=(1000, 4160),
    cost="0.1759",  # 100 x 5 + 900 x 10 + 4,160 x 40
    asked="a cat",
    found={"gen_ai.usage.image.input_tokens": 900},
)
DRAWN_STREAM = Called(
    "images streamed",
    lambda client: client.images.generate(
        model="gpt-image-1", prompt="a cat", stream=True, partial_images=1
    ),
    sse_reply(
        [
            {"type": "image_generation.partial_image", "b64_json": PIXEL},
            {
                "type": "image_generation.completed",
                "b64_json": PIXEL,
                "output_format": "png",
                "usage": DRAWN_USAGE,
            },
        ],
        named=True,
    ),
    "generate_content",
    "gpt-image-1",
    tokens=(1000, 4160),
    cost="0.1759",
    asked="a cat",
    streaming=True,
    found={"watchpost.usage.images": 1},
)
DRAWN_UNCOUNTED = Called(
    "images by the piece",
    lambda client: client.images.generate(model="dall-e-3", prompt="a cat"),
    json_reply({"created": 1, "data": [{"url": "http://a/b.png", "revised_prompt": "A cat."}]}),
    "generate_content",
    "dall-e-3",
    said="A cat.",
    asked="a cat",
    found={"watchpost.usage.images": 1},
)
SPOKEN_TEXT = Called(
    "speech",
    lambda client: client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there"),
    Reply(content_type="audio/mpeg", pieces=(b"ID3" + b"\0" * 97,)),
    "generate_content",
    "tts-1",
    cost="0.000165",  # 11 characters x 15
    asked="Hello there",
    found={"watchpost.usage.characters": 11, "gen_ai.output.type": "speech"},
)
SPOKEN_UNCOUNTED = Called(
    "speech by tokens nobody tells",
    lambda client: client.audio.speech.create(model="gpt-4o-mini-tts", voice="a", input="Hello"),
    Reply(content_type="audio/mpeg", pieces=(b"ID3",)),
    "generate_content",
    "gpt-4o-mini-tts",
    asked="Hello",
)
HEARD = Called(
    "transcriptions",
    lambda client: client.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND),
    json_reply({"text": "good morning", "usage": HEARD_USAGE}),
    "generate_content",
    "gpt-4o-transcribe",
    tokens=(140, 30),
    cost="0.00107",  # 20 x 2.5 + 120 x 6 + 30 x 10
    said="good morning",
)
HEARD_STREAM = Called(
    "transcriptions streamed",
    lambda client: client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=SOUND, stream=True
    ),
    sse_reply(
        [
            {"type": "transcript.text.delta", "delta": "good "},
            {"type": "transcript.text.delta", "delta": "morning"},
            {"type": "transcript.text.done", "text": "good morning", "usage": HEARD_USAGE},
        ],
        done=True,
    ),
    "generate_content",
    "gpt-4o-transcribe",
    tokens=(140, 30),
    cost="0.00107",
    said="good morning",
    streaming=True,
)
HEARD_SECONDS = Called(
    "transcriptions by the second",
    lambda client: client.audio.transcriptions.create(model="whisper-1", file=SOUND, prompt="Bern"),
    json_reply({"text": "good morning", "usage": {"type": "duration", "seconds": 90}}),
    "generate_content",
    "whisper-1",
    cost="0.009",  # 90 s of an hour for 0.36 USD
    said="good morning",
    asked="Bern",
    found={"watchpost.usage.seconds": 90.0},
)
HEARD_TEXT = Called(
    "transcriptions as plain text",
    lambda client: client.audio.transcriptions.create(
        model="whisper-1", file=SOUND, response_format="text"
    ),
    Reply(content_type="text/plain", pieces=(b"good morning",)),
    "generate_content",
    "whisper-1",
    said="good morning",
)
TRANSLATED = Called(
    "translations",
    lambda client: client.audio.translations.create(
        model="whisper-1", file=SOUND, response_format="verbose_json"
    ),
    json_reply({"text": "good morning", "language": "german", "duration": "90"}),
    "generate_content",
    "whisper-1",
    cost="0.009",
    said="good morning",
)
COMPLETED = Called(
    "completions",
    lambda client: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello"),
    json_reply(
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": "gpt-3.5-turbo-instruct",
            "choices": [{"index": 0, "text": "hi there", "finish_reason": "stop"}],
            "usage": usage_of(10, 5),
        }
    ),
    "text_completion",
    "gpt-3.5-turbo-instruct",
    tokens=(10, 5),
    cost="0.000025",  # 10 x 1.5 + 5 x 2
    said="hi there",
    asked="hello",
)
CHAT_AUDIO = Called(
    "chat with sound",
    lambda client: chat(client, model="gpt-audio", modalities=["text", "audio"]),
    chat_reply({"content": None, "audio": SPOKEN}, AUDIO_USAGE, model="gpt-audio"),
    "chat",
    "gpt-audio",
    tokens=(100, 60),
    cost="0.00591",  # 20 x 2.5 + 80 x 32 + 10 x 10 + 50 x 64
    said="hi there",
    asked="hello",
    found={"gen_ai.usage.audio.input_tokens": 80, "gen_ai.usage.audio.output_tokens": 50},
)
CHAT_AUDIO_STREAM = Called(
    "chat with sound, streamed",
    lambda client: chat(
        client, model="gpt-audio", stream=True, stream_options={"include_usage": True}
    ),
    chat_stream(
        {"audio": {"id": "a", "transcript": "hi "}},
        {"audio": {"data": PIXEL}},
        {"audio": {"transcript": "there"}},
        usage=AUDIO_USAGE,
    ),
    "chat",
    "gpt-audio",
    tokens=(100, 60),
    said="hi there",
    asked="hello",
    streaming=True,
    found={"gen_ai.usage.audio.output_tokens": 50},
)
CHAT_PREDICTED = Called(
    "chat with predicted tokens",
    lambda client: chat(client, prediction={"type": "content", "content": "hi there"}),
    chat_reply(
        {"content": "hi there"},
        usage_of(
            10,
            20,
            completion={"accepted_prediction_tokens": 3, "rejected_prediction_tokens": 12},
        ),
    ),
    "chat",
    "gpt-4o",
    tokens=(10, 20),
    cost="0.000225",  # 10 x 2.5 + 20 x 10, the rejected among them
    said="hi there",
    asked="hello",
    found={"watchpost.usage.predicted.accepted": 3, "watchpost.usage.predicted.rejected": 12},
)

CALLS = (
    *(EMBEDDED, MODERATED, DRAWN, EDITED, DRAWN_STREAM, DRAWN_UNCOUNTED, SPOKEN_TEXT),
    *(SPOKEN_UNCOUNTED, HEARD, HEARD_STREAM, HEARD_SECONDS, HEARD_TEXT, TRANSLATED, COMPLETED),
    *(CHAT_AUDIO, CHAT_AUDIO_STREAM, CHAT_PREDICTED),
)
