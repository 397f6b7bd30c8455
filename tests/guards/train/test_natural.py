"""Natural texts: read from sets beside the labelled ones, and cut to size."""

import gzip
import json
import random
from pathlib import Path

from watchpost_guards.train.natural import cut, read_natural


def write(path: Path, *records: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


def test_each_text_is_read_once_as_what_it_is(tmp_path: Path) -> None:
    asked = {"context": "A mill by the sea.", "question": "Where is it?", "answer": "a"}
    write(tmp_path / "groundedness" / "mills.jsonl.gz", asked, asked)
    write(
        tmp_path / "hallucination_no_context" / "general.jsonl.gz",
        {"question": "Name a mill.", "answer": "The old one."},
        {"question": "Who am I?", "answer": "I'm sorry, I cannot know."},
    )
    natural = read_natural(tmp_path, random.Random(1), tmp_path)
    assert [(p.text, p.source) for p in natural.documents] == [
        ("A mill by the sea.", "natural/mills")
    ]
    assert {p.text for p in natural.questions} == {"Where is it?", "Name a mill.", "Who am I?"}
    assert all("mill" in p.text and "Where" in p.text for p in natural.asked)
    # An answer that speaks like a refusal is labelled by nobody.
    assert [p.text for p in natural.answers] == ["The old one."]


def test_code_and_its_documentation_come_from_modules_that_can_be_read(tmp_path: Path) -> None:
    told = "It grinds corn into flour as long as there is wind, and stops when there is none."
    module = f'"""A mill. {told}"""\n\ndef grind(corn):\n    """Grind. {told}"""\n    return corn\n'
    (tmp_path / "mill.py").write_text(module)
    (tmp_path / "broken.py").write_text("def grind(:")
    code = [piece.text for piece in read_natural(tmp_path, random.Random(1), tmp_path).code]
    assert code[0] == f"A mill. {told}"
    assert code[1].startswith("def grind(corn):")
    assert code[2].startswith(f"Grind. {told}\n```\ndef grind(corn):")
    assert len(code) == 3


def test_a_cut_is_a_stretch_of_its_text() -> None:
    text = "\n".join(f"line {number} of a long text" for number in range(300))
    rng = random.Random(3)
    cuts = [cut(text, rng) for _ in range(30)]
    assert all(part in text and len(part.split()) <= 170 for part in cuts)
    assert len({len(part) for part in cuts}) > 10
    assert cut("a short text", rng) == "a short text"
