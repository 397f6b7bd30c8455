from __future__ import annotations

import subprocess
import sys

import pytest

SETUPS = {
    "configure": 'import openai, watchpost; watchpost.configure(endpoint="http://127.0.0.1:9")',
    "patch": 'import watchpost, openai; watchpost.patch(openai.OpenAI(api_key="none"))',
}
ALONE = {"client": "import openai", "sdk": "import watchpost; watchpost.configure(enabled=True)"}
SHOW = "; import sys; print('httpx2' in sys.modules)"


def run(program: str, folder: object) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program + SHOW],
        env={"WATCHPOST_DATA_DIR": str(folder), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize("setup", SETUPS)
def test_what_a_client_looks_for_is_there_before_it_is_asked(setup: str, tmp_path: object) -> None:
    assert run(SETUPS[setup], tmp_path) == "True"


@pytest.mark.parametrize("which", ALONE)
def test_nothing_is_loaded_for_a_client_that_is_not(which: str, tmp_path: object) -> None:
    assert run(ALONE[which], tmp_path) == "False"


def test_the_price_list_would_load_it_in_the_middle_of_a_call(tmp_path: object) -> None:
    assert run("import genai_prices.data_snapshot", tmp_path) == "True"
