"""The ceilings and names of the house: what a stranger may count on in every room."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOMS = ("sdk", "collector", "guards", "dashboards")
ALL_ROOMS = (*SOURCE_ROOMS, "tests", "benchmarks", "examples")
FILE_CEILING = 400
FUNCTION_CEILING = 50
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def python_files(*rooms: str) -> list[Path]:
    """Every tracked or new Python file of the rooms, ignored files left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *rooms],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name.endswith(".py") and (ROOT / name).exists()]


def text_files() -> list[Path]:
    """Every tracked file that is text."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    binary = {".png", ".gz", ".onnx", ".ico"}
    return [
        ROOT / name
        for name in listed
        if name and Path(name).suffix not in binary and (ROOT / name).is_file()
    ]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_files_to_judge() -> None:
    assert len(python_files(*SOURCE_ROOMS)) > 30


def test_no_file_is_longer_than_the_ceiling() -> None:
    lengths = {relative(p): len(p.read_text().splitlines()) for p in python_files(*ALL_ROOMS)}
    assert {name: n for name, n in lengths.items() if n > FILE_CEILING} == {}


def test_no_function_is_longer_than_the_ceiling() -> None:
    long = {}
    for path in python_files(*ALL_ROOMS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_CEILING:
                    long[f"{relative(path)}:{node.lineno} {node.name}"] = length
    assert long == {}


def test_no_room_is_called_by_a_name_that_says_nothing() -> None:
    parts = {
        relative(p): BANNED_NAMES.intersection({*p.relative_to(ROOT).parts, p.stem})
        for p in python_files(*ALL_ROOMS)
    }
    assert {name: bad for name, bad in parts.items() if bad} == {}


def test_every_source_file_says_in_a_docstring_what_it_is() -> None:
    silent = [
        relative(p)
        for p in python_files(*SOURCE_ROOMS, "benchmarks", "examples")
        if ast.get_docstring(ast.parse(p.read_text())) is None
    ]
    assert silent == []


def test_nothing_reads_files_outside_the_project() -> None:
    # Spelled in pieces so that this file does not find itself.
    outside = re.compile("|".join(["/wo" + "rk/", r"\.\./sha" + "red", "/opt/py" + "pi"]))
    found = [relative(p) for p in text_files() if outside.search(p.read_text(errors="replace"))]
    assert found == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile("pytest\\." + "(skip|importorskip|xfail)|mark\\.(skip|xfail)")
    found = [relative(p) for p in python_files("tests") if marks.search(p.read_text())]
    assert found == []


@pytest.mark.parametrize("room", ["sdk", "collector", "guards", "dashboards"])
def test_every_package_ships_its_types(room: str) -> None:
    packages = {path.parent for path in (ROOT / room).glob("*/__init__.py")}
    assert packages
    assert all((package / "py.typed").exists() for package in packages)


def test_the_sdk_imports_light_and_starts_nothing() -> None:
    program = """
import sys, threading
before = set(sys.modules)
import watchpost
loaded = {name.partition('.')[0] for name in set(sys.modules) - before}
heavy = {'watchpost_collector', 'watchpost_guards', 'chdb', 'tiktoken', 'genai_prices', 'openai',
         'anthropic', 'pydantic', 'requests', 'httpx', 'presidio_analyzer', 'numpy'}
assert not loaded & heavy, loaded & heavy
assert 'opentelemetry.sdk' not in sys.modules
assert threading.active_count() == 1
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_the_front_door_is_whole_and_nothing_more() -> None:
    import watchpost

    assert sorted(watchpost.__all__) == sorted(
        [
            *("configure", "observe", "patch", "span", "current", "flush", "shutdown"),
            *("Policy", "Guard", "Verdict", "Generation", "Blocked", "WatchpostError"),
            *("Prompt", "get_prompt", "aget_prompt", "score", "feedback_link"),
            *("continue_from", "counts", "load_policy", "screen", "ascreen", "Vault"),
        ]
    )
    assert all(getattr(watchpost, name) is not None for name in watchpost.__all__)
