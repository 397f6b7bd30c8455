"""One alert rule as values, and the kinds there are. It knows no file and no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watchpost_collector.alerts.dimensions import CALLS, CHECKS, Where

SENSITIVITIES = ("low", "normal", "high")
DIRECTIONS = ("up", "down", "both")
LATENCIES = ("p50", "p95", "first_token_p50", "first_token_p95")
PERIODS = ("day", "week", "month")
VERSIONS = ("prompt.version", "model", "release")
MEASURES = (
    "cost", "input_tokens", "output_tokens", "latency", "first_token", "errors", "refusals",
)  # fmt: skip
# These are followed by a name: `guard:pii`, `score:helpful`.
GUARD_MEASURE, SCORE_MEASURE = "guard:", "score:"
REFUSAL_GUARD = "refusal"
INPUT_LENGTH = "input_length"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of rule counts by, what else it can be told, and what it is when not told."""

    columns: Mapping[str, str]
    keys: tuple[str, ...]
    by: tuple[str, ...] = ()
    window_h: int = 1
    min_calls: int = 20


_COUNTED = ("window", "min_calls")
KINDS: Mapping[str, Kind] = {
    "cost_spike": Kind(CALLS, _COUNTED),
    "volume": Kind(CALLS, (*_COUNTED, "direction")),
    "latency": Kind(CALLS, (*_COUNTED, "measure", "above_ms"), min_calls=50),
    "error_rate": Kind(CALLS, (*_COUNTED, "above")),
    "guard_rate": Kind(CHECKS, (*_COUNTED, "above"), by=("guard",)),
    "refusal_rate": Kind(CHECKS, (*_COUNTED, "above")),
    "budget": Kind(CALLS, ("limit", "period"), min_calls=1),
    "regression": Kind(CALLS, ("of", "measures", "min_calls"), min_calls=100),
    "drift": Kind(CALLS, (*_COUNTED, "on"), window_h=24, min_calls=200),
    "absence": Kind(CALLS, _COUNTED, by=("service",), window_h=2),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a person wrote. `hold_s` is its `for`: seconds it must be true before it fires.

    `notify` are names of contacts, `is_routed` whether the rule said so itself. `no_data_s` seconds
    without anything to judge are told of; 0 is never.
    `window_h` are whole hours. `above` is a share, `above_ms` milliseconds, `limit` dollars. What
    another kind's rule would be told stays at its default.
    """

    name: str
    kind: str
    where: Where = ()
    by: tuple[str, ...] = ()
    sensitivity: str = "normal"
    notify: tuple[str, ...] = ()
    is_routed: bool = False
    no_data_s: int = 0
    hold_s: int = 0
    window_h: int = 1
    min_calls: int = 20
    above: float | None = None
    above_ms: float | None = None
    measure: str = "p95"
    direction: str = "both"
    limit: float = 0.0
    period: str = "month"
    of: str = "prompt.version"
    measures: tuple[str, ...] = ()
    on: str = INPUT_LENGTH
    line: int = 0

    @property
    def columns(self) -> Mapping[str, str]:
        """What this rule can narrow to and split by."""
        return KINDS[self.kind].columns
