"""Stacks: which LLM spans are the same call as others, decided from plain values.

Stacked instrumentations record one call several times: nested within a trace, or side by side in
two traces that name the same response; and some take what makes a request ready for a call. One
span of a stack counts, the innermost; the others can offer what only they know. Nothing here reads
or writes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# Instrumentations that tell of a stream in a span of its own when it is over, and how long after.
LATE_SCOPES = "logfire."
_LATE_NS = 1_000_000_000
# How long after it was made ready a request is sent.
_READY_NS = 1_000_000_000
_HOUR_S = 3600
_HOUR_NS = _HOUR_S * 10**9

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One LLM span, as far as counting goes. Times are nanoseconds since 1970."""

    project: str
    trace_id: str
    span_id: str
    parent_span_id: str
    scope: str
    response_id: str
    start_ns: int
    end_ns: int
    has_usage: bool
    # Both counts as one number (0: none), to know the same usage by.
    tokens: int = 0
    # As it was asked for.
    model: str = ""
    # It tells nothing of a call: no usage, no message, no answer.
    hollow: bool = False

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.project, self.trace_id, self.span_id

    @property
    def place(self) -> tuple[str, int, str, str]:
        """Where it lies in `calls`: its key in the table's order, the hour in Unix seconds."""
        hour = self.start_ns // _HOUR_NS * _HOUR_S
        return self.project, hour, self.trace_id, self.span_id


def find_doubles(spans: Iterable[Seen]) -> set[Key]:
    """The keys of the spans that are a call another span already counts.

    Within a trace the deepest span of a chain counts, but one with usage before one without, and a
    hollow one last; beside a call, the hollow one right before it only made it ready.
    Across traces two spans are one call when they name the same response, come from different
    instrumentations, and one lies within the other in time.
    """
    unique = {span.key: span for span in spans}
    buried = _made_ready(unique.values())
    for span in unique.values():
        if span.has_usage:
            buried.update(_chain_above(span, unique))
    for span in sorted(unique.values(), key=lambda seen: (seen.hollow, -seen.start_ns)):
        if span.has_usage or span.key in buried:
            continue
        above = _chain_above(span, unique)
        left = [unique[key] for key in above if key not in buried]
        if any(outer.has_usage or (span.hollow and not outer.hollow) for outer in left):
            buried.add(span.key)
        else:
            buried.update(above)
    told = {late.key for _, late in _told_late(unique.values())}
    return buried | told | _same_responses(unique.values())


def find_offers(spans: Iterable[Seen]) -> list[list[tuple[Seen, Seen]]]:
    """Who can give what it knows to whom, as (inner, outer) pairs, the nearest outer spans first.

    A span gives to every call with usage below it in its unbroken chain, and to one that lies
    within it in time, names the same response and was seen by another instrumentation.
    """
    unique = {span.key: span for span in spans}
    rounds: list[list[tuple[Seen, Seen]]] = [[]]
    for inner in unique.values():
        if not inner.has_usage:
            continue
        for distance, key in enumerate(_chain_above(inner, unique)):
            rounds.extend([] for _ in range(distance + 1 - len(rounds)))
            rounds[distance].append((inner, unique[key]))
    for group in _by_response(unique.values()):
        rounds[0] += [
            (inner, outer)
            for inner in group
            for outer in group
            if inner.has_usage
            and inner.scope != outer.scope
            and outer.start_ns <= inner.start_ns
            and inner.end_ns <= outer.end_ns
        ]
    rounds[0] += _told_late(unique.values())
    return rounds if rounds[0] else []


def _chain_above(span: Seen, unique: Mapping[Key, Seen]) -> list[Key]:
    """The unbroken line of LLM spans over this one; a loop of parents ends it."""
    line: list[Key] = []
    key = (span.project, span.trace_id, span.parent_span_id)
    while key in unique and key not in line and key != span.key:
        line.append(key)
        key = (span.project, span.trace_id, unique[key].parent_span_id)
    return line


def _by_response(spans: Iterable[Seen]) -> Iterator[list[Seen]]:
    """The spans that name one response, for each that several name."""
    groups: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for span in spans:
        if span.response_id:
            groups[span.project, span.response_id].append(span)
    return (group for group in groups.values() if len(group) > 1)


def _same_responses(spans: Iterable[Seen]) -> set[Key]:
    buried: set[Key] = set()
    for group in _by_response(spans):
        # Latest start first: the inner span is met before the outer one it lies in.
        group.sort(key=lambda seen: (seen.has_usage, seen.start_ns), reverse=True)
        for place, inner in enumerate(group):
            if inner.key in buried:
                continue
            buried.update(
                outer.key
                for outer in group[place + 1 :]
                if outer.scope != inner.scope and _one_within_other(outer, inner)
            )
    return buried


def _made_ready(spans: Iterable[Seen]) -> set[Key]:
    """The hollow spans that made a request ready for the call right after them.

    Both have one parent and one instrumentation; a call needs one request.
    """
    rows: dict[tuple[str, ...], list[Seen]] = defaultdict(list)
    for span in spans:
        rows[span.project, span.trace_id, span.parent_span_id, span.scope].append(span)
    found: set[Key] = set()
    for row in rows.values():
        waiting: list[Seen] = []
        for span in sorted(row, key=lambda seen: (seen.start_ns, not seen.hollow)):
            if span.hollow:
                waiting.append(span)
                continue
            ready = [one for one in waiting if 0 <= span.start_ns - one.end_ns <= _READY_NS]
            if ready:
                waiting.remove(ready[-1])
                found.add(ready[-1].key)
    return found


def _told_late(spans: Iterable[Seen]) -> list[tuple[Seen, Seen]]:
    """Pairs of a call and Logfire's word of it after its stream, which names no response.

    That word stands beside the call, not above it, and outside a trace it begins one of its own:
    the same counts, from another instrumentation, and the call ended as it was given. Each call is
    told once.
    """
    alike: dict[tuple[str, int], list[Seen]] = defaultdict(list)
    for span in sorted(spans, key=lambda seen: seen.end_ns):
        if span.tokens:
            alike[span.project, span.tokens].append(span)
    pairs: list[tuple[Seen, Seen]] = []
    for group in alike.values():
        known: set[Key] = set()
        for late in group:
            if not late.scope.startswith(LATE_SCOPES) or late.response_id:
                continue
            fitting = [one for one in group if one.key not in known and _is_told(one, late)]
            if fitting:
                inner = min(fitting, key=lambda one: one.trace_id != late.trace_id)
                known.add(inner.key)
                pairs.append((inner, late))
    return pairs


def _is_told(inner: Seen, late: Seen) -> bool:
    """Whether `late` may be the word of `inner`, as far as places and times go."""
    apart = not late.parent_span_id and inner.model == late.model
    return (
        inner.scope != late.scope
        and (inner.trace_id == late.trace_id or apart)
        and inner.start_ns <= late.end_ns
        and abs(late.end_ns - inner.end_ns) <= _LATE_NS
    )


def _one_within_other(one: Seen, other: Seen) -> bool:
    return (one.start_ns <= other.start_ns and other.end_ns <= one.end_ns) or (
        other.start_ns <= one.start_ns and one.end_ns <= other.end_ns
    )
