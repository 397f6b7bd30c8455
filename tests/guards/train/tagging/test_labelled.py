"""Labelled sets of others: what their types become, and which templates are held out."""

import json
from pathlib import Path

from watchpost_guards.train.tagging.labelled import group_templates, read_labelled


def test_types_become_kinds_and_what_is_found_by_pattern_is_left(tmp_path: Path) -> None:
    (tmp_path / "pii").mkdir()
    spans = [
        {"start": 0, "end": 3, "type": "FIRST_NAME"},
        {"start": 7, "end": 12, "type": "GPE"},
        {"start": 13, "end": 29, "type": "CREDIT_CARD"},
    ]
    record = {"text": "Ada in Paris 4111111111111111", "spans": spans, "template": "x in x x"}
    (tmp_path / "pii" / "made.jsonl").write_text(json.dumps(record) + "\n")

    (passage,) = read_labelled(tmp_path)

    assert passage.spans == ((0, 3, "PERSON"), (7, 12, "LOCATION"))
    assert passage.source == "pii/made"


def test_texts_of_one_template_are_never_on_both_sides(tmp_path: Path) -> None:
    (tmp_path / "pii").mkdir()
    lines = [
        json.dumps({"text": f"text {n}", "spans": [], "template": f"t{n % 40}"}) for n in range(200)
    ]
    (tmp_path / "pii" / "made.jsonl").write_text("\n".join(lines))

    groups = group_templates(read_labelled(tmp_path), 30)

    sides = [{passage.template for passage in groups[is_held]} for is_held in (True, False)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
