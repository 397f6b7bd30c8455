"""Calls with a vault: the model sees placeholders, the caller values, the record neither."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from word_guard import WordGuard

import watchpost
from watchpost.masking.vault import Vault
from watchpost.screening.policy import Policy
from watchpost.testing.exchange import Answer, ToolCall

NAME = "Ada Lovelace"
REDACT = Policy(redact=[WordGuard(NAME)], directions={"word": "input"})


async def test_the_model_reads_a_placeholder_and_the_caller_the_value(
    caller: Any, recorder: Any
) -> None:
    vault = Vault()
    # Cut inside the placeholder where it is streamed.
    pieces = ["dear [WO", "RD", "_1], and [WORD_2] "]
    caller.provider.answer(Answer(text="".join(pieces), pieces=pieces))
    with vault.open(), watchpost.span("asked", policy=REDACT):
        said = await caller.ask(f"write to {NAME}")

    assert said == f"dear {NAME}, and [WORD_2] "
    assert "write to [WORD_1]" in str(caller.provider.requests[0].body)
    assert NAME not in str(caller.provider.requests[0].body)
    assert recorder.messages("output")[0]["parts"][0]["content"] == "".join(pieces)
    assert all(NAME not in span.to_json() for span in recorder.spans)


async def test_a_tools_arguments_get_the_values_as_json_has_them(
    caller: Any, recorder: Any
) -> None:
    value = 'Ada "the first"'
    policy = Policy(redact=[WordGuard(value)], directions={"word": "input"})
    caller.provider.answer(
        Answer(tool_calls=[ToolCall("mail", {"to": "[WORD_1]", "cc": "nobody"})])
    )
    with Vault().open(), watchpost.span("asked", policy=policy):
        answer = await caller.start(f"write to {value}")
        shown = await _spell_arguments(caller, answer)

    assert json.loads(shown) == {"to": value, "cc": "nobody"}
    (call,) = [p for p in recorder.messages("output")[0]["parts"] if p["type"] == "tool_call"]
    assert "first" not in str(call)


async def _spell_arguments(caller: Any, answer: Any) -> str:
    """The arguments of the one call in an answer, whole or streamed, as a text."""
    chunks = [answer]
    if caller.streaming:
        chunks = [c async for c in answer] if caller.is_async else list(answer)
    found = []
    for chunk in chunks:
        plain = chunk.model_dump()
        for choice in plain.get("choices") or ():
            calls = (choice.get("delta") or choice.get("message") or {}).get("tool_calls") or ()
            found += [call["function"]["arguments"] or "" for call in calls]
        found += [json.dumps(b["input"]) for b in plain.get("content") or () if "input" in b]
        found += [item["arguments"] for item in plain.get("output") or () if "arguments" in item]
        delta = plain.get("delta")
        if isinstance(delta, dict):
            found.append(delta.get("partial_json") or "")
        elif plain.get("type") == "response.function_call_arguments.delta":
            found.append(delta)
    return "".join(found)


async def test_what_a_function_returns_is_recorded_without_the_values(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    caller.provider.answer(Answer(text="dear [WORD_1]"))

    @watchpost.observe("write", policy=REDACT)
    async def write(name: str) -> str:
        with Vault().open():
            return str(await caller.ask(f"write to {name}"))

    assert await write(NAME) == f"dear {NAME}"
    assert recorder.named("write").attributes["output.value"] == "dear [WORD_1]"
    assert NAME not in recorder.named("write").to_json()


async def test_a_guard_without_reach_and_a_vault_hold_the_stream_and_put_back_all(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("messages", "async stream")
    guard = WordGuard("Bob")
    del guard.reach
    guard.name = "bob"
    policy = Policy(redact=[WordGuard(NAME), guard], directions={"word": "input", "bob": "output"})
    caller.provider.answer(Answer(text="dear [WORD_1] and Bob"))
    with Vault().open(), watchpost.span("asked", policy=policy):
        said = await caller.ask(f"write to {NAME}")

    assert said == f"dear {NAME} and [WORD]"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "dear [WORD_1] and [WORD]"


async def test_without_a_vault_around_the_call_nothing_comes_back(caller: Any) -> None:
    vault = Vault()
    with vault.open():
        pass
    caller.provider.answer(Answer(text="dear [WORD_1]"))
    with watchpost.span("asked", policy=REDACT):
        assert await caller.ask(f"write to {NAME}") == "dear [WORD_1]"
    assert len(vault) == 0


async def test_two_tenants_at_once_each_get_their_own_values(make_caller: Any) -> None:
    caller = make_caller("chat", "async stream")
    answer = Answer(text="dear [WORD_1] and [WORD_2]", piece_delay_s=0.001)
    vaults = {name: Vault() for name in ("Ada of Acme", "Bob of Globex")}

    async def ask(name: str) -> str:
        policy = Policy(redact=[WordGuard(name)], directions={"word": "input"})
        with vaults[name].open(), watchpost.span("asked", policy=policy):
            return str(await caller.ask(f"write to {name}"))

    asked = list(vaults) * 8
    for _ in asked:
        caller.provider.answer(answer)
    said = await asyncio.gather(*map(ask, asked))
    assert said == [f"dear {name} and [WORD_2]" for name in asked]
    assert {len(vault) for vault in vaults.values()} == {1}
