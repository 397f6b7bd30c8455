"""`Prompt`: filling it in, and what the calls around then say of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import watchpost
from watchpost.errors import ConfigError, PromptError
from watchpost.prompts.prompt import Prompt
from watchpost.template import hash_template

TEXT = "Answer {{question}} for {{customer}}."
ANSWER = Prompt("answer", TEXT, "7")
SAID = {
    "gen_ai.prompt.name": "answer",
    "gen_ai.prompt.version": "7",
    "watchpost.prompt.template_hash": hash_template(TEXT),
    "watchpost.prompt.variable.question.size": 4,
    "watchpost.prompt.variable.customer.size": 3,
}


def prompt_of(attributes: Any) -> dict[str, Any]:
    """What a span says of its prompt."""
    return {k: v for k, v in attributes.items() if "prompt." in k}


def test_a_text_and_messages_are_rendered() -> None:
    chat = Prompt("chat", [{"role": "user", "content": TEXT}])
    assert ANSWER.render(question="why?", customer=42) == "Answer why? for 42."
    assert chat.render(question="why?", customer="Bob") == [
        {"role": "user", "content": "Answer why? for Bob."}
    ]
    assert chat.variables == ("question", "customer")


def test_without_a_version_it_is_the_templates_hash() -> None:
    assert Prompt("answer", TEXT).version == hash_template(TEXT) == ANSWER.template_hash
    assert Prompt("answer", TEXT + " ").version != Prompt("answer", TEXT).version
    assert ANSWER.version == "7"


def test_a_prompt_is_a_value_that_its_makers_list_does_not_change() -> None:
    messages = [{"role": "user", "content": "{{x}}"}]
    prompt = Prompt("chat", messages)
    messages[0]["content"] = "changed"
    assert prompt.render(x=1) == [{"role": "user", "content": "1"}]
    assert {prompt: 1}[Prompt("chat", [{"role": "user", "content": "{{x}}"}])] == 1


def test_a_variable_may_have_any_pythons_name() -> None:
    assert Prompt("p", "{{self}} {{name}}").render(self=1, name=2) == "1 2"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no value for question, customer"),
        ({"question": "q", "customer": None}, "no value for customer"),
        ({"question": "q", "customer": "c", "plan": "p"}, "no variable plan in it"),
        ({"question": "q", "custmer": "c"}, "no value for customer and no variable custmer in it"),
    ],
)
def test_missing_and_unknown_variables_are_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(PromptError) as caught:
        ANSWER.render(**given)
    assert str(caught.value) == f"prompt 'answer': {told} (its variables: question, customer)"


def test_what_is_no_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="give the prompt a name"):
        Prompt(" ", "text")
    with pytest.raises(ConfigError, match="template"):
        Prompt("answer", 7)  # type: ignore[arg-type]


async def test_calls_after_it_say_which_prompt_and_how_long_its_variables_were(
    caller: Any, recorder: Any
) -> None:
    with watchpost.span("work"):
        await caller.ask(ANSWER.render(question="why?", customer="Bob"))

    assert prompt_of(recorder.generation) == SAID
    assert prompt_of(recorder.named("work").attributes) == SAID
    assert "Bob" not in str(recorder.generation["watchpost.prompt.variable.customer.size"])


@pytest.mark.parametrize("way", ["observe", "span", "set"])
async def test_a_prompt_may_stand_where_a_name_does(
    way: str, make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    said = {key: value for key, value in SAID.items() if "variable" not in key}

    @watchpost.observe(prompt=ANSWER)
    async def observed() -> None:
        await caller.ask("hi")

    if way == "observe":
        await observed()
    elif way == "span":
        with watchpost.span("work", prompt=ANSWER):
            await caller.ask("hi")
    else:
        with watchpost.span("work", prompt="other", version="1") as here:
            here.set(prompt=ANSWER)
            await caller.ask("hi")
    assert prompt_of(recorder.generation) == said


async def test_another_prompt_takes_nothing_of_the_one_before(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    with watchpost.span("work") as here:
        ANSWER.render(question="why?", customer="Bob")
        here.set(prompt="other")
        await caller.ask("hi")
        await caller.ask(Prompt("third", "{{x}}", "2").render(x="ab"))

    first, second = recorder.generations
    assert prompt_of(first.attributes) == {"gen_ai.prompt.name": "other"}
    assert prompt_of(second.attributes) == {
        "gen_ai.prompt.name": "third",
        "gen_ai.prompt.version": "2",
        "watchpost.prompt.template_hash": hash_template("{{x}}"),
        "watchpost.prompt.variable.x.size": 2,
    }


async def test_scopes_inside_inherit_it_and_those_around_do_not(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    with watchpost.span("around"):
        with watchpost.span("work"):
            text = ANSWER.render(question="why?", customer="Bob")
            with watchpost.span("inside"):
                await caller.ask(text)
        await caller.ask("hi")

    inside, after = recorder.generations
    assert prompt_of(inside.attributes) == SAID
    assert prompt_of(after.attributes) == {}


async def test_tasks_that_share_a_scope_are_each_at_their_own_prompt(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async")
    turn = asyncio.Barrier(2)

    async def ask(prompt: Prompt, value: str) -> None:
        text = prompt.render(x=value)
        await turn.wait()
        await caller.ask(text)

    with watchpost.span("work"):
        await asyncio.gather(
            ask(Prompt("one", "{{x}}", "1"), "a"), ask(Prompt("two", "<{{x}}>", "2"), "bcd")
        )

    said = {
        (a["gen_ai.prompt.name"], a["gen_ai.prompt.version"], a["watchpost.prompt.variable.x.size"])
        for a in (span.attributes for span in recorder.generations)
    }
    assert said == {("one", "1", 1), ("two", "2", 3)}


async def test_a_call_keeps_the_prompt_it_was_made_with(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "async stream")
    with watchpost.span("work"):
        stream = await caller.start(ANSWER.render(question="why?", customer="Bob"))
        Prompt("later", "{{x}}").render(x=1)
        async for _ in stream:
            pass

    assert prompt_of(recorder.generation) == SAID


def test_a_thread_that_is_carried_along_knows_the_prompt(
    provider: Any, make_raw: Any, recorder: Any
) -> None:
    client = watchpost.patch(make_raw("chat"))
    with watchpost.span("work"), ThreadPoolExecutor(1) as pool:
        text = ANSWER.render(question="why?", customer="Bob")
        ask = client.chat.completions.create
        pool.submit(
            watchpost.current().carry(ask),
            model="gpt-4o",
            messages=[{"role": "user", "content": text}],
        ).result()

    assert prompt_of(recorder.generation) == SAID


def test_a_response_that_is_recorded_says_it_too(recorder: Any, make_raw: Any) -> None:
    client = make_raw("chat")

    @watchpost.observe
    def answer(question: str) -> Any:
        asked = [{"role": "user", "content": ANSWER.render(question=question, customer="Bob")}]
        return client.chat.completions.create(model="gpt-4o", messages=asked)

    answer("why?")
    assert prompt_of(recorder.generation) == SAID


def test_outside_of_everything_it_is_rendered_all_the_same(recorder: Any) -> None:
    assert ANSWER.render(question="why?", customer="Bob") == "Answer why? for Bob."
    with watchpost.span("later"):
        pass
    assert prompt_of(recorder.named("later").attributes) == {}


def test_of_very_many_variables_the_first_are_measured(recorder: Any) -> None:
    names = [f"v{number}" for number in range(100)]
    prompt = Prompt("many", " ".join("{{" + name + "}}" for name in names))
    with watchpost.span("work"):
        prompt.render(**dict.fromkeys(names, "x"))
    measured = [k for k in recorder.named("work").attributes if k.endswith(".size")]
    assert len(measured) == 32
