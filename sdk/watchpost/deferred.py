"""Span attributes that are computed when they are first read, not when the span ends.

Turning messages into JSON, counting tokens and pricing them takes longer than everything else
about a call. The span carries what to compute; whoever reads its attributes (an export thread, as
a rule, ours or another's) computes them. It does not know what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Span

from watchpost.record import Attribute
from watchpost.runtime import SHIELD

Produce = Callable[[], Mapping[str, Attribute]]


class DeferredAttributes(BoundedAttributes):
    """What a span already has, and what it will have once somebody looks.

    `weight` is about how many bytes all of it holds, known without computing anything.
    """

    def __init__(self, held: BoundedAttributes, produce: Produce, weight: int) -> None:
        super().__init__(held.maxlen, None, False, held.max_value_len)
        self._dict = held._dict
        self.dropped = held.dropped
        self._produce: Produce | None = produce
        self.weight = weight

    def _compute(self) -> None:
        with self._lock:
            produce, self._produce = self._produce, None
            if produce is None:
                return
            found: Mapping[str, Attribute] = {}
            with SHIELD:
                found = produce()
            whole = {**self._dict, **found}
            if self.max_value_len is not None or len(whole) > (self.maxlen or len(whole)):
                # A bounded copy cuts and drops by the limits the application has set.
                bounded = BoundedAttributes(self.maxlen, whole, False, self.max_value_len)
                whole = bounded._dict
                self.dropped += bounded.dropped
            self._dict = whole

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        if self._produce is not None:
            self._compute()
        return self._dict[key]

    def __iter__(self) -> Iterator[str]:
        if self._produce is not None:
            self._compute()
        return iter(self._dict)

    def __len__(self) -> int:
        if self._produce is not None:
            self._compute()
        return len(self._dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundedAttributes:
        if self._produce is not None:
            self._compute()
        return super().__deepcopy__(memo)

    def copy(self) -> Any:
        """The attributes as a dictionary."""
        if self._produce is not None:
            self._compute()
        return super().copy()


def defer(span: Span, produce: Produce, weight: int) -> None:
    """Let a span that is about to end compute attributes when they are read.

    A span of another make than OpenTelemetry's own gets them at once.
    """
    held = getattr(span, "_attributes", None)
    if type(held) is BoundedAttributes:
        span._attributes = DeferredAttributes(held, produce, weight)  # type: ignore[attr-defined]
    elif span.is_recording():
        span.set_attributes(produce())


def weight_of(span: object) -> int | None:
    """About how many bytes a span's attributes hold, None when nobody deferred them."""
    attributes = getattr(span, "_attributes", None)
    return attributes.weight if isinstance(attributes, DeferredAttributes) else None
