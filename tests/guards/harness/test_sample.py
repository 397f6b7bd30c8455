"""Labelled data: the four shapes, gzipped or not, and errors that say where and what instead."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_guards.harness.sample import SHAPES, Sample, read_samples


def read(path: Path, *records: object, direction: str = "input") -> list[Sample]:
    path.write_text("\n".join(json.dumps(record) for record in records))
    return read_samples([path], direction)  # type: ignore[arg-type]


def test_a_labelled_text_is_asked_about_in_the_direction_given(tmp_path: Path) -> None:
    record = {"text": "hello", "label": 1, "category": "greeting", "categories": {"A": 1, "B": 0}}
    (found,) = read(tmp_path / "texts.jsonl", record, direction="document")
    assert (found.question.text, found.question.direction) == ("hello", "document")
    assert found.positive
    assert found.slices == (("category", "greeting"), ("categories", "A"))
    assert (found.file, found.line, found.spans) == ("texts.jsonl", 1, None)


def test_an_answer_is_positive_when_it_is_not_supported(tmp_path: Path) -> None:
    row = {"context": "It rains.", "question": "Does it?", "answer": "No."}
    wrong, right = read(tmp_path / "a", {**row, "label": 0}, {**row, "label": 1})
    assert (wrong.positive, right.positive) == (True, False)
    assert wrong.question.direction == "output"
    assert wrong.question.context == ("It rains.",)
    assert wrong.source == "It rains."


def test_an_answer_without_context_speaks_of_its_question(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "a", {"question": "Does it rain?", "answer": "No.", "label": 0})
    assert found.question.context == ()
    assert found.source == "Does it rain?"


def test_a_reply_is_an_output_and_its_prompt_what_it_speaks_of(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "a", {"prompt": "Do it", "reply": "I cannot.", "label": 1})
    assert (found.question.text, found.question.direction) == ("I cannot.", "output")
    assert found.positive
    assert found.source == "Do it"


def test_spans_are_sorted_and_make_their_text_positive(tmp_path: Path) -> None:
    spans = [{"start": 4, "end": 6, "type": "B"}, {"start": 0, "end": 3, "type": "A"}]
    one, none = read(
        tmp_path / "a", {"text": "abc de", "spans": spans}, {"text": "abc", "spans": []}
    )
    assert [(span.start, span.type) for span in one.spans or ()] == [(0, "A"), (4, "B")]
    assert (one.positive, none.positive) == (True, False)


def test_gzip_is_told_by_its_bytes_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(gzip.compress(b'\n{"text": "a", "label": 0}\n\n{"text": "b", "label": 1}\n'))
    assert [(s.line, s.positive) for s in read_samples([path])] == [(2, False), (4, True)]


def test_two_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.jsonl" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text('{"text": "a", "label": 0}')
    assert {sample.file for sample in read_samples(paths)} == {str(path) for path in paths}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "a JSON list"),
        ('{"label": 1}', "no 'text'"),
        ('{"text": "private words"}', "no 'label'"),
        ('{"text": "private words", "label": "yes"}', "'yes', neither 0 nor 1"),
        ('{"text": "private words", "label": 2}', "neither 0 nor 1"),
        ('{"text": 5, "label": 1}', "'text' is a int"),
        ('{"text": "private words", "spans": {}}', "'spans' is a dict"),
        ('{"text": "ab", "spans": [{"start": 1, "type": "A"}]}', "lacks"),
        ('{"text": "ab", "spans": [{"start": 1, "end": 9, "type": "A"}]}', "from 1 to 9 in 2"),
        ('{"text": "ab", "spans": [{"start": true, "end": 2, "type": "A"}]}', "whole numbers"),
        ('{"text": "ab", "spans": [], "label": 0}', "both"),
        ('{"answer": null, "label": 0}', "'answer' is a NoneType"),
    ],
)
def test_a_bad_line_is_refused_by_file_and_line_with_the_shapes_and_no_text(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "fine", "label": 0}\n' + line + "\n")
    with pytest.raises(ConfigError) as caught:
        read_samples([path])
    told = str(caught.value)
    assert f"{path}:2" in told
    assert reason in told
    assert SHAPES in told
    assert "private" not in told


def test_spans_and_labels_are_not_measured_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a:2.*two runs"):
        read(tmp_path / "a", {"text": "x", "label": 0}, {"text": "x", "spans": []})


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\x1f\x8b\x08cut off", "no whole gzip")]
)
def test_a_file_that_holds_nothing_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        read_samples([path])
    with pytest.raises(ConfigError, match="No such file"):
        read_samples([tmp_path / "missing"])
