"""Whether memory stays flat over very many checks, each of a text that was not there before.

`python -m endurance` asks every guard that is installed 100,000 times and fails where the process
has grown after the first fifth; a test asks the light ones less often and counts every byte. Texts
are made from a seed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from watchpost import Policy
from watchpost.errors import WatchpostError
from watchpost.masking.vault import Vault
from watchpost.screening.factory import find_guard
from watchpost.screening.guard import Guard, Question, TokenScore
from watchpost.screening.screen import screen
from watchpost_guards.canary import Canary
from watchpost_guards.confidence import Confidence
from watchpost_guards.context_window import ContextWindow
from watchpost_guards.schema import Schema

CHECKS, PARTS = 100_000, 5
GROWTH_BYTES = 8 << 20
"""What allocators and caches that are still filling may add after the first part."""
_MODELS = ("pii", "unsafe", "injection", "refusal")
_PROSE = "the order of was sent to an address in on a day by mail and paid with card key"


def make_light_guards() -> list[Guard]:
    """Guards that load nothing."""
    schema = Schema({"type": "object", "properties": {"note": {"type": "string"}}})
    canary = Canary(tokens=["zq-7731-orchid"])
    return [find_guard("secrets"), schema, canary, Confidence(), ContextWindow(window=4000)]


def find_heavy_guards() -> Iterator[Guard]:
    """Guards that load something, as far as they are there."""
    for name in _MODELS:
        try:
            yield find_guard(name)
        except WatchpostError as error:
            sys.stdout.write(f"left out: {name} ({error})\n")


def check_many(guards: Sequence[Guard], count: int, seed: int) -> None:
    """Ask all guards about so many texts, in both directions, each in a vault of its own."""
    policy = Policy(redact=guards[:1], flag=guards[1:])
    chance = Random(seed)
    known = _PROSE.split()
    for number in range(count):
        words = " ".join(chance.choice(known) for _ in range(12))
        key = f"sk-{chance.getrandbits(96):024x}"
        text = f'{{"note": "{number} {words} {key} \u200b{chance.getrandbits(64)}"}}'
        tokens = (TokenScore(0, len(text), -chance.random()),)
        for direction in ("input", "output"):
            question = Question(text, direction, "gpt-4o", system=_PROSE, tokens=tokens)
            decision = screen(policy, question)
            assert decision.action == "redact", decision.rulings
        vault = Vault()
        for finding in decision.rulings[0].verdict.findings:
            vault.seal(text, [finding])


def count_growth(guards: Sequence[Guard], count: int) -> int:
    """Bytes held after a second run of so many checks that were not held after the first."""
    check_many(guards, count, 1)
    tracemalloc.start()
    try:
        held = []
        for seed in (2, 3):
            check_many(guards, count, seed)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return held[1] - held[0]


def read_resident_bytes() -> int:
    """What of the process lies in memory (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def main() -> int:
    """Ask, tell the size after each part, and return 1 where it grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checks", type=int, default=CHECKS)
    args = parser.parse_args()
    guards = [*make_light_guards(), *find_heavy_guards()]
    sizes = []
    for part in range(PARTS):
        check_many(guards, args.checks // PARTS, part)
        gc.collect()
        sizes.append(read_resident_bytes())
        done = args.checks // PARTS * (part + 1)
        sys.stdout.write(
            f"{done:>9,} checks of {len(guards)} guards: {sizes[-1] / 2**20:.1f} MiB\n"
        )
        sys.stdout.flush()
    grown = sizes[-1] - sizes[0]
    if grown > GROWTH_BYTES:
        sys.stderr.write(f"grew by {grown:,} bytes after the first part\n")
    return int(grown > GROWTH_BYTES)


if __name__ == "__main__":
    sys.exit(main())
