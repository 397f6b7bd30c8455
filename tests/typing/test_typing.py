"""What a type checker sees through watchpost."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[2]
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


def test_types_survive_decorating_and_patching_and_mistakes_are_found(tmp_path: Path) -> None:
    os.environ.pop("MYPYPATH", None)
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = True\nmypy_path = {ROOT / 'sdk'}\nfollow_imports = silent\n"
        f"cache_dir = {ROOT / '.mypy_cache' / 'observed'}\n"
    )
    here = Path(__file__).parent
    # The second one asserts its types itself: it adds no word to what is said.
    files = [str(here / "observed.py"), str(here / "signatures.py")]
    said, _, _ = api.run(["--config-file", str(config), *files])
    # Checkers of different ages spell a default and a module differently.
    revealed = re.findall(r'Revealed type is "(.*)"', said.replace(" =)", " = ...)"))
    assert [name.replace("._client.", ".") for name in revealed] == REVEALED, said
    assert 'Argument 1 to "bare" has incompatible type "int"; expected "str"' in said
    assert said.count("error:") == 2, said
