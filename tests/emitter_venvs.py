"""The environments emitters run in: one virtual environment each, because their pins clash.

An environment lies in a cache, under a name with the digest of its pinned requirements, so it is
built once and again only when a pin changes. What is installed there stays out of ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CACHE_SETTING = "WATCHPOST_INTEROP_CACHE"
EMITTERS = Path(__file__).parent / "interop" / "emitters"
FRAMEWORKS = EMITTERS.parent / "frameworks"
_DEFAULT_CACHE = Path.home() / ".cache" / "watchpost-interop"


def list_emitters() -> list[str]:
    """Every emitter there is, by name."""
    return sorted(path.stem for path in EMITTERS.glob("*.py"))


def list_frameworks() -> list[str]:
    """Every framework there is, by name."""
    return sorted(path.stem for path in FRAMEWORKS.glob("*.txt"))


def build_environment(emitter: str) -> Path:
    """The Python of an emitter's environment, built now if the cache has none with its pins.

    Raises CalledProcessError, with pip's own words on the standard error, when it cannot.
    """
    # Two ways of one emitter share its environment: otel_events runs in that of otel.
    return build_from(EMITTERS / f"{emitter.partition('_')[0]}.txt")


def build_from(requirements: Path) -> Path:
    """The Python of an environment that holds what a file pins; as `build_environment`."""
    cache = Path(os.environ.get(CACHE_SETTING) or _DEFAULT_CACHE)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:12]
    place = cache / f"{requirements.stem}-{digest}"
    python = place / "bin" / "python"
    complete = place / "complete"
    if complete.exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=False, symlinks=True)
    install = ["--python", str(python), "install", "--no-deps", "--no-compile", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *install]
    # Every package is pinned, those the emitter needs too: nothing is left to resolve.
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    complete.touch()
    return python
