"""The errors watchpost raises, one class per question a caller asks.

    WatchpostError
    |-- ConfigError        a setting is wrong: names the setting, the value and the cure
    |-- MissingExtra       a feature needs a package: names the `pip install` that cures it
    |-- Blocked            a guard said no: the one users handle on purpose
    |-- GuardUnavailable   a guard could not answer and the policy says "closed"
    |-- PromptError        a prompt cannot be had or filled in as asked
    `-- CollectorError     the collector refused or failed
        |-- BadPayload     it could not read what was sent: sending it again will not help
        `-- Full           it has no room now: sending it again later will

A provider's own exception is never translated: it passes through unchanged. This file knows no
policy, no transport and no provider.
"""

# ruff: noqa: N818 - a reader writes "except Blocked", "except Full": the names are the sentence.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchpost.screening.guard import Verdict

_SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSWORD")
_VALUE_CHARACTERS = 120


class WatchpostError(Exception):
    """The base of every error watchpost raises on purpose."""


class ConfigError(WatchpostError):
    """Raised when a setting cannot be used as given.

    `setting` is the argument or variable, `value` what it held, `cure` what to write instead. A
    value of a setting that is named like a secret is not shown.
    """

    def __init__(self, setting: str, value: object, cure: str) -> None:
        self.setting = setting
        self.value = value
        self.cure = cure
        super().__init__(f"{setting}={_show(setting, value)} cannot be used: {cure}")


class MissingExtra(WatchpostError):
    """Raised when a feature needs an optional part of watchpost that is not installed."""

    def __init__(self, extra: str, feature: str = "") -> None:
        self.extra = extra
        self.feature = feature
        what = feature or f"the '{extra}' part of watchpost"
        super().__init__(f'{what} is not installed: pip install "watchpost[{extra}]"')


class Blocked(WatchpostError):
    """Raised when a guard blocks a call: before it is sent, or its answer.

    `direction` says which text it was: "input", or a "document" or "tool_result" in what was to be
    sent; "output", or a "tool_argument" in the answer.
    `verdicts` are all verdicts of the decision, `verdict` the first one that tripped. `fallback`
    is what answers instead where the policy says so, else None.
    """

    def __init__(
        self, direction: str, verdicts: Sequence[Verdict], fallback: str | None = None
    ) -> None:
        self.direction = direction
        self.fallback = fallback
        self.verdicts = tuple(verdicts)
        self.verdict = next((v for v in self.verdicts if v.tripped), None)
        by = f"guard '{self.verdict.guard}' ({self.verdict.label})" if self.verdict else "a guard"
        super().__init__(f"{direction} blocked by {by}")


class GuardUnavailable(WatchpostError):
    """Raised when a guard failed to answer and its policy is `on_failure="closed"`.

    `fallback` is what answers instead where the policy says so, else None.
    """

    def __init__(self, guard: str, reason: str, fallback: str | None = None) -> None:
        self.guard = guard
        self.reason = reason
        self.fallback = fallback
        super().__init__(
            f"guard '{guard}' could not answer ({reason}) and its policy is closed: "
            f'make it work, or set on_failure={{"{guard}": "open"}}'
        )


class PromptError(WatchpostError):
    """Raised when a prompt cannot be filled in with the variables given, or cannot be had.

    A prompt that was asked for with a fallback can always be had.
    """

    def __init__(self, prompt: str, reason: str, cure: str = "") -> None:
        self.prompt = prompt
        self.reason = reason
        self.cure = cure
        told = f"prompt {prompt!r}: {reason}"
        super().__init__(f"{told}: {cure}" if cure else told)


class CollectorError(WatchpostError):
    """Raised when the collector could not do what it was asked."""

    def __init__(self, reason: str, cure: str = "") -> None:
        self.reason = reason
        self.cure = cure
        super().__init__(f"{reason}: {cure}" if cure else reason)


class BadPayload(CollectorError):
    """Raised when what was sent cannot be read; the same bytes will fail again."""


class Full(CollectorError):
    """Raised when there is no room now; `retry_after_s` says when to come back."""

    def __init__(self, reason: str, retry_after_s: float, cure: str = "") -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason, cure or f"send it again in {retry_after_s:g} s")


def _show(setting: str, value: object) -> str:
    if any(word in setting.upper() for word in _SECRET_WORDS):
        return "***"
    shown = repr(value)
    return shown if len(shown) <= _VALUE_CHARACTERS else shown[:_VALUE_CHARACTERS] + "..."
