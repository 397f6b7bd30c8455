"""Guards that are a language model of their own, behind any OpenAI-compatible endpoint.

The endpoint's own chat template turns the messages into the prompt the model was trained on; what
it answers is read strictly. An answer that is anything else than the model's documented form is no
verdict: it raises, and whoever asked has a failed one. It does not know who serves the model.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watchpost.errors import ConfigError
from watchpost.screening.guard import Question, Verdict, abstain
from watchpost_guards.service.catalogue import Entry, Style
from watchpost_guards.wire import Line

HAZARDS: Mapping[str, str] = {
    "S1": "violent_crimes",
    "S2": "non_violent_crimes",
    "S3": "sex_crimes",
    "S4": "child_exploitation",
    "S5": "defamation",
    "S6": "specialized_advice",
    "S7": "privacy",
    "S8": "intellectual_property",
    "S9": "indiscriminate_weapons",
    "S10": "hate",
    "S11": "self_harm",
    "S12": "sexual_content",
    "S13": "elections",
    "S14": "code_interpreter_abuse",
}
"""Llama Guard's categories, in our words."""
GROUNDEDNESS = "groundedness"
"""Granite Guardian's criterion that needs documents."""
WIDTH, OVERLAP = 24_000, 1_000
"""Characters of a text that are asked about at once; neighbours share some, nothing is left out."""
_MOST_TOKENS = 128
_LLAMA = re.compile(r"\s*(?:(safe)|unsafe(?:\s*\n\s*(S\d{1,2}(?:\s*,\s*S\d{1,2})*))?)\s*")
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_GRANITE = re.compile(
    r"\s*(?:<score>\s*(yes|no)\s*</score>"
    r"|(yes|no)(?:\s*<confidence>\s*(?:high|low)\s*</confidence>)?)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a guard model said: whether there is something, and its name."""

    is_harmful: bool
    label: str = ""


def read_llama_guard(answer: str) -> Said:
    """`safe`, or `unsafe` and on the next line the categories. Raises ValueError otherwise."""
    found = _LLAMA.fullmatch(answer)
    if found is None:
        raise ValueError("not an answer of Llama Guard")
    if found[1]:
        return Said(is_harmful=False)
    codes = [code.strip() for code in (found[2] or "").split(",") if code.strip()]
    if any(code not in HAZARDS for code in codes):
        raise ValueError("a category that Llama Guard does not have")
    return Said(is_harmful=True, label=HAZARDS[codes[0]] if codes else "unsafe")


def read_granite_guardian(answer: str) -> Said:
    """`<score> yes </score>`, or `Yes` and maybe a confidence. Raises ValueError otherwise."""
    found = _GRANITE.fullmatch(_THOUGHT.sub("", answer, count=1))
    if found is None:
        raise ValueError("not an answer of Granite Guardian")
    return Said(is_harmful=(found[1] or found[2]).lower() == "yes")


class GenerativeGuard:
    """A guard model behind an endpoint, under the entry's own deadline."""

    remote = True

    def __init__(self, entry: Entry) -> None:
        where = f"--catalogue {entry.name}"
        if not entry.url:
            cure = "write the `url` of the endpoint, up to its /v1, in a --catalogue of your own"
            raise ConfigError(where, entry.model, cure)
        key = os.environ.get(entry.key_variable) if entry.key_variable else None
        if entry.key_variable and not key:
            raise ConfigError(f"{where} key_variable", entry.key_variable, "set that variable")
        self.name = entry.name
        self.revision = f"{entry.model}@{entry.revision}" if entry.revision else entry.model
        self._entry = entry
        self._line = Line(where, entry.url, key, entry.timeout_s)
        self._read: Callable[[str], Said] = (
            read_llama_guard if entry.style == "llama_guard" else read_granite_guardian
        )

    def check(self, question: Question) -> Verdict:
        """Ask about every part of a text until one is harmful.

        Raises OSError, HTTPException or ValueError where there is no answer, or none that is one.
        """
        began_s = time.perf_counter()
        if self._entry.criterion == GROUNDEDNESS and not question.context:
            return abstain(
                self.name,
                "no documents to check it against",
                threshold=self._entry.threshold,
                revision=self.revision,
                duration_ms=0.0,
            )
        said = Said(is_harmful=False)
        for part in _cut(question.text):
            said = self._ask(part, question)
            if said.is_harmful:
                break
        return Verdict(
            guard=self.name,
            label=(said.label or self._entry.criterion) if said.is_harmful else "",
            probability=float(said.is_harmful),
            threshold=self._entry.threshold,
            tripped=said.is_harmful,
            duration_ms=(time.perf_counter() - began_s) * 1000,
            revision=self.revision,
        )

    def close(self) -> None:
        """Close what is kept open."""
        self._line.close()

    def _ask(self, text: str, question: Question) -> Said:
        asked: dict[str, object] = {
            "model": self._entry.model,
            "messages": _write_messages(text, question, self._entry.style),
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
        }
        if self._entry.style == "granite_guardian":
            asked |= _write_criterion(self._entry.criterion, question)
        answer = self._line.post("/chat/completions", asked)
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        return self._read(_find_content(answer.content))


def _write_messages(text: str, question: Question, style: Style) -> list[dict[str, str]]:
    """The last message is the one that is judged."""
    asked = [{"role": "user", "content": question.prompt}] if question.prompt else []
    # Llama Guard's template wants a user's turn first: an answer to nothing is judged as one.
    if question.direction != "output" or not (asked or style == "granite_guardian"):
        return [{"role": "user", "content": text}]
    return [*asked, {"role": "assistant", "content": text}]


def _write_criterion(criterion: str, question: Question) -> dict[str, object]:
    """What Granite Guardian's template is told: its versions name the criterion differently."""
    config = {"criteria_id": criterion, "risk_name": criterion}
    told: dict[str, object] = {"guardian_config": config, "think": False}
    if question.context:
        told["documents"] = [
            {"doc_id": str(number), "text": text} for number, text in enumerate(question.context)
        ]
    return {"chat_template_kwargs": told}


def _find_content(answer: Any) -> str:
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("not a chat completion") from error
    if not isinstance(content, str):
        raise ValueError("a chat completion without content")
    return content


def _cut(text: str) -> Iterator[str]:
    """Parts of at most `WIDTH` characters, the whole of a text that is short enough."""
    start = 0
    while True:
        yield text[start : start + WIDTH]
        if start + WIDTH >= len(text):
            return
        start += WIDTH - OVERLAP
