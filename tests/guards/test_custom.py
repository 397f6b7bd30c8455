"""The guard `custom`: labels learned from examples, kept in a file, and what is refused."""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tiny_model import make_model, write_manifest

from watchpost import Policy, load_policy
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost_guards.command import teach as teach_command
from watchpost_guards.custom import Custom
from watchpost_guards.models.folder import MANIFEST, SETTING
from watchpost_guards.models.labels import keep, read_examples, read_labels, teach
from watchpost_guards.models.logistic import fit, learn, sigmoid
from watchpost_guards.models.reader import share_reader

SEA = ("a day by the sea", "the sea", "calm sea", "by the sea", "sea day", "a calm sea by day")
BOMB = ("the bomb", "a bomb by day", "bomb", "scum bomb", "the bomb by a bomb", "calm bomb")
REST = ("a calm day", "sorry", "the document", "a day by day", "calm", "a document by day")
EXAMPLES = [
    *((text, "sea") for text in SEA),
    *((text, "bomb") for text in BOMB),
    *((text, "none") for text in REST),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "text", width=8)
    return folder


@pytest.fixture(autouse=True)
def _models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(models))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "examples.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in EXAMPLES]
    path.write_text("\n".join(lines) + "\n")
    return path


def judge(guard: Custom, text: str) -> str:
    verdict = guard.check(Question(text))
    assert verdict.tripped == (verdict.probability >= verdict.threshold)
    return verdict.label


def test_texts_get_the_label_their_examples_had() -> None:
    guard = Custom(EXAMPLES)
    assert judge(guard, "by the calm sea") == "sea"
    assert judge(guard, "the calm bomb") == "bomb"
    assert judge(guard, "a calm document") == ""
    assert guard.revision


def test_a_long_text_is_as_bad_as_its_worst_window() -> None:
    text = "a calm day " * 30 + "bomb bomb bomb bomb bomb bomb " + "a calm day " * 30
    verdict = Custom(EXAMPLES).check(Question(text))
    assert verdict.label == "bomb"
    assert 0 < len(verdict.findings) < 10
    assert all("bomb" in text[found.start : found.end] for found in verdict.findings)


def test_only_watched_labels_trip() -> None:
    guard = Custom(EXAMPLES, watch=["sea"])
    assert judge(guard, "the bomb") == ""
    assert judge(guard, "the sea") == "sea"


def test_the_same_examples_teach_the_same(models: Path) -> None:
    reader = share_reader(models / "text")
    examples = read_examples("examples", EXAMPLES)
    first, second = (keep(reader, teach(reader, examples)).dump() for _ in range(2))
    assert first == second


def test_what_was_taught_is_written_read_and_used_in_a_policys_file(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], models: Path
) -> None:
    parser = argparse.ArgumentParser()
    teach_command.add_arguments(parser)
    out = tmp_path / "own.json"
    assert teach_command.run(parser.parse_args([str(written), "--out", str(out), "--json"])) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels"]["sea"]["positives"] == len(SEA)
    assert set(told["labels"]["sea"]["baselines"]) == {"length", "word_overlap", "always_yes"}
    assert told["encoder"] == share_reader(models / "text").bundle.revision

    (tmp_path / "policy.yaml").write_text(
        "guards:\n  shore: {guard: topic, action: block, settings: {file: own.json}}\n"
    )
    (rule,) = load_policy(tmp_path / "policy.yaml").rules
    verdict = rule.guard.check(Question("by the calm sea"))
    assert (verdict.guard, verdict.label) == ("shore", "sea")
    assert verdict.revision == f"{told['revision']}+{told['encoder']}"


def test_figures_stand_beside_those_of_trivial_rules(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    teach_command.add_arguments(parser)
    teach_command.run(parser.parse_args([str(written), "--out", str(tmp_path / "own.json")]))
    shown = capsys.readouterr().out
    assert re.search(r"^sea +6 +[01]\.\d{3}", shown, re.MULTILINE)
    assert re.search(r"^  always yes +0\.500", shown, re.MULTILINE)


def test_labels_of_other_models_are_refused(models: Path, tmp_path: Path) -> None:
    reader = share_reader(models / "text")
    labels = keep(reader, teach(reader, read_examples("examples", EXAMPLES)))
    path = tmp_path / "own.json"
    path.write_text(labels.dump())
    assert read_labels("file", path).revision == labels.revision

    other = tmp_path / "other"
    shutil.copytree(models / "text", other)
    manifest = json.loads((other / MANIFEST).read_text())
    write_manifest(other, {**manifest, "width": 9})
    with pytest.raises(ConfigError, match="teach it again"):
        Custom(file=path, folder=other)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "encoder": "x", "labels": [{}]}', "[" * 100_000]
)
def test_a_file_that_holds_no_labels_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"custom\(file="):
        Custom(file=path)


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ([("a", "x")] * 9, "9 of 9"),
        ([("a", "x")] * 4 + [("b", "none")] * 9, "4 of 13"),
        ([("a", None)] * 9, "no label"),
        ([("a",)], "example 1"),
        ([{"text": "a"}], "example 1"),
        ([("", "x")], "example 1"),
    ],
)
def test_examples_that_cannot_be_learned_from_are_refused(
    examples: Sequence[object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        Custom(examples)


def test_a_line_that_is_no_example_is_told_by_its_number(written: Path) -> None:
    with written.open("a") as opened:
        opened.write("not json\n")
    with pytest.raises(ConfigError, match=rf"{written.name}:{len(EXAMPLES) + 1}"):
        Custom(written)


def test_settings_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ConfigError, match="give examples"):
        Custom()
    with pytest.raises(ConfigError, match="name one or several of bomb, sea"):
        Custom(EXAMPLES, watch=["lake"])
    assert Policy(flag=[Custom(EXAMPLES, name="shore")]).rules[0].guard.name == "shore"


@pytest.mark.parametrize("count", [30, 200])
def test_lines_are_those_of_another_implementation(count: int) -> None:
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(count, 60)) / 8
    positive = vectors[:, 0] + 0.5 * vectors[:, 1] + chance.normal(size=count) / 20 > 0.03
    line = fit(vectors, positive.astype(float), 0.5)
    peer = LogisticRegression(C=2.0, class_weight="balanced", max_iter=5000, tol=1e-10)
    peer.fit(vectors, positive)
    assert np.allclose(line.weights, peer.coef_[0], atol=1e-3)
    assert line.bias == pytest.approx(float(peer.intercept_[0]), abs=1e-3)


def test_probabilities_of_labels_without_meaning_are_not_sure() -> None:
    chance = np.random.default_rng(4)
    vectors = chance.normal(size=(60, 30))
    positive = np.arange(60) % 3 == 0
    learned = learn(vectors, positive)
    said = sigmoid(learned.line.judge(chance.normal(size=(400, 30))))
    assert float(np.mean(said)) < 0.6
    assert float(np.quantile(said, 0.95)) < 0.8
