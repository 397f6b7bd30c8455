"""Every policy this process was given, by `configure`, by `@observe` or by `span`.

What a guard hides in one call can turn up in any span: in an error, in a URL another
instrumentation records. So a policy is declared here before the first call under it, and the
exporter masks everything that leaves with the rules of all of them, for as long as the process
lives. This file runs no guard and knows no span.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchpost.errors import ConfigError
from watchpost.runtime import SHIELD

if TYPE_CHECKING:
    from watchpost.screening.policy import Policy, Rule

REMEMBERED_RULES = 64
"""More guards than any program lists; one that makes them anew in each call keeps its latest."""

_Key = tuple[int, str, float | None]


class Declared:
    """Rules by guard, action and threshold, the longest unused first. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: OrderedDict[_Key, Rule] = OrderedDict()
        self._masking: tuple[Rule, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that withhold something; the same tuple as long as there is nothing new."""
        return self._masking

    def add(self, policy: Policy) -> bool:
        """Take a policy's rules up; True when one of them is new."""
        is_new = is_full = False
        with self._lock:
            for rule in policy.rules:
                # The rule keeps its guard alive, so that no other guard gets its id.
                key = (id(rule.guard), rule.action, rule.threshold)
                is_new = is_new or key not in self._rules
                self._rules[key] = rule
                self._rules.move_to_end(key)
            while len(self._rules) > REMEMBERED_RULES:
                self._rules.popitem(last=False)
                is_full = True
            if is_new:
                from watchpost.screening.policy import WITHHOLDING

                rules = self._rules.values()
                self._masking = tuple(r for r in rules if r.action in WITHHOLDING)
        if is_full:
            SHIELD.tell_once(
                "declared",
                "this process was given more than %d guards: those unused for longest no longer "
                "mask what leaves. Make a Policy once, not in every call",
                REMEMBERED_RULES,
            )
        return is_new

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is declared inside the `with` block is forgotten at its end."""
        with self._lock:
            rules, masking = self._rules.copy(), self._masking
        try:
            yield
        finally:
            with self._lock:
                self._rules, self._masking = rules, masking

    def forget(self) -> None:
        """Know no rule any more, as in a process that just began."""
        with self._lock:
            self._rules.clear()
            self._masking = ()


DECLARED = Declared()


def declare(policy: Policy | None) -> None:
    """Make a policy count for everything that leaves, and load its guards on another thread.

    Costs a lock and a look-up when it is known already. Raises ConfigError for what is no policy.
    """
    if policy is None:
        return
    from watchpost.screening.policy import Policy

    if not isinstance(policy, Policy):
        raise ConfigError("policy", policy, "pass a watchpost.Policy")
    if DECLARED.add(policy):
        from watchpost.screening.screen import warm

        warm(policy)
