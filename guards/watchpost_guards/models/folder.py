"""A folder that a training wrote: where it lies, its manifest, and the files that one names.

Files that are not those whose digests the manifest names are refused, with the training that would
write the right ones. It does not know what any of them means.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from watchpost.errors import ConfigError

MANIFEST = "manifest.json"
SETTING = "WATCHPOST_GUARD_MODELS"

Parsed = TypeVar("Parsed")


def find_folder(part: str = "text") -> Path:
    """Where a part of the models lies: in the setting's folder, or in the one of the package."""
    given = os.environ.get(SETTING)
    return (Path(given) if given else Path(str(files("watchpost_guards"))) / "weights") / part


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder, what it is to hold in a word, and the module whose command writes such folders."""

    path: Path
    holds: str
    trainer: str

    def read_manifest(self, parse: Callable[[Any], Parsed]) -> tuple[Parsed, str]:
        """What `parse` makes of the manifest, and the revision, which changes with any of it.

        `parse` may raise ValueError, KeyError or TypeError. Raises ConfigError then, and where
        there is no manifest.
        """
        try:
            source = (self.path / MANIFEST).read_bytes()
        except OSError as error:
            raise self._refuse(f"it holds no {self.holds}") from error
        try:
            return parse(json.loads(source)), hashlib.sha256(source).hexdigest()[:12]
        except (ValueError, KeyError, TypeError) as error:
            raise self._refuse("its manifest cannot be read") from error

    def read_file(self, name: str, digest: str) -> bytes:
        """One of the folder's files. Raises ConfigError when it is not the manifest's."""
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise self._refuse(f"its {name} cannot be read") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._refuse(f"its {name} is not the one its manifest names")
        return content

    def _refuse(self, trouble: str) -> ConfigError:
        return ConfigError(
            SETTING,
            str(self.path),
            # Not beside the value: a long path is cut when it is shown, and the reason with it.
            f"name a folder written by `python -m {self.trainer}` ({trouble})",
        )
