"""A guard that asks a guard service: the same question and verdict, over HTTP.

A service that is away, slow, full or talks nonsense gives a failed verdict: a dead guard is not a
safe text. How long it may take goes along with the question, so that the service does no work that
nobody waits for. It does not know how the service judges.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import fields

from watchpost.errors import ConfigError
from watchpost.screening.deadline import remaining_s
from watchpost.screening.guard import Finding, Question, Verdict, fail
from watchpost_guards.wire import Answer, Line

TIMEOUT_S = 5.0
DEADLINE_HEADER = "watchpost-deadline-ms"
"""Milliseconds for which an answer is wanted, from when the request arrives."""
BESIDE = ("context", "prompt", "system")
"""What may be told beside the text, to a guard that asks for it."""
_VERDICT_FIELDS = frozenset(field.name for field in fields(Verdict))
_BUSY = 429


class HostedGuard:
    """One guard of a service at `url`, asked with `key`. `timeout_s` bounds each wait.

    `locates` says that its findings tell where, so that a blocking rule also masks spans. `tells`
    lists what the service gets beside the text: of "context" (retrieved documents), "prompt" and
    "system", what its guard needs; nothing else leaves.
    """

    remote = True

    def __init__(
        self,
        url: str,
        key: str | None,
        guard: str,
        *,
        timeout_s: float = TIMEOUT_S,
        locates: bool = False,
        tells: Sequence[str] = (),
    ) -> None:
        if unknown := [name for name in tells if name not in BESIDE]:
            raise ConfigError("HostedGuard(tells)", unknown, f"name some of {', '.join(BESIDE)}")
        self.name = guard
        self.locates = locates
        self._tells = tuple(tells)
        self._timeout_s = timeout_s
        self._line = Line("HostedGuard(url)", url, key, timeout_s)

    def check(self, question: Question) -> Verdict:
        """Ask the service. Raises OSError, HTTPException or ValueError when it gives no verdict."""
        began_s = time.perf_counter()
        asked: dict[str, object] = {
            "text": question.text,
            "direction": question.direction,
            "guards": [self.name],
        }
        if question.model:
            asked["model"] = question.model
        asked |= {name: told for name in self._tells if (told := getattr(question, name))}
        left_ms = math.floor(remaining_s(self._timeout_s) * 1000)
        answer = self._line.post("/v1/check", asked, {DEADLINE_HEADER: str(left_ms)})
        if answer.status != 200:
            # The status alone: what a service says of an error may quote the text.
            spent_ms = (time.perf_counter() - began_s) * 1000
            label = "busy" if answer.status == _BUSY else "error"
            return fail(self, f"HTTP {answer.status}", spent_ms, label)
        return _read_verdict(answer)

    def close(self) -> None:
        """Close what is kept open; a later check opens anew."""
        self._line.close()


def _read_verdict(answer: Answer) -> Verdict:
    try:
        (given,) = answer.content["verdicts"]
        known = {name: value for name, value in given.items() if name in _VERDICT_FIELDS}
        known["findings"] = tuple(Finding(**finding) for finding in given.get("findings", ()))
        return Verdict(**known)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a verdict") from error
