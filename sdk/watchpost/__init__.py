"""watchpost: see every model call your program makes, and decide what may pass.

    import watchpost
    watchpost.configure(service="shop")
    client = watchpost.patch(OpenAI())

    @watchpost.observe(prompt="answer", version="3")
    def answer(question: str) -> str: ...

Importing this starts nothing and imports nothing heavy: each name is fetched when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchpost.checkpoint import ascreen, screen
    from watchpost.continuation import continue_from
    from watchpost.errors import Blocked, WatchpostError
    from watchpost.masking.vault import Vault
    from watchpost.observation import observe, span
    from watchpost.patching import patch
    from watchpost.prompts.cache import aget_prompt, get_prompt
    from watchpost.prompts.prompt import Prompt
    from watchpost.record import Generation
    from watchpost.scope import current
    from watchpost.scores.feedback import feedback_link
    from watchpost.scores.score import score
    from watchpost.screening.guard import Guard, Verdict
    from watchpost.screening.policy import Policy
    from watchpost.screening.policy_file import load_policy
    from watchpost.telemetry import configure, counts, flush, shutdown

__all__ = [
    "Blocked",
    "Generation",
    "Guard",
    "Policy",
    "Prompt",
    "Vault",
    "Verdict",
    "WatchpostError",
    "aget_prompt",
    "ascreen",
    "configure",
    "continue_from",
    "counts",
    "current",
    "feedback_link",
    "flush",
    "get_prompt",
    "load_policy",
    "observe",
    "patch",
    "score",
    "screen",
    "shutdown",
    "span",
]

_HOMES = {
    "Blocked": "errors",
    "Generation": "record",
    "Guard": "screening.guard",
    "Policy": "screening.policy",
    "Prompt": "prompts.prompt",
    "Vault": "masking.vault",
    "Verdict": "screening.guard",
    "WatchpostError": "errors",
    "aget_prompt": "prompts.cache",
    "ascreen": "checkpoint",
    "configure": "telemetry",
    "continue_from": "continuation",
    "counts": "telemetry",
    "current": "scope",
    "feedback_link": "scores.feedback",
    "flush": "telemetry",
    "get_prompt": "prompts.cache",
    "load_policy": "screening.policy_file",
    "observe": "observation",
    "patch": "patching",
    "score": "scores.score",
    "screen": "checkpoint",
    "shutdown": "telemetry",
    "span": "observation",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'watchpost' has no attribute {name!r}")
    value = getattr(import_module(f"watchpost.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
