"""The read API over a real store: each project its own, paged, filtered, bounded."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow
import pyarrow.parquet
import pytest
from otlp_signals import Logs
from store_segments import NOON_NS, make_call, name_segment, pack_segment

from watchpost.serving.keys import Keys, parse_keys
from watchpost_collector.api import answers
from watchpost_collector.api.application import Api
from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.query.export import Export, open_parquet
from watchpost_collector.query.reader import Reader
from watchpost_collector.store.client import Store
from watchpost_collector.store.scores import settle_new
from watchpost_collector.store.settle import settle

DAY_S = 86_400
MESSAGE = {"gen_ai__input__messages": '[{"role":"user","content":"where is my parcel"}]'}


def moment(offset_s: float = 0) -> str:
    return datetime.fromtimestamp(NOON_NS / 1e9 + offset_s, UTC).isoformat()


WINDOW = {"since": moment(-3600), "until": moment(DAY_S)}


@dataclass
class Asked:
    """The API as one key sees it."""

    api: Api
    secret: str = ""

    async def get(self, path: str, **parameters: str) -> tuple[int, bytes]:
        headers = [(b"authorization", f"Bearer {self.secret}".encode())] if self.secret else []
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/api/v1/{path}",
            "query_string": urlencode(parameters).encode(),
            "headers": headers,
        }
        status, body = 0, b""

        async def send(message: Any) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")

        async def receive() -> Any:
            return {"type": "http.request"}

        await self.api(scope, receive, send)
        return status, body

    async def ask(self, path: str, **parameters: str) -> Any:
        status, body = await self.get(path, **parameters)
        assert status == 200, body
        return json.loads(body, parse_float=Decimal)


@dataclass
class Served:
    reader: Reader
    keys: Keys


@pytest.fixture(scope="module")
def projects(store: Store) -> tuple[str, str]:
    """Two projects: three calls in two traces, and one call with the same trace id as the first."""
    mine, other = name_segment("mine"), name_segment("other")
    ours = [
        make_call(trace_id="a1" * 16, gen_ai__prompt__name="greet", user__id="jane", **MESSAGE),
        make_call(trace_id="a1" * 16, start_ms=10, parent="99" * 8),
        make_call(trace_id="a2" * 16, start_ms=60_000, gen_ai__request__model="gpt-4o-mini"),
    ]
    theirs = [make_call(trace_id="a1" * 16, start_ms=5, gen_ai__prompt__name="secret", **MESSAGE)]
    for project, spans in ((mine, ours), (other, theirs)):
        segment = name_segment()
        store.insert_segment(pack_segment(segment, spans, project), segment)
        settle(store, segment)
    return mine, other


@pytest.fixture(scope="module")
def reader(store: Store) -> Iterator[Reader]:
    opened = Reader(store.dsn)
    yield opened
    opened.close()


@pytest.fixture
def api(store: Store, reader: Reader, projects: tuple[str, str], tmp_path: Path) -> Iterator[Api]:
    mine, other = projects
    keys = parse_keys(
        f"read@{mine}:{'m' * 20},read@{other}:{'o' * 20},admin:{'a' * 20},ingest@{mine}:{'i' * 20}"
    )
    opened = Api(Served(reader, keys), store.dsn, tmp_path)
    yield opened
    opened.close()
    # What an export wrote on the way is gone with it.
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mine(api: Api) -> Asked:
    return Asked(api, "m" * 20)


@pytest.fixture
def admin(api: Api) -> Asked:
    return Asked(api, "a" * 20)


@pytest.mark.parametrize("path", ["traces", "generations", "usage", "prompts", "export/spans"])
async def test_only_a_reading_key_is_answered(api: Api, path: str) -> None:
    for secret in ("", "x" * 20, "i" * 20):
        status, body = await Asked(api, secret).get(path)
        assert status == 401
        assert b"key" in body


async def test_a_key_sees_its_own_project_and_may_not_name_another(
    mine: Asked, admin: Asked, projects: tuple[str, str]
) -> None:
    own, other = projects
    for path, rows in (("traces", "traces"), ("generations", "generations")):
        seen = (await mine.ask(path, **WINDOW))[rows]
        assert {row["project"] for row in seen} == {own}
        assert (await mine.get(path, project=other, **WINDOW))[0] == 403
        assert (await mine.ask(path, project=own, **WINDOW))[rows] == seen
        both = (await admin.ask(path, limit="500", **WINDOW))[rows]
        assert {own, other} <= {row["project"] for row in both}
        theirs = (await admin.ask(path, project=other, **WINDOW))[rows]
        assert {row["project"] for row in theirs} == {other}
    for path in ("usage", "prompts", "export/spans", "export/spans/days", f"traces/{'a1' * 16}"):
        window = {} if path.startswith("traces/") else WINDOW
        assert (await mine.get(path, project=other, **window))[0] == 403
    assert await mine.ask("key") == {"project": own, "scope": "read"}


async def test_traces_carry_their_sums_and_are_narrowed(mine: Asked) -> None:
    later, first = (await mine.ask("traces", **WINDOW))["traces"]
    assert (first["trace_id"], first["spans"], first["calls"]) == ("a1" * 16, 2, 2)
    assert first["input_tokens"] == 200
    assert first["prompts"] == [{"name": "greet", "version": ""}]
    assert first["user_id"] == "jane"
    assert first["start"].startswith(moment()[:19])
    assert later["models"] == ["gpt-4o-mini"]
    for narrowed, expected in (
        ({"prompt": "greet"}, ["a1" * 16]),
        ({"model": "gpt-4o-mini"}, ["a2" * 16]),
        ({"user": "jane"}, ["a1" * 16]),
        ({"status": "error"}, []),
        ({"prompt": "secret"}, []),
    ):
        found = (await mine.ask("traces", **WINDOW, **narrowed))["traces"]
        assert [row["trace_id"] for row in found] == expected


@pytest.mark.parametrize(("path", "key"), [("traces", "trace_id"), ("generations", "span_id")])
async def test_pages_follow_each_other_without_gap_or_repeat(
    mine: Asked, path: str, key: str
) -> None:
    whole = [row[key] for row in (await mine.ask(path, **WINDOW))[path]]
    found: list[str] = []
    page = await mine.ask(path, limit="1", **WINDOW)
    while True:
        assert len(page[path]) == 1
        found.append(page[path][0][key])
        if page["next"] is None:
            break
        page = await mine.ask(path, limit="1", cursor=page["next"])
    assert found == whole


async def test_a_trace_is_shown_whole_with_its_messages(mine: Asked, api: Api) -> None:
    trace = await mine.ask(f"traces/{'a1' * 16}")
    assert len(trace["spans"]) == len(trace["generations"]) == 2
    assert [row["input_messages"] for row in trace["content"]] == [
        [{"role": "user", "content": "where is my parcel"}]
    ]
    assert (await mine.ask(f"traces/{'a1' * 16}", content="0"))["content"] == []
    theirs = await Asked(api, "o" * 20).ask(f"traces/{'a1' * 16}")
    assert [span["span_id"] for span in theirs["spans"]] != [
        span["span_id"] for span in trace["spans"]
    ]
    assert (await Asked(api, "o" * 20).get(f"traces/{'a2' * 16}"))[0] == 404


async def test_messages_beyond_the_bound_are_left_out_and_counted(
    mine: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_CONTENT_BYTES", 10)
    trace = await mine.ask(f"traces/{'a1' * 16}")
    assert (trace["content"], trace["content_left_out"]) == ([], 1)


async def test_usage_is_split_as_asked_and_adds_up(mine: Asked) -> None:
    [whole] = (await mine.ask("usage", by="", **WINDOW))["usage"]
    assert (whole["calls"], whole["input_tokens"], whole["output_tokens"]) == (3, 300, 30)
    assert float(whole["duration_ms"]["p50"]) == pytest.approx(100, rel=0.01)
    by_model = (await mine.ask("usage", by="day,model", **WINDOW))["usage"]
    assert {row["model"]: row["calls"] for row in by_model} == {"gpt-4o": 2, "gpt-4o-mini": 1}
    hours = (await mine.ask("usage", **WINDOW))["usage"]
    assert {row["hour"] for row in hours} == {moment()[:19] + "Z"}
    assert sum(row["calls"] for row in hours) == 3


async def test_prompts_are_listed_with_what_they_cost(mine: Asked) -> None:
    [prompt] = (await mine.ask("prompts", **WINDOW))["prompts"]
    assert (prompt["name"], prompt["calls"], prompt["input_tokens"]) == ("greet", 1, 100)
    assert prompt["models"] == ["gpt-4o"]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("traces", {"limit": "0"}),
        ("traces", {"limit": "501"}),
        ("traces", {"colour": "red"}),
        ("traces", {"status": "sad"}),
        ("traces", {"since": "soon"}),
        ("traces", {"since": moment(10), "until": moment(-10)}),
        ("traces", {"cursor": "e30"}),
        ("traces", {"cursor": "WzEsMSwxLDFd"}),
        ("traces", {"cursor": "!" * 400}),
        ("traces", {"user": "x" * 501}),
        ("usage", {"by": "hour,hour"}),
        ("usage", {"by": "1; drop table spans"}),
        ("generations", {"guard": "pii"}),
    ],
)
async def test_what_cannot_be_answered_is_told(
    mine: Asked, path: str, parameters: dict[str, str]
) -> None:
    status, body = await mine.get(path, **parameters)
    assert status == 400
    assert json.loads(body)["error"]


@pytest.mark.parametrize("path", ["", "nothing", "traces/x/y", "export/", "export/keys", "key/x"])
async def test_there_is_nothing_at_other_paths(mine: Asked, path: str) -> None:
    assert (await mine.get(path))[0] == 404


@pytest.mark.parametrize("relation", ["spans", "generations", "content", "verdicts"])
async def test_an_export_is_parquet_with_the_engines_types(
    mine: Asked, projects: tuple[str, str], relation: str
) -> None:
    status, body = await mine.get(f"export/{relation}", **WINDOW)
    assert status == 200
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    assert table.num_rows == {"spans": 3, "generations": 3, "content": 1, "verdicts": 0}[relation]
    assert set(table["project"].to_pylist()) <= {projects[0]}
    assert table.schema.field("start").type == pyarrow.timestamp("ns", tz="UTC")
    days = await mine.ask(f"export/{relation}/days", **WINDOW)
    assert sum(day["rows"] for day in days["days"]) == table.num_rows
    if relation == "generations":
        assert table.schema.field("cost").type == pyarrow.decimal128(18, 9)
        assert pyarrow.types.is_map(table.schema.field("segments").type)
        assert table.schema.field("input_tokens").type == pyarrow.uint64()


async def test_scores_are_told_by_prompt_version_and_exported(
    mine: Asked, projects: tuple[str, str], store: Store
) -> None:
    logs, segment = Logs(), f"{name_segment()}-logs"
    for name, said in (("thumb", {"value": 1.0}), ("thumb", {"value": 0.0}), ("t", {"label": "a"})):
        logs.add(
            "gen_ai.evaluation.result",
            trace_id=bytes.fromhex("a1" * 16),
            gen_ai__evaluation__name=name,
            watchpost__score__author=f"reader-{said}",
            **{f"gen_ai__evaluation__score__{key}": value for key, value in said.items()},
        )
    body = logs.encode()
    letter = Letter(body, projects[0], time.time_ns(), 3)
    store.insert_segment(frame_head(letter, segment) + body, segment)
    settle_new(store, segment)

    told = (await mine.ask("scores", prompt="greet"))["scores"]
    shown = [(s["name"], s["prompt_name"], s["scores"], s["mean"], s["labels"]) for s in told]
    assert shown == [("t", "greet", 1, None, {"a": 1}), ("thumb", "greet", 2, 0.5, {})]
    assert (await mine.ask("scores", prompt="other"))["scores"] == []
    _, exported = await mine.get("export/scores")
    table = pyarrow.parquet.read_table(io.BytesIO(exported))
    assert sorted(table["value"].to_pylist(), key=str) == [0.0, 1.0, None]
    assert table.schema.field("time").type == pyarrow.timestamp("ns", tz="UTC")


async def test_a_large_export_comes_in_small_row_groups(store: Store, tmp_path: Path) -> None:
    project = name_segment("large")
    store.command(
        "insert into watchpost.verdicts (project, trace_id, span_id, start) "
        "select {p:String}, 'aa', toString(number), now64(9) from numbers({n:UInt64})",
        {"p": project, "n": 2**17},
    )
    export = Export("verdicts", project, 0, time.time_ns() + 10**12)
    with open_parquet(store.dsn, export, tmp_path) as pieces:
        body = b"".join(pieces)
    file = pyarrow.parquet.ParquetFile(io.BytesIO(body))
    assert file.metadata.num_rows == 2**17
    assert max(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)) <= 2**16
    assert file.num_row_groups > 1
