"""Models in the hub's format, loaded and served by the code that ships: `make hub`.

Builds an environment with torch and transformers, if the cache of `make interop` has none with
these pins, and runs `models.py` in it. What it prints is what was compared.

    python tests/hub/run.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from emitter_venvs import build_from  # noqa: E402


def main() -> int:
    """Build, run; what the run returned."""
    here = Path(__file__).parent
    python = build_from(here / "requirements.txt")
    rooms = os.pathsep.join(str(ROOT / room) for room in ("sdk", "guards"))
    environment = {**os.environ, "PYTHONPATH": rooms, "HF_HUB_OFFLINE": "1"}
    return subprocess.run([python, here / "models.py"], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
