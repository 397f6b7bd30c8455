"""One parser under fuzz for a while: the inputs it was fed, and those it did not bear."""

from __future__ import annotations

import random
import resource
import time
from dataclasses import dataclass, field

from fuzz.mutation import mutate
from fuzz.parsers import Parser

SLOW_S = 5.0
GROWTH_BYTES = 512 << 20


@dataclass(slots=True)
class Finding:
    """What one parser did with its inputs."""

    name: str
    inputs: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    grown_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


def fuzz(parser: Parser, seconds: float, seed: int, most: int = 10**9) -> Finding:
    """Feed mutations until the time is over; what is wrong is named with the seed that makes it."""
    found = Finding(parser.name)
    before = _peak_bytes()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and found.inputs < most:
        number = seed + found.inputs
        content = mutate(random.Random(number), parser.corpus)
        found.inputs += 1
        began = time.process_time()
        try:
            parser.feed(content)
            found.accepted += 1
        except parser.allowed:
            pass
        except Exception as error:
            found.wrong.append(f"seed {number}: {type(error).__name__}: {str(error)[:200]}")
        took = time.process_time() - began
        found.slowest_s = max(found.slowest_s, took)
        if took > SLOW_S:
            found.wrong.append(f"seed {number}: took {took:.1f} s of CPU for {len(content)} bytes")
    found.grown_bytes = _peak_bytes() - before
    if found.grown_bytes > GROWTH_BYTES:
        found.wrong.append(f"memory grew by {found.grown_bytes >> 20} MiB")
    return found


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
