"""What the stand-in models say: replies, routes and summaries, each as long as its prompt asks.

`StandInModels.respond` is a provider's mind: request in, answer out, drawn from a seed. The third
version of the reply prompt makes it wordy and timid, on purpose. Tokens are counted from the
texts, so that prompts that grow cost more. It knows no wire format and no clock.
"""

from __future__ import annotations

import json
import random
import threading
from dataclasses import dataclass, replace

from watchpost.testing.exchange import (
    Answer,
    Failure,
    ProviderRequest,
    ToolCall,
    Usage,
)
from watchpost_collector.demo.assistant import (
    EXPERT,
    PROMPTS,
    ROUTER,
    ROUTING,
    SUMMARISER,
    SUMMARY,
    WRITER,
)

_FIRST = (
    "We are on it: your request is with the team that can settle it, and you hear from us next."
)
_SENTENCES = (
    "A parcel that has not moved for four working days counts as lost, so a new one leaves today.",
    "The money is back on your card five working days after the return has reached us.",
    "I have sent the reset mail again; please look into the spam folder too.",
    "Firmware 4.2 cures the flicker; the app offers it under Settings, Lamp, Update.",
    "A corrected invoice will be in your account by the end of the month.",
    "The desk carries 120 kg, so two large screens are fine.",
    "Twice charged is refunded the same day, without any paperwork on your side.",
)
_LECTURE = (
    "The house rule reads as follows, and I quote it in full so that you can see what applies.",
    "Alternatively a return could be considered, which is free within thirty days of delivery.",
    "Please note that no date can be promised, since dates depend on the courier's own planning.",
    "For completeness, accounts can only be moved once the old address has confirmed the change.",
    "I have weighed both alternatives and list their advantages and disadvantages below.",
)
_REFUSALS = (
    "I'm sorry, but I cannot decide this under the house rules. Please contact a person.",
    "I can't help with that request, since the rules do not clearly allow it.",
)


@dataclass(frozen=True, slots=True)
class Temper:
    """How a model behaves: seconds to the first byte, tokens a second, share of failures."""

    first_s: float
    tokens_per_s: float
    failing: float


TEMPERS = {
    ROUTER: Temper(0.28, 160, 0.006),
    SUMMARISER: Temper(0.45, 140, 0.008),
    WRITER: Temper(0.35, 110, 0.010),
    EXPERT: Temper(0.60, 75, 0.014),
}
_USUAL = Temper(0.4, 100, 0.01)
_REFUSING = {"v1": 0.035, "v2": 0.025, "v3": 0.13}
_WORDS = {"v1": 2, "v2": 3, "v3": 3}
_LECTURES = {"v1": 0, "v2": 0, "v3": 4}
_SHARE_TOOL = 0.7
_SHARE_UNSOLVED = 0.15
_VARIANTS = 3


class StandInModels:
    """Four models with one memory of chance; thread-safe.

    `overloaded` names models that answer 529 or 429 more often than not, until it is emptied.
    `asked` counts requests. Streams come word by word, or in so many `pieces`.
    """

    def __init__(self, seed: int = 11, *, pieces: int | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - invented traffic, no secret
        self._lock = threading.Lock()
        self.overloaded: frozenset[str] = frozenset()
        self.asked = 0
        self._pieces = pieces

    def respond(self, request: ProviderRequest) -> Answer:
        """The answer to a request, with its delays in seconds."""
        with self._lock:
            self.asked += 1
            temper = TEMPERS.get(request.model, _USUAL)
            first_s = temper.first_s * self._chance.lognormvariate(0, 0.35)
            failing = 0.55 if request.model in self.overloaded else temper.failing
            if self._chance.random() < failing:
                return Answer(failure=self._fail(request), delay_s=first_s / 2)
            answer = self._say(request)
        if self._pieces and request.streaming:
            answer = replace(answer, pieces=_cut(answer.text_of(0), self._pieces))
        usage = answer.usage_for(request)
        pieces = max(1, len(answer.pieces_of(0)))
        writing_s = usage.output / temper.tokens_per_s
        if request.streaming:
            return replace(answer, usage=usage, delay_s=first_s, piece_delay_s=writing_s / pieces)
        return replace(answer, usage=usage, delay_s=first_s + writing_s)

    def _fail(self, request: ProviderRequest) -> Failure:
        if request.model in self.overloaded or self._chance.random() < 0.6:
            busy = 529 if request.dialect == "messages" else 429
            return Failure(busy, "Too many requests at once.", retry_after_s=0.2)
        return Failure(500, "The server had an error.")

    def _say(self, request: ProviderRequest) -> Answer:
        text = request.text
        if ROUTING in text:
            solvable = self._chance.random() > _SHARE_UNSOLVED
            return Answer(text=json.dumps({"topic": "support", "solvable": solvable}))
        if SUMMARY in text:
            return Answer(text="The customer wrote several times. The last message tells it best.")
        if request.body.get("tools") and self._chance.random() < _SHARE_TOOL:
            return Answer(tool_calls=[ToolCall("look_up_order", {"order": "A-10001"})])
        return self._reply(request, _version_of(text))

    def _reply(self, request: ProviderRequest, version: str) -> Answer:
        if self._chance.random() < _REFUSING[version]:
            return Answer(text=self._chance.choice(_REFUSALS))
        # Few variants, so that what was checked once need not be checked again.
        drawn = random.Random(f"{version}{self._chance.randrange(_VARIANTS)}")  # noqa: S311
        body = drawn.sample(_SENTENCES, _WORDS[version]) + drawn.sample(
            _LECTURE, _LECTURES[version]
        )
        text = " ".join((_FIRST, *body))
        if request.dialect == "messages":
            asked = request.text
            cached = len(PROMPTS[version]) // 4
            usage = Usage(len(asked) // 4, len(text) // 4, cache_read=cached)
            return Answer(text=text, usage=usage)
        return Answer(text=text)


def _cut(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _version_of(text: str) -> str:
    # By its opening: the guards may have masked something further on.
    return next((name for name, prompt in PROMPTS.items() if prompt.split("\n")[0] in text), "v1")
