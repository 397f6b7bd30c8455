"""The calls every emitter records: what is asked, what the stand-in answers, what must be read.

Read by two sides: inside an emitter's environment, where only the clients of the providers are
installed beside the emitter, and by the check, which scripts the stand-in and compares. The
numbers are odd on purpose: a number that was sent can be found again in what was recorded.
Knows no emitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SESSION = "session-7f31"
USER = "user-52ac"
PROMPT_NAME = "weather-desk"
PROMPT_VERSION = 4711

_OPENAI = {"provider": "openai", "request_model": "gpt-4o", "model": "gpt-4o-2024-08-06"}
_CLAUDE = {
    "provider": "anthropic",
    "request_model": "claude-sonnet-4-5",
    "model": "claude-sonnet-4-5-20250929",
}
_SCOPE = {
    "session_id": SESSION,
    "user_id": USER,
    "prompt_name": PROMPT_NAME,
    "prompt_version": str(PROMPT_VERSION),
}
_SYSTEM = "You are a weather desk."
_WEATHER = {
    "type": "object",
    "properties": {"location": {"type": "string", "description": "A town"}},
    "required": ["location"],
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `columns` is what `watchpost.generations` must say of it; `texts` is what each
    part of `watchpost.content` must hold. `answer` has the fields of the stand-in's `Answer`."""

    name: str
    client: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    columns: Mapping[str, Any]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """What the user asks: every call asks its own question."""
        return f"What about {self.name}?"


def _chat(name: str, answer: Mapping[str, Any], columns: Mapping[str, Any], **more: Any) -> Call:
    texts = more.pop("texts", {})
    messages = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": f"What about {name}?"},
    ]
    return Call(
        name,
        "chat",
        {"model": _OPENAI["request_model"], "messages": messages, "user": USER, **more},
        {"model": _OPENAI["model"], "response_id": f"chatcmpl-{name}", **answer},
        {
            **_OPENAI,
            **_SCOPE,
            "operation": "chat",
            "status": "ok",
            "response_id": f"chatcmpl-{name}",
            "usage_source": "provider",
            **columns,
        },
        {"input": (_SYSTEM, f"What about {name}?"), **texts},
    )


def _claude(name: str, answer: Mapping[str, Any], columns: Mapping[str, Any], **more: Any) -> Call:
    texts = more.pop("texts", {})
    return Call(
        name,
        "messages",
        {
            "model": _CLAUDE["request_model"],
            "max_tokens": 512,
            "system": _SYSTEM,
            "messages": [{"role": "user", "content": f"What about {name}?"}],
            "metadata": {"user_id": USER},
            **more,
        },
        {"model": _CLAUDE["model"], "response_id": f"msg_{name}", **answer},
        {
            **_CLAUDE,
            **_SCOPE,
            "operation": "chat",
            "status": "ok",
            "response_id": f"msg_{name}",
            "usage_source": "provider",
            **columns,
        },
        {"input": (f"What about {name}?",), "system": (_SYSTEM,), **texts},
    )


