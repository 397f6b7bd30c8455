"""The guard `context_window`: a request that does not fit its model's window.

Windows come from the SDK's price data or from a setting, tokens from the SDK's tokenizer, as for
`length`. Of a model whose window nobody knows it says that it cannot tell. What a request holds
beside its texts (tools' descriptions, images) it does not see.
"""

import time
from collections.abc import Mapping

from watchpost.errors import ConfigError
from watchpost.screening.guard import Direction, Guard, Question, Verdict, abstain, decide
from watchpost_guards.length import MOST, find_window, measure_tokens, surely_fits
from watchpost_guards.settings import check_name, check_whole, name_setting

REVISION = "1"
KIND = "context_window"


def create(
    *, window: int | Mapping[str, int] | None = None, reserve: int = 0, name: str = KIND
) -> Guard:
    """The guard for a policy's file; its settings are those of `ContextWindow`."""
    return ContextWindow(window=window, reserve=reserve, name=name)


class ContextWindow:
    """Trips when a request's tokens, and `reserve` for the answer, are more than the window.

    `window` is the size in tokens for every model, or sizes by model for those that are named;
    the others' are the known ones. The probability is 1.0 or 0.0.
    """

    whole = True
    directions: tuple[Direction, ...] = ("input",)
    revision = REVISION

    def __init__(
        self,
        *,
        window: int | Mapping[str, int] | None = None,
        reserve: int = 0,
        name: str = KIND,
    ) -> None:
        self.name = check_name(KIND, name)
        self._sizes: dict[str, int] = {}
        self._size: int | None = None
        if isinstance(window, Mapping):
            for model, size in window.items():
                self._sizes[str(model)] = check_whole(KIND, "window", size, 1, MOST)
        elif window is not None:
            self._size = check_whole(KIND, "window", window, 1, MOST)
        self._reserve = check_whole(KIND, "reserve", reserve, 0, MOST)
        fixed = [self._size] if self._size is not None else list(self._sizes.values())
        if fixed and self._reserve >= min(fixed):
            cure = f"leave room for a request: the window is {min(fixed):,}"
            raise ConfigError(name_setting(KIND, "reserve"), reserve, cure)

    def check(self, question: Question) -> Verdict:
        """Compare the request's tokens with the window."""
        began = time.perf_counter()
        window = self._size or self._sizes.get(question.model or "") or find_window(question.model)
        if window is None:
            return abstain(
                self.name,
                "the window of this model is not known: set `window`",
                threshold=1.0,
                revision=self.revision,
                duration_ms=(time.perf_counter() - began) * 1000,
            )
        room = window - self._reserve
        reason = ""
        if not surely_fits(question.text, room):
            tokens, how = measure_tokens(question.text, question.model or "")
            if tokens > room:
                kept = f", {self._reserve:,} kept for the answer" if self._reserve else ""
                reason = f"{tokens:,} tokens ({how}), the window is {window:,}{kept}"
        return decide(
            self, "CONTEXT_OVERFLOW" if reason else "", reason, (time.perf_counter() - began) * 1000
        )
