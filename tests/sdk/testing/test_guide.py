"""The page about testing runs as it is written: its tests pass, as a user's would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "testing.md"


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    written = tmp_path / "test_of_the_page.py"
    written.write_text(program)
    options = ["-q", "-p", "no:cacheprovider", "-W", "error"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(written)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout
    assert f"{program.count('def test_')} passed" in ran.stdout
