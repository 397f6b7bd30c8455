"""A call says the prompt of the texts it sends, wherever it is made; real clients send them."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

import watchpost
from watchpost.prompts.filled import FilledText, prefer_filled
from watchpost.prompts.prompt import Prompt
from watchpost.record import Origin

ANSWER = Prompt("answer", "Answer {{question}}.", "7")
CHAT = Prompt("chat", [{"role": "user", "content": "Answer {{question}}."}], "3")
STYLE = Prompt("style", "Be {{tone}}.", "2")
PARTS = Prompt("parts", [{"role": "user", "content": [{"type": "text", "text": "{{x}}"}]}], "5")


def prompts_of(recorder: Any) -> list[tuple[str, str]]:
    """Name and version of the prompt of each call."""
    found = (span.attributes for span in recorder.generations)
    return [(a.get("gen_ai.prompt.name"), a.get("gen_ai.prompt.version")) for a in found]


async def test_outside_of_every_scope_a_call_says_the_prompt_of_its_text(
    caller: Any, recorder: Any
) -> None:
    await caller.ask(ANSWER.render(question="why?"))

    assert recorder.generation["gen_ai.prompt.name"] == "answer"
    assert recorder.generation["gen_ai.prompt.version"] == "7"
    assert recorder.generation["watchpost.prompt.template_hash"] == ANSWER.template_hash
    assert recorder.generation["watchpost.prompt.variable.question.size"] == 4
    assert recorder.messages("input")[0]["parts"] == [{"type": "text", "content": "Answer why?."}]


@pytest.mark.parametrize("protocol", ["chat", "messages"])
async def test_messages_and_parts_of_them_say_it_too(
    protocol: str, make_caller: Any, recorder: Any
) -> None:
    caller = make_caller(protocol, "async")
    create = (
        caller.client.messages.create
        if protocol == "messages"
        else caller.client.chat.completions.create
    )
    options = {"model": caller.model, "max_tokens": 50}
    await create(messages=CHAT.render(question="why?"), **options)
    await create(messages=[*CHAT.render(question="why?")], **options)
    text = {"type": "text", "text": ANSWER.render(question="why?")}
    await create(messages=[{"role": "user", "content": [text]}], **options)
    await create(messages=PARTS.render(x="why?"), **options)

    assert prompts_of(recorder) == [("chat", "3"), ("chat", "3"), ("answer", "7"), ("parts", "5")]


async def test_the_system_prompt_of_a_call_is_one_of_its_texts(
    make_caller: Any, recorder: Any
) -> None:
    claude, gpt = make_caller("messages", "async"), make_caller("responses", "async")
    await claude.ask("hi", system=STYLE.render(tone="kind"))
    await claude.ask("hi", system=[{"type": "text", "text": STYLE.render(tone="kind")}])
    await gpt.ask("hi", instructions=STYLE.render(tone="kind"))

    assert prompts_of(recorder) == [("style", "2")] * 3


async def test_a_call_that_does_not_send_the_text_says_nothing_of_it(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    text = ANSWER.render(question="why?")
    await caller.ask("Answer why?.")
    await caller.ask(f"{text} Now.")
    await caller.ask(str(text))

    assert prompts_of(recorder) == [(None, None)] * 3


async def test_calls_of_one_scope_are_each_of_the_prompt_they_send(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    with watchpost.span("work"):
        first, second = ANSWER.render(question="why?"), STYLE.render(tone="kind")
        await caller.ask(first)
        await caller.ask(second)
        await caller.ask("and of neither, it is the one filled in last")

    assert prompts_of(recorder) == [("answer", "7"), ("style", "2"), ("style", "2")]


async def test_of_several_prompts_in_a_call_the_one_filled_in_last_counts(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("messages", "async")
    system = STYLE.render(tone="kind")
    await caller.ask(ANSWER.render(question="why?"), system=system)
    text = ANSWER.render(question="why?")
    await caller.ask(text, system=STYLE.render(tone="kind"))

    assert prompts_of(recorder) == [("answer", "7"), ("style", "2")]


@pytest.mark.parametrize("way", ["observe", "span", "set"])
async def test_a_prompt_named_after_filling_in_stands(
    way: str, make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    text = ANSWER.render(question="why?")

    @watchpost.observe(prompt="other", version="1")
    async def observed() -> None:
        await caller.ask(text)

    if way == "observe":
        await observed()
    elif way == "span":
        with watchpost.span("work", prompt="other", version="1"):
            await caller.ask(text)
    else:
        with watchpost.span("work") as here:
            here.set(prompt="other", version="1")
            await caller.ask(text)
            await caller.ask(STYLE.render(tone="kind"))
            assert prompts_of(recorder)[1] == ("style", "2")
    assert prompts_of(recorder)[0] == ("other", "1")


async def test_a_prompt_named_before_filling_in_gives_way_and_the_rest_stays(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    with watchpost.span("work", prompt="other", version="1", session="s-1", segments={"plan": "p"}):
        await caller.ask(ANSWER.render(question="why?"))

    assert prompts_of(recorder) == [("answer", "7")]
    assert recorder.generation["session.id"] == "s-1"
    assert recorder.generation["watchpost.segment.plan"] == "p"


def test_it_is_a_text_like_any_other() -> None:
    text = ANSWER.render(question="why?")

    assert isinstance(text, FilledText)
    assert text == "Answer why?."
    assert hash(text) == hash("Answer why?.")
    assert repr(text) == "'Answer why?.'"
    assert json.dumps([text]) == '["Answer why?."]'
    made = (str(text), text + "", text[:3], pickle.loads(pickle.dumps(text)))
    assert {type(one) for one in made} == {str}
    assert copy.deepcopy({"content": text})["content"] is text
    assert copy.copy(text) is text
    assert type(CHAT.render(question="why?")[0]["role"]) is str


def test_a_text_is_found_in_the_objects_of_clients_and_nothing_is_used_up() -> None:
    text = ANSWER.render(question="why?")
    part = SimpleNamespace(text=text, inline_data=None)
    once = iter([text])

    def find(contents: Any) -> str:
        return prefer_filled(Origin(), {"contents": contents}, ("contents",)).prompt

    assert find(text) == find([SimpleNamespace(role="user", parts=[part])]) == "answer"
    assert find(SimpleNamespace(content=(text,))) == "answer"
    assert find(once) == ""
    assert next(once) is text
