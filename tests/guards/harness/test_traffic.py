"""A user's own traffic: plain lines, labelled data, and what the collector stored."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from watchpost.errors import ConfigError, MissingExtra
from watchpost_guards.harness.traffic import Traffic, read_traffic

STORED = {
    "trace_id": "01",
    "input_messages": json.dumps(
        [
            {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
            {"role": "user", "parts": [{"type": "text", "content": "hello"}, {"type": "blob"}]},
        ]
    ),
    "output_messages": json.dumps([{"role": "assistant", "content": "good day"}]),
    "documents": json.dumps([{"id": "7", "content": "a page"}]),
}


def read(path: Path, *records: object, direction: str = "input") -> Traffic:
    path.write_text("\n".join(json.dumps(record) for record in records))
    return read_traffic([path], direction)  # type: ignore[arg-type]


def texts(traffic: Traffic) -> list[str]:
    return [question.text for question in traffic.benign]


def test_a_text_counts_once_however_often_it_was_sent(tmp_path: Path) -> None:
    found = read(tmp_path / "a", {"text": "x"}, {"text": "y"}, {"text": "x"})
    assert (texts(found), found.repeated) == (["x", "y"], 1)
    assert found.places == ["a:1", "a:2"]


def test_what_is_labelled_positive_is_no_benign_traffic(tmp_path: Path) -> None:
    found = read(
        *(tmp_path / "a", {"text": "x", "label": 0}, {"text": "y", "label": 1}),
        *({"answer": "z", "label": 1}, {"prompt": "p", "reply": "r"}),
    )
    assert texts(found) == ["x", "z", "r"]
    assert [question.text for question in found.positive] == ["y"]


@pytest.mark.parametrize(
    ("direction", "wanted"),
    [("input", ["be kind", "hello"]), ("output", ["good day"]), ("document", ["a page"])],
)
def test_stored_content_gives_the_texts_of_one_direction(
    tmp_path: Path, direction: str, wanted: list[str]
) -> None:
    assert texts(read(tmp_path / "a", STORED, direction=direction)) == wanted


def test_an_export_in_parquet_says_what_json_lines_say(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-01.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([STORED, STORED]), path)
    found = read_traffic([path])
    assert (texts(found), found.repeated) == (["be kind", "hello"], 2)


def test_parquet_without_its_extra_names_the_cure(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="no whole Parquet"):
        read_traffic([path])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"watchpost\[parquet\]"):
        read_traffic([path])


@pytest.mark.parametrize(
    "record", [{"words": "private"}, {"text": "private", "label": "no"}, {"input_messages": "[{"}]
)
def test_a_line_without_a_text_is_refused_with_what_may_stand_there(
    tmp_path: Path, record: dict
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "a", {"text": "x"}, record)
    assert "a:2" in str(caught.value)
    assert '{"text"}' in str(caught.value)
    assert "private" not in str(caught.value)


def test_traffic_without_a_benign_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no benign text going 'tool_result'"):
        read(tmp_path / "a", STORED, direction="tool_result")
