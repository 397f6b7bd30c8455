from __future__ import annotations

import time
from pathlib import Path

import pytest
from known_calls import build_request
from store_segments import make_call

from watchpost.errors import ConfigError
from watchpost_collector.erasure.files import erase_files
from watchpost_collector.erasure.journal import DONE, RUNNING, Entry, Journal
from watchpost_collector.erasure.subject import Remembered, Subject, hash_id, load_secret
from watchpost_collector.otlp.envelope import Letter, frame_head, read_envelopes
from watchpost_collector.otlp.signals import TRACES

ANN = Subject("user", "ann@canary.example")


def frame(project: str = "p") -> bytes:
    spans = [
        make_call(trace_id="a1" * 16, user__id=ANN.value),
        make_call(trace_id="a1" * 16),
        make_call(trace_id="b1" * 16, user__id="bob"),
    ]
    body = build_request(spans).SerializeToString()
    return frame_head(Letter(body, project, time.time_ns(), 3), "poison") + body


def place(directory: Path, name: str, content: bytes) -> Path:
    path = directory / f"{name}.envelopes"
    path.write_bytes(content)
    (directory / f"{name}.reason.json").write_text('{"spans": 3}')
    return path


def test_a_file_keeps_only_the_spans_of_others_and_can_still_be_read(tmp_path: Path) -> None:
    path = place(tmp_path, "poison", frame())

    report = erase_files(tmp_path, ANN, ())

    assert (report.rewritten, report.deleted, report.spans) == (1, 0, 2)
    assert ANN.value.encode() not in path.read_bytes()
    [framed] = read_envelopes(path.read_bytes())
    assert framed.whole
    left = TRACES.request.FromString(bytes(framed.body))
    users = [
        span for one in left.resource_spans for scope in one.scope_spans for span in scope.spans
    ]
    assert [span.trace_id.hex() for span in users] == ["b1" * 16]


def test_what_is_not_theirs_is_not_touched(tmp_path: Path) -> None:
    path = place(tmp_path, "poison", frame())
    before = path.read_bytes()

    for subject in (Subject("user", "nobody"), Subject("user", ANN.value, "another-project")):
        assert erase_files(tmp_path, subject, ()).spans == 0

    assert path.read_bytes() == before


def test_traces_known_from_the_store_go_too_and_an_empty_file_goes_with_its_reason(
    tmp_path: Path,
) -> None:
    place(tmp_path, "poison", frame())

    report = erase_files(tmp_path, ANN, {"b1" * 16})

    assert (report.deleted, report.spans) == (1, 3)
    assert list(tmp_path.iterdir()) == []


def test_bytes_nobody_can_read_go_when_the_id_stands_in_them(tmp_path: Path) -> None:
    place(tmp_path, "theirs.tail", b"\xff\xffmail to " + ANN.value.encode())
    kept = place(tmp_path, "others.tail", b"\xff\xffnothing of hers")
    place(tmp_path, "1-logs", frame())

    report = erase_files(tmp_path, ANN, ())

    assert report.deleted == 2
    assert list(tmp_path.glob("*.envelopes")) == [kept]


def test_a_trial_writes_nothing(tmp_path: Path) -> None:
    path = place(tmp_path, "poison", frame())
    before = path.read_bytes()

    assert erase_files(tmp_path, ANN, (), change=False).spans == 2
    assert path.read_bytes() == before


def test_the_hash_that_is_left_of_an_id_still_finds_it(tmp_path: Path) -> None:
    path = place(tmp_path, "poison", frame())
    secret = load_secret(tmp_path)
    key = hash_id(secret, "user", ANN.value)

    assert erase_files(tmp_path, Remembered("user", key, "", secret), ()).spans == 2
    assert ANN.value.encode() not in path.read_bytes()
    assert load_secret(tmp_path) == secret
    trace = Remembered("trace", hash_id(secret, "trace", "b1" * 16), "", secret)
    assert erase_files(tmp_path, trace, ()).spans == 1


def test_an_attribute_that_only_happens_to_hold_the_id_names_nobody() -> None:
    assert ANN.names("app.customer.email", ANN.value)
    assert not ANN.names("gen_ai.request.model", ANN.value)
    assert not Subject("session", "s").names("user.id", "s")
    assert not Subject("user", "42").names("watchpost.prompt.variable.customer.size", "42")
    assert Subject("user", "42").names("watchpost.prompt.variable.customer", "42")


@pytest.mark.parametrize(
    ("kind", "value"), [("user", ""), ("trace", "not hex"), ("nickname", "x"), ("user", "x" * 2000)]
)
def test_an_id_that_cannot_be_one_is_refused(kind: str, value: str) -> None:
    with pytest.raises(ConfigError):
        Subject(kind, value)


def test_the_journal_finds_what_was_not_finished_and_keeps_no_id(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name, state in (("1", DONE), ("2", RUNNING)):
        journal.write(Entry(name, "user", "hash", "", True, "now", state))

    assert [entry.name for entry in journal.list_unfinished()] == ["2"]
    assert journal.read("3") is None
    found = journal.read("1")
    assert found is not None
    assert "key" not in found.as_dict()
