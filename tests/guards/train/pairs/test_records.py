"""Answers read from data, and what is known of their words."""

import json
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_guards.train.pairs.generated import MADE, generate
from watchpost_guards.train.pairs.records import Example, read_examples

CONTEXT = (
    "Ann Miller moved to Oslo in 1999 and opened a small shop near the harbour. "
    "Her brother Tom Miller joined the firm four years later, after he left the army. "
) * 4


def write(folder: Path, name: str, rows: list[tuple[str, int]]) -> None:
    (folder / "groundedness").mkdir(exist_ok=True)
    lines = [
        json.dumps({"context": CONTEXT, "question": "", "answer": answer, "label": label})
        for answer, label in rows
    ]
    (folder / "groundedness" / f"{name}.jsonl").write_text("\n".join(lines))


def test_only_what_a_wrong_answer_does_not_share_with_a_right_one_is_doubtful(
    tmp_path: Path,
) -> None:
    rows = [
        ("Ann moved to Oslo and opened a shop.", 1),
        ("Tom joined the firm after Ann had opened it.", 1),
        ("Ann moved to Bergen and opened a shop.", 0),
    ]
    write(tmp_path, "edited", rows)
    wrong = next(example for example in read_examples(tmp_path) if not example.supported)
    assert [wrong.answer[a:b] for a, b in wrong.doubtful or ()] == ["Bergen"]
    assert not wrong.certain


def test_a_set_told_apart_by_length_gives_pairs_of_one_length(tmp_path: Path) -> None:
    wrong = [("word " * count, 0) for count in range(30, 60)]
    write(tmp_path, "halueval_qa", [*wrong, *(("term " * count, 1) for count in range(1, 40))])
    examples = read_examples(tmp_path)
    right = [len(example.answer) for example in examples if example.supported]
    others = [len(example.answer) for example in examples if not example.supported]
    assert 0 < len(right) == len(others) < 30
    assert sum(right) == pytest.approx(sum(others), rel=0.35)


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="groundedness"):
        read_examples(tmp_path)


def test_made_answers_come_two_by_two_and_again_the_same() -> None:
    given = [
        Example("letters", CONTEXT, "Ann Miller opened a small shop in Oslo in 1999.", True),
        Example("letters", CONTEXT.replace("Oslo", "Kiel"), "Tom Miller left the army.", True),
    ]
    made = generate(given, 60, seed=4)
    assert made == generate(given, 60, seed=4)
    assert all(example.source == f"{MADE}letters" for example in made)
    rights, wrongs = made[::2], made[1::2]
    assert all(example.supported for example in rights)
    assert not any(example.supported for example in wrongs)
    for wrong in wrongs:
        assert wrong.doubtful
        assert all(wrong.answer[a:b] for a, b in wrong.doubtful)
