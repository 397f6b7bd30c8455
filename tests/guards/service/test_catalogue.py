"""The catalogue: what is shipped can be trusted, and what is written wrong is told by its line."""

import re
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_guards.service.catalogue import load_catalogue

COMMIT = re.compile(r"[0-9a-f]{40}")


def test_every_shipped_model_has_a_licence_and_a_commit_or_says_what_is_missing() -> None:
    entries = load_catalogue()
    assert len(entries) >= 10
    for entry in entries.values():
        assert entry.licence
        assert not entry.revision or COMMIT.fullmatch(entry.revision)
        if entry.task != "generate" and (entry.refused or not entry.revision):
            with pytest.raises(ConfigError):
                entry.find_source()


def test_own_entries_are_added_and_take_the_place_of_others(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "toxicity: {path: /models/toxic-{revision}, revision: v2, task: classify,"
        " labels: {bad: toxic}, several: true, threshold: 0.7, width: 256}\n".replace(
            "/models/toxic-{revision}", '"/models/toxic-{revision}"'
        )
    )
    entries = load_catalogue(own)
    entry = entries["toxicity"]
    assert entry.find_source() == "/models/toxic-v2"
    assert entry.at("v3").find_source() == "/models/toxic-v3"
    assert (entry.several, entry.threshold, entry.width) == (True, 0.7, 256)
    assert "prompt-injection" in entries


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one: {model: a/b}", 1),
        ("one: {task: classify, labels: {a: b}}", 1),
        ("one: {model: a/b, task: classify}", 1),
        ("one: {model: a/b, task: dream, labels: {a: b}}", 1),
        ("one: {model: a/b, task: tag, labels: {a: b}, threshold: 2}", 1),
        ("one: {model: a/b, task: tag, labels: {a: b}, width: wide}", 1),
        ("one: {model: a/b, task: tag, labels: {a: b}, several: maybe}", 1),
        ("one:\n  model: a/b\n  code: rm", 3),
        ("one: {model: a/b, task: generate, style: haiku}", 1),
    ],
)
def test_what_is_written_wrong_is_told_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_catalogue(own)
    assert error.value.value.startswith(f"own.yaml:{line}")


def draw_table() -> str:
    rows = ["| name | model | task | licence |", "|---|---|---|---|"]
    for entry in load_catalogue().values():
        note = entry.refused or ("" if entry.revision or entry.task == "generate" else "not pinned")
        task = f"{entry.task} ({note})" if note else entry.task
        rows.append(f"| `{entry.name}` | {entry.model} | {task} | {entry.licence} |")
    return "\n".join(rows)


def test_the_table_of_the_document_is_the_catalogue() -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "guards" / "hosting.md"
    (table,) = re.findall(
        r"<!-- catalogue -->\n(.*?)\n<!-- /catalogue -->", document.read_text(), re.DOTALL
    )
    assert table == draw_table()
