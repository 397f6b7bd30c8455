"""Guards around all that OpenAI's client can ask for, not only around chat."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_calls import (
    CALLS,
    CHAT_AUDIO,
    CHAT_AUDIO_STREAM,
    HEARD,
    HEARD_STREAM,
    HEARD_TEXT,
    Called,
)
from openai_line import Word, ask
from provider_features import shows
from wire_server import WireServer

import watchpost
from watchpost.errors import Blocked
from watchpost.screening.policy import Policy

ASKED = [call for call in CALLS if call.asked]


@shows("question redacted")
@pytest.mark.parametrize("call", ASKED, ids=repr)
async def test_what_is_asked_is_redacted_before_it_is_sent(
    call: Called, connect: Any, wire: WireServer, recorder: Any
) -> None:
    assert call.asked is not None
    wire.answer(call.reply)
    with watchpost.span("asked", policy=Policy(redact=[Word(call.asked)])):
        await ask(call, connect())

    (request,) = wire.requests
    sent = request.body if isinstance(request.body, bytes) else json.dumps(request.body).encode()
    assert b"[WORD]" in sent
    assert call.asked.encode() not in sent


@shows("answer redacted")
@pytest.mark.parametrize("call", [HEARD, HEARD_STREAM, CHAT_AUDIO, CHAT_AUDIO_STREAM], ids=repr)
async def test_what_was_heard_is_redacted_before_it_is_shown(
    call: Called, connect: Any, wire: WireServer, recorder: Any
) -> None:
    assert call.said is not None
    wire.answer(call.reply)
    with watchpost.span("asked", policy=Policy(redact=[Word(call.said)])):
        shown = str(await ask(call, connect()))

    assert "[WORD]" in shown
    assert call.said not in shown
    # The sound would say what the words no longer do.
    assert "UFBQ" not in shown


async def test_a_plain_text_that_would_be_redacted_is_withheld(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(HEARD_TEXT.reply)
    policy = Policy(redact=[Word("good")], directions={"good": "output"})
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked):
        await ask(HEARD_TEXT, connect())
    (verdict,) = [event for event in recorder.generations[0].events if "guard" in event.name]
    assert verdict.attributes["watchpost.guard.name"] == "good"
