"""The examples run as they stand, without a key or a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "record_calls.py": "watchpost.segment.tenant = acme",
    "guard_calls.py": "requests made: 1",
    "use_prompts.py": "watchpost.prompt.variable.question.size = 19",
}


@pytest.mark.parametrize("name", sorted(SAYS))
def test_an_example_runs_and_says_what_it_promises(name: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / name)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENAI_API_KEY": ""},
    )
    assert finished.returncode == 0, finished.stderr
    assert SAYS[name] in finished.stdout
