"""A trace as rows of a waterfall: who is whose child, how deep, and where its bar lies. Knows
neither SQL nor the page; holds against orphans, cycles and doubled identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One span of a trace, reduced to what its place needs."""

    span_id: str
    parent_span_id: str
    start_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of the waterfall: the step's index in the input, its depth, and its bar in percent."""

    index: int
    depth: int
    left: float
    width: float


def arrange(steps: Sequence[Step]) -> list[Bar]:
    """Order `steps` parent before child, siblings by start, and place every bar on one axis.

    Every step comes out exactly once: one whose parent is not there is a root, and a cycle of
    parents is entered at its earliest step.
    """
    if not steps:
        return []
    begin = min(step.start_ms for step in steps)
    whole = max(step.start_ms + step.duration_ms for step in steps) - begin or 1.0
    return [
        Bar(
            index,
            depth,
            round(100 * (steps[index].start_ms - begin) / whole, 3),
            round(max(100 * steps[index].duration_ms / whole, 0.15), 3),
        )
        for index, depth in _walk(steps)
    ]


def _walk(steps: Sequence[Step]) -> Iterable[tuple[int, int]]:
    order = sorted(range(len(steps)), key=lambda i: (steps[i].start_ms, -steps[i].duration_ms, i))
    known = {step.span_id for step in steps}
    children: dict[str, list[int]] = {}
    roots = []
    for index in order:
        parent = steps[index].parent_span_id
        if parent in known and parent != steps[index].span_id:
            children.setdefault(parent, []).append(index)
        else:
            roots.append(index)
    seen: set[int] = set()
    # What no root reaches is a cycle of parents: it follows, entered at its earliest step.
    for root in [*roots, *order]:
        stack = [(root, 0)]
        while stack:
            index, depth = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            yield index, depth
            below = children.get(steps[index].span_id, [])
            stack.extend((child, depth + 1) for child in reversed(below))