CALLS: tuple[Call, ...] = (
    _chat(
        "chat",
        {"text": "Rain over Lisbon.", "usage": {"input": 20063, "output": 3511}},
        {"input_tokens": 20063, "output_tokens": 3511, "finish_reasons": ["stop"]},
        texts={"output": ("Rain over Lisbon.",)},
        temperature=0.25,
    ),
    _chat(
        "tool",
        {
            "tool_calls": [{"name": "get_weather", "arguments": {"location": "Coimbra"}}],
            "usage": {"input": 20071, "output": 3517},
        },
        {"input_tokens": 20071, "output_tokens": 3517, "finish_reasons": ["tool_calls"]},
        texts={"output": ("get_weather", "Coimbra"), "tools": ("get_weather", "A town")},
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather now",
                    "parameters": _WEATHER,
                },
            }
        ],
    ),
    _chat(
        "stream",
        {"text": "Fog in Porto, later sun.", "usage": {"input": 20089, "output": 3527}},
        {
            "input_tokens": 20089,
            "output_tokens": 3527,
            "finish_reasons": ["stop"],
            "streaming": True,
        },
        texts={"output": ("Fog in Porto, later sun.",)},
        stream=True,
        stream_options={"include_usage": True},
    ),
    _chat(
        "details",
        {
            "text": "Wind from Faro.",
            "usage": {
                "input": 20101,
                "output": 3529,
                "cache_read": 19213,
                "reasoning": 1283,
                "audio_input": 617,
                "audio_output": 1087,
            },
        },
        {
            "input_tokens": 20101,
            "output_tokens": 3529,
            "cache_read_tokens": 19213,
            "reasoning_tokens": 1283,
            "audio_input_tokens": 617,
            "audio_output_tokens": 1087,
            "finish_reasons": ["stop"],
        },
        texts={"output": ("Wind from Faro.",)},
    ),
    Call(
        "responses",
        "responses",
        {
            "model": "gpt-4o",
            "instructions": _SYSTEM,
            "input": "What about responses?",
            "user": USER,
            "prompt": {"id": PROMPT_NAME, "version": str(PROMPT_VERSION)},
        },
        {
            "text": "Hail in Braga.",
            "model": _OPENAI["model"],
            "response_id": "resp_responses",
            "usage": {"input": 20107, "output": 3533, "cache_read": 19219, "reasoning": 1289},
        },
        {
            **_OPENAI,
            **_SCOPE,
            "operation": "chat",
            "status": "ok",
            "response_id": "resp_responses",
            "usage_source": "provider",
            "input_tokens": 20107,
            "output_tokens": 3533,
            "cache_read_tokens": 19219,
            "reasoning_tokens": 1289,
        },
        {
            "input": ("What about responses?",),
            "system": (_SYSTEM,),
            "output": ("Hail in Braga.",),
        },
    ),
    _chat(
        "refused",
        {"failure": {"status": 429, "message": "Too many questions."}},
        {
            "status": "error",
            "model": "gpt-4o",
            "response_id": "",
            "usage_source": "none",
            "input_tokens": 0,
            "output_tokens": 0,
        },
    ),
    _claude(
        "claude",
        {
            "text": "Storm in Evora.",
            "usage": {"input": 20113, "output": 3539, "cache_read": 19231, "cache_write": 811},
        },
        {
            "input_tokens": 20113,
            "output_tokens": 3539,
            "cache_read_tokens": 19231,
            "cache_write_tokens": 811,
            "finish_reasons": ["end_turn"],
        },
        texts={"output": ("Storm in Evora.",)},
    ),
    _claude(
        "claude-stream",
        {
            "text": "Calm in Aveiro, warm.",
            "usage": {"input": 20117, "output": 3541, "cache_read": 19237, "cache_write": 821},
        },
        {
            "input_tokens": 20117,
            "output_tokens": 3541,
            "cache_read_tokens": 19237,
            "cache_write_tokens": 821,
            "finish_reasons": ["end_turn"],
        },
        texts={"output": ("Calm in Aveiro, warm.",)},
        stream=True,
    ),
    _claude(
        "claude-tool",
        {
            "tool_calls": [{"name": "get_weather", "arguments": {"location": "Tavira"}}],
            "usage": {"input": 20123, "output": 3547},
        },
        {"input_tokens": 20123, "output_tokens": 3547, "finish_reasons": ["tool_use"]},
        texts={"output": ("get_weather", "Tavira"), "tools": ("get_weather", "A town")},
        tools=[
            {
                "name": "get_weather",
                "description": "The weather now",
                "input_schema": _WEATHER,
            }
        ],
    ),
)


def find_call(text: str) -> Call:
    """The call whose question a request's text holds; LookupError if it is none of them."""
    for call in CALLS:
        if call.question in text:
            return call
    raise LookupError(text)
