"""`watchpost guards` as it is typed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from watchpost_collector.command import main

ROWS = [
    {"text": "the key is sk-abcdefghijklmnop1234", "label": 1},
    {"text": "the key is under the mat", "label": 0},
]
KEYS = {
    *("n", "auc", "pr_auc", "recall_at_1pct_fpr", "precision", "recall", "f1", "f2", "fpr"),
    *("balanced_accuracy", "baselines"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    return path


def test_eval_prints_json_under_the_documented_keys(data: Path, capsys) -> None:
    assert main(["guards", "eval", str(data), "--guard", "secrets", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) >= KEYS
    assert (told["n"], told["auc"], told["f1"]) == (2, 1.0, 1.0)


def test_eval_prints_a_table_and_writes_a_report(data: Path, tmp_path: Path, capsys) -> None:
    words = ["guards", "eval", str(data), "--guard", "secrets", "--report", str(tmp_path / "out")]
    assert main(words) == 0
    told = capsys.readouterr().out
    for word in ("AUC", "R@1%FP", "latency in ms: p50", "always_yes", "rows.jsonl.gz"):
        assert word in told
    assert (tmp_path / "out" / "report.html").exists()


def test_an_unknown_guard_and_a_bad_line_are_told_with_their_cure(data: Path, capsys) -> None:
    assert main(["guards", "eval", str(data), "--guard", "nosuch"]) == 2
    assert "secrets" in capsys.readouterr().err
    data.write_text('{"text": "a"}')
    assert main(["guards", "eval", str(data), "--guard", "secrets"]) == 2
    told = capsys.readouterr().err
    assert f"{data}:1" in told
    assert '"spans"' in told


def test_a_mapping_without_an_equals_sign_is_refused(data: Path, capsys) -> None:
    assert main(["guards", "eval", str(data), "--guard", "secrets", "--map", "X"]) == 2
    assert "TYPE=LABEL" in capsys.readouterr().err
