"""`python -m watchpost_guards.train.tagging`: learn the tagger, write weights and model card."""

import argparse
import sys
from pathlib import Path

from watchpost_guards.models.folder import find_folder
from watchpost_guards.train.shell import Tell, Train, run_training

MODULE = "watchpost_guards.train.tagging"


def main(arguments: list[str] | None = None) -> int:
    """Train as asked; 2 when something asked for cannot be had."""
    return run_training(MODULE, _parser(), _load, arguments)


def _load() -> Train:
    from watchpost_guards.train.tagging.course import Course, run_course
    from watchpost_guards.train.tagging.learning import Plan

    def train(given: argparse.Namespace, command: str, tell: Tell) -> None:
        course = Course(
            data=given.data,
            text=given.text or find_folder(),
            out=given.out,
            beside=given.beside,
            apart=given.apart,
            count=given.texts,
            repeats=given.repeats,
            threads=given.threads,
            plan=Plan(given.epochs, given.rate, given.minutes, given.seed),
            command=command,
        )
        run_course(course, tell)

    return train


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with pii/ and texts to borrow from")
    add("--out", type=Path, required=True, help="folder for weights, thresholds and card")
    add("--text", type=Path, help="folder of the trained encoder (the one guards use when left)")
    add("--apart", action="store_true", help="learn from no labelled set, only measure on them")
    add("--beside", type=Path, help="folder of an --apart run, whose figures go into the card")
    add("--texts", type=int, default=30_000, help="texts of our own making")
    add("--repeats", type=int, default=2, help="how often labelled texts are learned in a pass")
    add("--epochs", type=int, default=4, help="passes over the texts")
    add("--rate", type=float, default=2e-3, help="the highest learning rate")
    add("--minutes", type=float, default=30.0, help="the longest the passes may take")
    add("--seed", type=int, default=1, help="the same seed, the same texts and order")
    add("--threads", type=int, default=2, help="cores to use")
    return parser


if __name__ == "__main__":
    sys.exit(main())
