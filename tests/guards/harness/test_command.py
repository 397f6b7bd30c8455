"""`watchpost guards` as it is typed."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
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


def test_without_the_extra_the_cure_is_named(data: Path) -> None:
    program = (
        "import sys\nsys.modules['numpy'] = None\nfrom watchpost_collector.command import main\n"
        f"sys.exit(main(['guards', 'eval', {str(data)!r}, '--guard', 'secrets']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "watchpost[guards]"' in done.stderr


def write_traffic(path: Path, texts: list[str], *labelled: dict) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in ({"text": t} for t in texts)))
    path.write_text(path.read_text() + "\n" + "\n".join(map(json.dumps, labelled)))
    return path


def test_calibrate_prints_what_to_write_into_a_policy(tmp_path: Path, capsys) -> None:
    texts = [f"harmless {n}" for n in range(197)]
    texts += [f"password = 'correct horse {n}'" for n in range(3)]
    path = write_traffic(tmp_path / "a", texts, {"text": ROWS[0]["text"], "label": 1})
    words = ["guards", "calibrate", str(path), "--guard", "secrets", "--fpr", "0.01"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert 'watchpost.Policy(flag=["secrets"], thresholds={"secrets": 0.95})' in told
    assert "secrets: {action: flag, threshold: 0.95}" in told
    assert "look at them: a:198, a:199, a:200" in told
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["n"], figures["threshold"], figures["tripped"]) == (200, 0.95, 0)
    assert figures["shipped"]["tripped"] == 3
    assert figures["recall"]["caught"] == 1


def test_what_calibrate_prints_is_a_policy(tmp_path: Path, capsys) -> None:
    from watchpost.screening.policy_file import load_policy

    path = write_traffic(tmp_path / "a", [f"harmless {n}" for n in range(99)])
    assert main(["guards", "calibrate", str(path), "--guard", "secrets"]) == 0
    told = capsys.readouterr().out
    page = tmp_path / "policy.yaml"
    page.write_text(told.partition("or, in a file:\n")[2])
    (rule,) = load_policy(page).rules
    assert (rule.guard.name, rule.threshold) == ("secrets", 0.5)


def test_calibrate_refuses_a_rate_that_so_few_texts_cannot_show(tmp_path: Path, capsys) -> None:
    path = write_traffic(tmp_path / "a", ["one", "two"])
    assert main(["guards", "calibrate", str(path), "--guard", "secrets"]) == 2
    assert "99 distinct texts" in capsys.readouterr().err
    assert main(["guards", "calibrate", str(path), "--guard", "secrets", "--fpr", "2"]) == 2
    assert "between 0 and 1" in capsys.readouterr().err


def test_calibrate_says_when_no_threshold_keeps_to_the_rate(tmp_path: Path, capsys) -> None:
    texts = [f"the key is sk-abcdefghijklmnop{n:04}" for n in range(120)]
    path = write_traffic(tmp_path / "a", texts)
    assert main(["guards", "calibrate", str(path), "--guard", "secrets"]) == 1
    assert "no threshold keeps to 1.00%" in capsys.readouterr().out


def test_attack_tells_what_got_through_and_writes_it_as_data(tmp_path: Path, capsys) -> None:
    out = tmp_path / "through.jsonl"
    words = ["guards", "attack", "--guard", "secrets", "--out", str(out)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["seed"], told["failed"], told["alarms"]) == ("secrets", 0, 0, 0)
    assert told["attacks"] - told["caught"] == len(told["through"]) > 0
    assert len(out.read_text().splitlines()) == len(told["through"])
    assert main(["guards", "eval", str(out), "--guard", "secrets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recall"] == 0.0
    assert main([*words, "--fail-above", "0.01"]) == 1
    assert "through: secrets-1 as" in capsys.readouterr().out


def test_attack_asks_which_attacks_are_for_a_guard_it_does_not_know(capsys) -> None:
    assert main(["guards", "attack", "--guard", "length"]) == 2
    assert "injection, unsafe, pii, secrets" in capsys.readouterr().err
    for setting, value in (("--variants", "0"), ("--fail-above", "7")):
        assert main(["guards", "attack", "--guard", "secrets", setting, value]) == 2
        assert setting in capsys.readouterr().err
