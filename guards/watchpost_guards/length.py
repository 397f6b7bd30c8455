"""The guard `length`: a request too long for its model's context window, or for a limit given.

It judges the texts of a request together. The window comes from the SDK's price data where the
model is known; tokens are counted by the SDK's tokenizer when a vocabulary is at hand and
otherwise estimated from characters, which the verdict says. It does not know what a text means.
"""

import time

from watchpost.pricing.cost import find_rates
from watchpost.pricing.tokens import count_tokens
from watchpost.screening.guard import Guard, Question, Verdict, decide
from watchpost_guards.settings import check_whole

REVISION = "1"
MOST = 1_000_000_000
CHARACTERS_PER_TOKEN = 4.0
# Tokenizers take quadratic time over one endless word; pieces this short keep it linear.
_PIECE = 8192


def create(*, max_chars: int | None = None, max_tokens: int | None = None) -> Guard:
    """The guard for a policy's file; without settings the model's own window is its only limit."""
    return LengthGuard(max_chars=max_chars, max_tokens=max_tokens)


class LengthGuard:
    """Trips when a request is longer than `max_chars`, `max_tokens` or the model's window."""

    name = "length"
    whole = True
    revision = REVISION

    def __init__(self, *, max_chars: int | None = None, max_tokens: int | None = None) -> None:
        for key, limit in (("max_chars", max_chars), ("max_tokens", max_tokens)):
            if limit is not None:
                check_whole(self.name, key, limit, 1, MOST)
        self._max_chars = max_chars
        self._max_tokens = max_tokens

    def check(self, question: Question) -> Verdict:
        """Compare a text's length with every limit there is. No limit known: never tripped."""
        began = time.perf_counter()
        label, reason = self._find_overflow(question)
        return decide(self, label, reason, (time.perf_counter() - began) * 1000)

    def _find_overflow(self, question: Question) -> tuple[str, str]:
        length = len(question.text)
        if self._max_chars is not None and length > self._max_chars:
            return "TOO_LONG", f"{length} characters, the limit is {self._max_chars}"
        window = find_window(question.model) if question.direction == "input" else None
        limits = [limit for limit in (self._max_tokens, window) if limit is not None]
        if not limits or surely_fits(question.text, min(limits)):
            return "", ""
        tokens, how = measure_tokens(question.text, question.model or "")
        if self._max_tokens is not None and tokens > self._max_tokens:
            return "TOO_LONG", f"{tokens} tokens ({how}), the limit is {self._max_tokens}"
        if window is not None and tokens > window:
            return "CONTEXT_OVERFLOW", f"{tokens} tokens ({how}), the window is {window}"
        return "", ""


def find_window(model: str | None) -> int | None:
    """The model's context window in tokens; None for a model nobody knows."""
    rates = find_rates("", model, time_ns=time.time_ns()) if model else None
    return rates.context_window if rates else None


def surely_fits(text: str, tokens: int) -> bool:
    """Whether no counting is needed: a token is a byte at least, a character four at most."""
    if 4 * len(text) <= tokens:
        return True
    return len(text) <= tokens and len(text.encode("utf-8", "surrogatepass")) <= tokens


def measure_tokens(text: str, model: str) -> tuple[int, str]:
    """How many tokens a text has, and whether they were counted or estimated."""
    total = 0
    for start in range(0, len(text), _PIECE):
        tokens = count_tokens(text[start : start + _PIECE], model)
        if tokens is None:
            return round(len(text) / CHARACTERS_PER_TOKEN), "estimated"
        total += tokens
    return total, "counted"
