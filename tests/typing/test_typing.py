"""What a type checker sees through watchpost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[2]
# The second one asserts its types itself, and says which of its calls must be refused.
FILES = [str(Path(__file__).with_name(name)) for name in ("observed.py", "signatures.py")]
REVEALED = [
    "def (question: str, *, loud: bool = ...) -> int",
    "def (question: str) -> typing.Coroutine[Any, Any, list[int]]",
    "def (question: str) -> typing.Iterator[str]",
    "def (question: str) -> typing.AsyncIterator[bytes]",
    "def (question: str) -> str",
    "openai.OpenAI",
    "anthropic.AsyncAnthropic",
    "str",
    "def (question: str, *, loud: bool = ...) -> int",
    "watchpost.scope.Handle",
]
SEEN_BY_PYRIGHT = [
    "(question: str, *, loud: bool = False) -> int",
    "(question: str) -> CoroutineType[Any, Any, list[int]]",
    "(question: str) -> Iterator[str]",
    "(question: str) -> AsyncIterator[bytes]",
    "(question: str) -> str",
    "OpenAI",
    "AsyncAnthropic",
    "str",
    "(question: str, *, loud: bool = False) -> int",
    "Handle",
]


def test_mypy_sees_types_survive_decorating_and_patching_and_finds_mistakes(tmp_path: Path) -> None:
    os.environ.pop("MYPYPATH", None)
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = True\nmypy_path = {ROOT / 'sdk'}\nfollow_imports = silent\n"
        f"cache_dir = {ROOT / '.mypy_cache' / 'observed'}\n"
    )
    said, _, _ = api.run(["--config-file", str(config), *FILES])
    # Checkers of different ages spell a default and a module differently.
    revealed = re.findall(r'Revealed type is "(.*)"', said.replace(" =)", " = ...)"))
    assert [name.replace("._client.", ".") for name in revealed] == REVEALED, said
    assert 'Argument 1 to "bare" has incompatible type "int"; expected "str"' in said
    assert said.count("error:") == 2, said


def test_pyright_sees_types_survive_decorating_and_patching_and_finds_mistakes(
    tmp_path: Path,
) -> None:
    config = {
        "extraPaths": [str(ROOT / "sdk")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        # mypy's comments are none of its own, and its own must be needed.
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    # Else it asks a registry whether it is the newest.
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    finished = subprocess.run(
        [*command, *FILES], cwd=tmp_path, env=quiet, capture_output=True, text=True
    )
    assert finished.returncode in (0, 1), finished.stdout + finished.stderr

    said = json.loads(finished.stdout)
    assert said["summary"]["filesAnalyzed"] == len(FILES)
    told = [item["message"] for item in said["generalDiagnostics"]]
    revealed = [text.rpartition(' is "')[2][:-1] for text in told if text.startswith("Type of")]
    assert revealed == SEEN_BY_PYRIGHT
    mistakes = [item for item in said["generalDiagnostics"] if item["severity"] == "error"]
    assert [(Path(item["file"]).name, item["rule"]) for item in mistakes] == [
        ("observed.py", "reportArgumentType"),
        ("observed.py", "reportArgumentType"),
    ], told
