from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "conformance.py"

# A migrated store whose view no longer knows one name; a process of its own, as engines want.
BREAK_A_MAPPING = """
import sys
from watchpost_collector.store.client import open_store
from watchpost_collector.store.migrate import Layout, migrate, read_migrations

store = open_store(sys.argv[1])
migrate(store)
names = next(m for m in read_migrations() if m.name == "0002_names.sql")
view = next(s for s in names.statements(Layout()) if "create view" in s)
broken = view.replace("'llm.token_count.completion',", "'llm.token_count.forgotten',")
assert broken != view
# A dictionary reads the view; the engine need not be told that this is meant.
store.command("drop view watchpost.names", settings={"check_table_dependencies": 0})
store.command(broken)
store.close()
"""


def test_a_broken_mapping_turns_its_cells_red_and_no_other(tmp_path: Path) -> None:
    store = f"chdb://{tmp_path / 'store'}"
    subprocess.run([sys.executable, "-c", BREAK_A_MAPPING, store], check=True)

    ran = subprocess.run(
        [sys.executable, str(PROGRAM), "--quick", "--json", "--store", store],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    dialects = json.loads(ran.stdout.splitlines()[-1])["dialects"]
    cell = dialects["openinference"]["openai_chat"]
    assert "output_tokens is 0, not 300" in cell
    others = {name: cases for name, cases in dialects.items() if name != "openinference"}
    assert {"otel", "openllmetry", "vercel", "watchpost", "watchpost-sdk"} <= set(others)
    assert [cell for cases in others.values() for cell in cases.values() if cell != "ok"] == []
