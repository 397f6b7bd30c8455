"""`watchpost export`: every row once, with its types, in whole files, going on where it stopped."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from otlp_bodies import build_request, only_spans
from running_server import RunningServer

DAY_NS = 86_400 * 10**9


def export(server: RunningServer, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("watchpost"))
    return subprocess.run(
        [program, "export", "--url", server.otlp_url, "--out", str(out), *words],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def project(server: RunningServer) -> str:
    """A project with two spans today and three the day before yesterday."""
    name = f"export-{uuid.uuid4().hex[:8]}"
    for spans, days_ago in ((2, 0), (3, 2)):
        request = build_request(spans, service="exporter")
        for span in only_spans(request):
            span.start_time_unix_nano -= days_ago * DAY_NS
            span.end_time_unix_nano -= days_ago * DAY_NS
        body = request.SerializeToString()
        assert server.send(body, **server.project(name)).status == 200
    server.flush()
    return name


def read_spans(folder: Path) -> pyarrow.Table:
    return pyarrow.dataset.dataset(folder / "spans", format="parquet").to_table()


def test_a_folder_holds_every_row_once_by_table_and_day(
    server: RunningServer, project: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = export(server, out, "--project", project)
    assert done.returncode == 0, done.stderr
    spans = read_spans(out)
    assert sorted(spans["span_id"].to_pylist()) == sorted(
        row[0]
        for row in server.query(f"SELECT span_id FROM watchpost.spans WHERE project = '{project}'")
    )
    assert len(list((out / "spans").iterdir())) == 2
    assert spans.schema.field("start").type == pyarrow.timestamp("ns", tz="UTC")
    assert spans.schema.field("input_tokens").type == pyarrow.uint64()
    assert pyarrow.types.is_map(spans.schema.field("attributes").type)
    assert all(path.stat().st_mode & 0o077 == 0 for path in out.rglob("*"))


def test_an_interrupted_export_goes_on_and_late_rows_are_fetched(
    server: RunningServer, project: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("--project", project, "--tables", "spans")
    assert "2 files written" in export(server, out, *words).stdout
    first, last = sorted((out / "spans").iterdir())
    # As after a crash: one file missing, one begun.
    last.unlink()
    last.with_name(last.name + ".part").write_bytes(b"PAR1 half")
    again = export(server, out, *words)
    assert "1 files written, 1 there already" in again.stdout
    assert sorted((out / "spans").iterdir()) == [first, last]
    late = build_request(1, service="exporter")
    server.send(late.SerializeToString(), **server.project(project))
    server.flush()
    assert "1 files written, 1 there already" in export(server, out, *words).stdout
    [(stored,)] = server.query(
        f"SELECT toString(count()) FROM watchpost.spans WHERE project = '{project}'"
    )
    assert read_spans(out).num_rows == int(stored)


def test_one_table_goes_into_one_file_within_its_days(
    server: RunningServer, project: str, tmp_path: Path
) -> None:
    out = tmp_path / "spans.parquet"
    [(today,)] = server.query("SELECT toString(toDate(now('UTC')))")
    words = ("--project", project, "--tables", "spans", "--until", today)
    assert export(server, out, *words).returncode == 0
    assert pyarrow.parquet.read_table(out).num_rows == 3
    assert [path.name for path in tmp_path.iterdir()] == ["spans.parquet"]


def test_a_folder_of_one_project_takes_no_other(
    server: RunningServer, project: str, tmp_path: Path
) -> None:
    assert export(server, tmp_path / "out", "--project", project).returncode == 0
    refused = export(server, tmp_path / "out", "--project", "another")
    assert refused.returncode == 2
    assert "another folder" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tables", "keys"], "--tables"),
        (["--since", "yesterday"], "--since"),
        (["--url", "http://127.0.0.1:9"], "watchpost up"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_no_file(
    server: RunningServer, tmp_path: Path, words: list[str], told: str
) -> None:
    done = export(server, tmp_path / "x.parquet", "--tables", "spans", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []
