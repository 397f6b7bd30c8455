"""Data sets as examples: three shapes, what is unknown stays unknown."""

import gzip
import json
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_guards.train.card import Judged, write_card
from watchpost_guards.train.records import Example, read_examples


def write(folder: Path, name: str, *records: dict[str, object]) -> None:
    path = folder / f"{name}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


def test_each_task_is_read_in_its_shape(tmp_path: Path) -> None:
    write(tmp_path, "unsafe/moderation", {"text": "a", "label": 1, "categories": {"H": 1, "S": 0}})
    write(tmp_path, "injection/bipia_indirect", {"text": "b", "label": 1, "attack": "go"})
    write(tmp_path, "refusal/model", {"prompt": "q", "reply": "c", "label": 0, "kind": "complied"})
    unsafe, injection, refusal, prompt = read_examples(tmp_path)
    assert unsafe.labels["unsafe/unsafe"] == unsafe.labels["unsafe/hate"] == 1.0
    assert unsafe.labels["unsafe/sexual"] == 0.0
    assert "unsafe/violence" not in unsafe.labels
    assert injection.labels == {"injection/injection": 1.0, "injection/indirect": 1.0}
    assert injection.group == "go"
    assert refusal.labels["refusal/refusal"] == 0.0
    assert (refusal.source, refusal.group) == ("refusal/model", "q")
    assert (prompt.text, prompt.source) == ("q", "refusal/prompts_model")


def test_a_harmless_text_is_known_to_be_of_no_harmful_kind(tmp_path: Path) -> None:
    write(tmp_path, "unsafe/set", {"text": "a", "label": 0})
    (example,) = read_examples(tmp_path)
    assert example.labels["unsafe/sexual_minors"] == 0.0


def test_a_prompt_that_most_models_answer_is_known_to_be_harmless(tmp_path: Path) -> None:
    for number, label in enumerate((0, 0, 1)):
        write(
            tmp_path,
            f"refusal/set_{number}",
            {"prompt": "often", "reply": f"often {number}", "label": label},
            {"prompt": "seldom", "reply": f"seldom {number}", "label": 1 - label},
        )
    prompts = {e.text: e for e in read_examples(tmp_path) if e.source == "refusal/prompts_set"}
    assert prompts["often"].labels["unsafe/unsafe"] == 0.0
    assert "unsafe/unsafe" not in prompts["seldom"].labels
    assert prompts["seldom"].labels["injection/injection"] == 0.0


def test_a_text_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "unsafe/set", {"text": "a", "label": 0}, {"text": "a", "label": 0})
    assert len(read_examples(tmp_path)) == 1


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data"):
        read_examples(tmp_path)


def test_the_card_shows_each_set_beside_its_baselines() -> None:
    import numpy

    examples = [
        Example("x" * (9 if n % 2 else 1), {"unsafe/unsafe": float(n % 2)}, source, str(n))
        for source in ("unsafe/near", "unsafe/far", "unsafe/farther")
        for n in range(10)
    ]
    scores = numpy.array([0.9 if n % 2 else 0.1 for n in range(30)])
    card = write_card(
        [Judged("unsafe", examples, scores, 0.5)],
        revision="abc",
        command="train",
        encoder="a small one",
        learned={"unsafe/near": 7},
        apart=frozenset(("unsafe/far", "unsafe/farther")),
    )
    rows = {
        cells[1]: cells[2:-1]
        for cells in ([cell.strip() for cell in line.split("|")] for line in card.splitlines())
        if len(cells) > 9
    }
    assert rows["unsafe/near"][0] == "held-out groups"
    assert rows["unsafe/far"][0] == "other domain"
    assert rows["all of other domains"][1:4] == ["20", "10", "1.000"]
    # Length alone tells them apart too, and calling all of them unsafe finds each at a price.
    assert rows["unsafe/far"][-2:] == ["1.000", "0.667"]
