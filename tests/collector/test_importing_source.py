"""Files are read by line, gzipped or not, and name what they cannot read."""

from __future__ import annotations

import gzip
import json

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.importing.source import open_source, read_lines

LINES = b'{"prompt": "a", "reply": "b"}\n\n{broken\n[1]\n\xff\xfe\n{"prompt": "c", "reply": "d"}'


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_gzipped_copy_is_the_same_file(tmp_path):
    plain = open_source(write(tmp_path, "log.jsonl", LINES))
    packed = open_source(write(tmp_path, "log.jsonl.gz", gzip.compress(LINES)))
    assert plain.digest == packed.digest
    assert [line.value for line in read_lines(plain)] == [line.value for line in read_lines(packed)]
    assert (plain.lines, packed.lines) == (6, 6)


def test_bad_lines_have_their_number_and_reason_and_the_rest_is_read(tmp_path):
    lines = list(read_lines(open_source(write(tmp_path, "log.jsonl", LINES))))
    assert [line.number for line in lines if line.value] == [1, 6]
    faults = {line.number: line.fault for line in lines if line.fault}
    assert faults[3].startswith("not JSON")
    assert faults[4] == "a JSON list, not an object"
    assert faults[5].startswith("not UTF-8")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_in_one_document_gives_its_parts(tmp_path, indent):
    content = json.dumps([{"prompt": "a"}, {"prompt": "b"}, 3], indent=indent).encode()
    lines = list(read_lines(open_source(write(tmp_path, "log.json", content))))
    assert [line.value for line in lines] == [{"prompt": "a"}, {"prompt": "b"}, None]


def test_a_pretty_printed_object_is_one_part(tmp_path):
    content = json.dumps({"resourceSpans": []}, indent=2).encode()
    [line] = read_lines(open_source(write(tmp_path, "trace.json", content)))
    assert line.value == {"resourceSpans": []}


def test_a_byte_order_mark_is_no_fault(tmp_path):
    [line] = read_lines(open_source(write(tmp_path, "log.jsonl", b'\xef\xbb\xbf{"a": 1}\n')))
    assert line.value == {"a": 1}


def test_a_missing_and_a_damaged_file_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl"):
        open_source(tmp_path / "nowhere.jsonl")
    cut = gzip.compress(b"x" * 1000)[:-6]
    with pytest.raises(ConfigError, match=r"cut\.gz"):
        open_source(write(tmp_path, "cut.gz", cut))
