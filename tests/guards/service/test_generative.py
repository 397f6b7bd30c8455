"""Guard models behind an endpoint: what they are asked, and how strictly they are read."""

import pytest

from watchpost import Verdict
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost.screening.screen import examine
from watchpost.testing import ProviderServer
from watchpost_guards.service.catalogue import Entry, Style
from watchpost_guards.service.generative import (
    OVERLAP,
    WIDTH,
    GenerativeGuard,
    read_granite_guardian,
    read_llama_guard,
)


def make_guard(
    provider: ProviderServer, style: Style = "llama_guard", criterion: str = "harm"
) -> GenerativeGuard:
    url = provider.openai_url
    return GenerativeGuard(
        Entry("far", "generate", "m", url=url, style=style, criterion=criterion, timeout_s=30)
    )


def ask(guard: GenerativeGuard, question: Question) -> Verdict:
    verdict = examine(guard, question)
    guard.close()
    return verdict


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("safe", ""),
        ("\n\nsafe\n", ""),
        ("unsafe\nS1", "violent_crimes"),
        ("\n\nunsafe\nS10, S1", "hate"),
        ("unsafe", "unsafe"),
    ],
)
def test_what_llama_guard_says_is_read(answer: str, label: str) -> None:
    said = read_llama_guard(answer)
    assert (said.is_harmful, said.label) == (bool(label), label)


@pytest.mark.parametrize(
    ("answer", "is_harmful"),
    [
        ("<score> yes </score>", True),
        ("<think>\n</think>\n<score>no</score>", False),
        ("Yes", True),
        ("No\n<confidence> High </confidence>", False),
    ],
)
def test_what_granite_guardian_says_is_read(answer: str, is_harmful: bool) -> None:
    assert read_granite_guardian(answer).is_harmful is is_harmful


@pytest.mark.parametrize(
    "answer",
    [
        *("", "Safe.", "safe unsafe", "unsafe S1", "unsafe\nS99", "unsafe\nS1 and more"),
        *("I cannot help with that.", "<score> maybe </score>", "yes and no"),
        *("<score> no </score> <score> yes </score>", "not safe", "unsafe\nsafe"),
    ],
)
def test_anything_else_is_no_verdict(provider: ProviderServer, answer: str) -> None:
    styles: tuple[Style, ...] = ("llama_guard", "granite_guardian")
    for style in styles:
        provider.answer(answer)
        verdict = ask(make_guard(provider, style), Question("text"))
        assert verdict.failed
        assert not verdict.tripped
        assert "text" not in verdict.reason


def test_a_prompt_is_judged_as_its_users_and_an_answer_after_what_it_answers(
    provider: ProviderServer,
) -> None:
    provider.answer("safe", "unsafe\nS9", "safe")
    guard = make_guard(provider)
    asked = ask(guard, Question("ask"))
    answered = ask(guard, Question("say", "output", prompt="ask"))
    ask(guard, Question("say", "output"))
    messages = [request.body["messages"] for request in provider.requests]
    assert not asked.tripped
    assert (answered.tripped, answered.label) == (True, "indiscriminate_weapons")
    assert answered.probability == 1.0
    assert messages == [
        [{"role": "user", "content": "ask"}],
        [{"role": "user", "content": "ask"}, {"role": "assistant", "content": "say"}],
        [{"role": "user", "content": "say"}],
    ]


def test_granite_guardian_is_told_its_criterion_and_the_documents(
    provider: ProviderServer,
) -> None:
    provider.answer("<score> yes </score>")
    guard = make_guard(provider, "granite_guardian", "groundedness")
    verdict = ask(guard, Question("say", "output", context=("one", "two")))
    without = ask(guard, Question("say", "output"))
    (request,) = provider.requests
    told = request.body["chat_template_kwargs"]
    assert (verdict.tripped, verdict.label) == (True, "groundedness")
    assert told["guardian_config"]["criteria_id"] == "groundedness"
    assert [document["text"] for document in told["documents"]] == ["one", "two"]
    assert without.label == "not_checkable"


def test_a_long_text_is_asked_about_part_by_part_and_none_is_left_out(
    provider: ProviderServer,
) -> None:
    text = "".join(str(number % 10) for number in range(3 * WIDTH))
    provider.answer("safe", "safe", "safe", "unsafe\nS2")
    assert ask(make_guard(provider), Question(text)).tripped
    parts = [request.body["messages"][0]["content"] for request in provider.requests]
    assert parts[0] + "".join(part[OVERLAP:] for part in parts[1:]) == text
    assert all(len(part) <= WIDTH for part in parts)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_endpoint_that_refuses_gives_no_verdict(provider: ProviderServer, status: int) -> None:
    provider.fail(status, "the text was: text")
    verdict = ask(make_guard(provider), Question("text"))
    assert verdict.failed
    assert "text" not in verdict.reason


def test_an_entry_without_its_url_or_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_KEY", raising=False)
    with pytest.raises(ConfigError, match="url"):
        GenerativeGuard(Entry("far", "generate", "m"))
    with pytest.raises(ConfigError, match="key_variable"):
        GenerativeGuard(Entry("far", "generate", "m", url="http://h/v1", key_variable="GUARD_KEY"))
