"""`import watchpost`: every name is there, in whatever order the names are fetched."""

from __future__ import annotations

import subprocess
import sys

import pytest

import watchpost


@pytest.mark.parametrize("first", watchpost.__all__)
def test_a_name_is_itself_whichever_was_fetched_first(first: str) -> None:
    program = f"""
import types, watchpost
getattr(watchpost, {first!r})
wrong = [n for n in watchpost.__all__ if isinstance(getattr(watchpost, n), types.ModuleType)]
assert wrong == [], wrong
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = watchpost.nothing
    assert set(watchpost.__all__) <= set(dir(watchpost))
