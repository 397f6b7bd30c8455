"""What the documents say is what the code does: tables generated, examples run, paths exist."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from watchpost.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)


def read(name: str) -> str:
    return (ROOT / name).read_text()


def python_blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", read(name), re.DOTALL)


def draw_settings() -> str:
    rows = ["| argument | environment | default | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        variables = ", ".join(f"`{name}`" for name in setting.variables)
        default = f"`{setting.default}`" if setting.default else ""
        rows.append(f"| `{setting.argument}` | {variables} | {default} | {setting.meaning} |")
    return "\n".join(rows)


def test_the_settings_table_of_the_guide_is_the_one_the_code_reads() -> None:
    (table,) = re.findall(
        r"<!-- settings -->\n(.*?)\n<!-- /settings -->", read("docs/guide.md"), re.DOTALL
    )
    assert table == draw_settings()


def test_every_python_block_of_the_documents_parses() -> None:
    blocks = [block for name in DOCUMENTS for block in python_blocks(name)]
    assert len(blocks) >= 4
    for block in blocks:
        ast.parse(block)


def test_the_example_of_the_readme_runs_as_it_is_written(provider, server) -> None:
    (example,) = python_blocks("README.md")
    program = f"{example}\nprint(reply('Where is my parcel? Write to jane@example.org'))\n"
    program += "watchpost.flush()\n"
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": provider.openai_url,
        "WATCHPOST_ENDPOINT": server.otlp_url,
        "OTEL_SERVICE_NAME": "readme",
    }
    finished = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip()
    server.flush()
    rows = server.query(
        "SELECT prompt_name, prompt_version, guard_action FROM watchpost.generations "
        "WHERE service = 'support-bot' AND prompt_name = 'support-reply' AND prompt_version = '2' "
        "ORDER BY start DESC LIMIT 1"
    )
    assert rows == [("support-reply", "2", "redact")]


def test_every_path_a_document_names_exists() -> None:
    named = {
        (name, path)
        for name in DOCUMENTS
        for path in re.findall(
            r"`((?:sdk|collector|guards|dashboards|tests|benchmarks|docs|examples|deploy)/[\w./-]+)`",
            read(name),
        )
    }
    assert named
    assert sorted(pair for pair in named if not (ROOT / pair[1]).exists()) == []


def test_every_test_a_document_names_is_there() -> None:
    named = {
        (name, *found)
        for name in DOCUMENTS
        for found in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", read(name))
    }
    assert named
    missing = [
        (name, path, test)
        for name, path, test in sorted(named)
        if not (ROOT / path).exists()
        or not re.search(rf"^(?:async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_link_between_documents_leads_somewhere() -> None:
    links = {
        (name, link)
        for name in DOCUMENTS
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(name))
    }
    assert links
    missing = [
        (name, link) for name, link in links if not ((ROOT / name).parent / link).resolve().exists()
    ]
    assert missing == []


def test_every_make_target_the_documents_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    spoken = re.compile(r"(?:`|^)make ([a-z]+)", re.MULTILINE)
    named = {word for name in DOCUMENTS for word in spoken.findall(read(name))}
    assert {"demo", "test", "check", "bench"} <= targets
    assert {"demo", "test"} <= named
    assert named - targets == set()
