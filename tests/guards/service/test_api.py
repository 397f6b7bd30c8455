"""The routes of the service: who may ask, what is understood, and what every answer looks like."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from watchpost import Verdict
from watchpost.errors import ConfigError, Full
from watchpost.screening.guard import Guard, Question
from watchpost.serving.keys import parse_keys
from watchpost.serving.origin import OriginGuard, served_hosts
from watchpost.testing import FakeGuard
from watchpost_guards.hosted import DEADLINE_HEADER
from watchpost_guards.service.api import KEY_RING, GuardApi
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.desk import Desk, Limits
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.roster import Load, Roster, refuse_replacement
from watchpost_guards.service.schedule import Bounds

SECRET = "the rawest text"
CHECK, ADMIN = "check-key-0123456789", "admin-key-0123456789"
KEYS = f"check:{CHECK},admin:{ADMIN}"
LARGEST = 4096


class Waiting:
    """A guard that answers when it is let, on another host where it says so."""

    name = "waiting"

    def __init__(self, *, remote: bool = False) -> None:
        self.remote = remote
        self.started, self.free = threading.Event(), threading.Event()
        self.asked = 0

    def check(self, question: Question) -> Verdict:
        self.asked += 1
        self.started.set()
        assert self.free.wait(30)
        return Verdict(self.name)


@asynccontextmanager
async def serve(
    *guards: Guard,
    keys: str = "",
    limits: Limits | None = None,
    load: Load = refuse_replacement,
    host: str = "127.0.0.1",
) -> AsyncIterator[httpx.AsyncClient]:
    meter = Meter()
    roster = Roster({guard.name: guard for guard in guards}, load)
    desk = Desk(roster, Batcher(Bounds(), meter), meter, limits or Limits())
    desk.open()
    app = OriginGuard(GuardApi(desk, parse_keys(keys, KEY_RING), LARGEST), served_hosts(host))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client
    await asyncio.to_thread(desk.close)


def ask(client: httpx.AsyncClient, guards: list[str] | None = None, **headers: str) -> Any:
    body: dict[str, Any] = {"text": SECRET}
    if guards is not None:
        body["guards"] = guards
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/check", json=body, headers=named)


async def test_every_guard_answers_when_none_is_named_and_is_told_what_was_said() -> None:
    word, other = FakeGuard("word", words=["rawest"]), FakeGuard("other")
    async with serve(word, other) as client:
        told = {"direction": "output", "model": "m", "context": ["c"], "prompt": "p", "system": "s"}
        answer = await client.post("/v1/check", json={"text": SECRET, **told})
    found = {verdict["guard"]: verdict for verdict in answer.json()["verdicts"]}
    assert answer.status_code == 200
    assert sorted(found) == ["other", "word"]
    assert found["word"]["findings"] == [{"start": 4, "end": 10, "label": "FAKE", "score": 1.0}]
    assert not found["other"]["tripped"]
    expected = Question(SECRET, "output", "m", ("c",), prompt="p", system="s")
    assert word.asked == other.asked == [expected]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        ({"text": 5}, 400),
        ({"text": SECRET, "txet": SECRET}, 400),
        ({"text": SECRET, "direction": "sideways"}, 400),
        ({"text": SECRET, "guards": "word"}, 400),
        ({"text": SECRET, "context": SECRET}, 400),
        ({"text": SECRET, "prompt": [SECRET]}, 400),
        ({"text": SECRET, "guards": ["mind reader"]}, 404),
        (b'"' + b"x" * LARGEST + b'"', 413),
    ],
)
async def test_what_cannot_be_understood_is_refused_without_repeating_it(
    body: Any, status: int
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with serve(FakeGuard("word")) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/v1/check", content=content, headers=headers)
    assert answer.status_code == status
    assert "rawest" not in answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/xml"}, 415),
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "localhost"}, 200),
    ],
)
async def test_a_web_page_cannot_use_it(headers: dict[str, str], status: int) -> None:
    async with serve(FakeGuard("word")) as client:
        assert (await ask(client, **headers)).status_code == status


@pytest.mark.parametrize(
    ("header", "may_check", "may_replace"),
    [
        (f"Bearer {CHECK}", True, False),
        (f"bearer {ADMIN}", True, True),
        ("Bearer wrong", False, False),
        ("", False, False),
    ],
)
async def test_with_keys_a_caller_shows_one_that_may(
    header: str, may_check: bool, may_replace: bool
) -> None:
    def load(name: str, revision: str) -> Guard:
        return FakeGuard(name)

    async with serve(FakeGuard("word"), keys=KEYS, load=load) as client:
        client.headers["authorization"] = header
        checked = [
            (await ask(client)).status_code,
            (await client.get("/metrics")).status_code,
            (await client.get("/v1/guards")).status_code,
        ]
        order = {"revision": "2"}
        replaced = (await client.post("/v1/guards/word", json=order)).status_code
        opened = [(await client.get(path)).status_code for path in ("/healthz", "/readyz")]
    assert checked == [200 if may_check else 401] * 3
    assert replaced == (200 if may_replace else 401)
    assert opened == [200, 200]


async def test_an_answer_that_would_be_late_is_not_waited_for() -> None:
    slow, quick = Waiting(), FakeGuard("quick", [True])
    async with serve(slow, quick) as client:
        answer = await ask(client, **{DEADLINE_HEADER: "50"})
        slow.free.set()
        found = {verdict["guard"]: verdict for verdict in answer.json()["verdicts"]}
    assert (found["waiting"]["failed"], found["waiting"]["label"]) == (True, "late")
    assert (found["quick"]["failed"], found["quick"]["tripped"]) == (False, True)


async def test_a_question_whose_time_has_passed_costs_nothing() -> None:
    guard = FakeGuard("word")
    async with serve(guard) as client:
        answer = await ask(client, **{DEADLINE_HEADER: "0"})
        wrong = await ask(client, **{DEADLINE_HEADER: "soon"})
    assert answer.json()["verdicts"][0]["label"] == "late"
    assert wrong.status_code == 400
    assert guard.asked == []


async def test_more_than_may_be_open_is_refused_with_when_to_come_back() -> None:
    slow = Waiting()
    async with serve(slow, FakeGuard("word"), limits=Limits(open_requests=1)) as client:
        first = asyncio.create_task(ask(client, ["waiting"]))
        await asyncio.to_thread(slow.started.wait, 30)
        refused = await ask(client, ["word"])
        slow.free.set()
        assert (await first).status_code == 200
        assert (await ask(client, ["word"])).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_device_with_too_much_to_do_refuses_the_request() -> None:
    async with serve(FakeGuard("full", [Full("too much waits", 3.0)])) as client:
        assert (await ask(client)).status_code == 429


class Leaving:
    """A guard that ends its thread, or at least tries to."""

    name = "leaving"

    def check(self, question: Question) -> Verdict:
        raise SystemExit(question.text)


async def test_a_guard_that_leaves_takes_nobody_with_it() -> None:
    async with serve(Leaving(), FakeGuard("word")) as client:
        answer = await ask(client)
    found = {verdict["guard"]: verdict for verdict in answer.json()["verdicts"]}
    assert (found["leaving"]["failed"], found["leaving"]["reason"]) == (True, "SystemExit")
    assert not found["word"]["failed"]


async def test_trouble_of_our_own_is_told_by_its_kind_and_repeats_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load(name: str, revision: str) -> Guard:
        raise ZeroDivisionError(SECRET)

    async with serve(FakeGuard("word"), load=load) as client:
        answer = await client.post("/v1/guards/word", json={"revision": "2"})
    assert (answer.status_code, answer.json()) == (500, {"error": "ZeroDivisionError"})
    assert "rawest" not in caplog.text


async def test_a_dead_host_behind_one_guard_costs_the_others_nothing() -> None:
    dead, word = Waiting(remote=True), FakeGuard("word")
    async with serve(dead, word, limits=Limits(threads=1, remote_threads=1)) as client:
        for _ in range(7):
            late = await ask(client, ["waiting"], **{DEADLINE_HEADER: "20"})
            assert late.json()["verdicts"][0]["failed"]
        assert not (await ask(client, ["word"])).json()["verdicts"][0]["failed"]
        dead.free.set()
    assert dead.asked == 1


async def test_a_far_guard_that_keeps_failing_is_left_alone() -> None:
    far = FakeGuard("far", [OSError()] * 9)
    far.remote = True  # type: ignore[attr-defined]
    async with serve(far) as client:
        labels = [(await ask(client)).json()["verdicts"][0]["label"] for _ in range(7)]
    assert labels == ["error"] * 5 + ["circuit_open"] * 2


async def test_a_guard_is_replaced_by_its_revision_and_by_nothing_else() -> None:
    def load(name: str, revision: str) -> Guard:
        if revision == "gone":
            raise ConfigError("revision", revision, "name one there is")
        guard = FakeGuard(name, [True])
        guard.revision = revision  # type: ignore[attr-defined]
        return guard

    async with serve(FakeGuard("word", [False]), load=load) as client:

        async def order(name: str, revision: object) -> httpx.Response:
            return await client.post(f"/v1/guards/{name}", json={"revision": revision})

        refused = [await order("word", bad) for bad in ("../../etc", ".git", "", 5, "x" * 200)]
        gone, nobody = await order("word", "gone"), await order("nobody", "2")
        done = await order("word", "2")
        listed = (await client.get("/v1/guards")).json()
        verdict = (await ask(client)).json()["verdicts"][0]
    assert [answer.status_code for answer in refused] == [400] * 5
    assert (gone.status_code, nobody.status_code) == (422, 404)
    assert done.json() == {"guard": "word", "before": "", "revision": "2"}
    assert listed == {"guards": {"word": "2"}}
    assert verdict["tripped"]


async def test_metrics_count_what_happened_and_hold_no_text() -> None:
    guards = FakeGuard("word", [True, False, OSError(SECRET)]), FakeGuard("other")
    async with serve(*guards) as client:
        for _ in range(3):
            await ask(client, ["word"])
        await ask(client, [SECRET])
        told = (await client.get("/metrics")).text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }
    checks = "watchpost_guards_checks_total"
    outcomes = {outcome: samples[checks, outcome, "word"] for outcome in ("failed", "passed")}
    assert outcomes == {"failed": 1.0, "passed": 1.0}
    assert samples[checks, "tripped", "word"] == 1.0
    assert samples["watchpost_guards_requests_total", "200"] == 3.0
    assert samples["watchpost_guards_requests_total", "404"] == 1.0
    assert "rawest" not in told


async def test_its_description_holds_for_what_it_takes_and_gives() -> None:
    async with serve(FakeGuard("word", words=["rawest"])) as client:
        description = (await client.get("/openapi.json")).json()
        given = {
            ("/v1/check", "post"): await ask(client),
            ("/v1/guards", "get"): await client.get("/v1/guards"),
            ("/healthz", "get"): await client.get("/healthz"),
            ("/readyz", "get"): await client.get("/readyz"),
        }
        wrong = await client.get("/v1/check")
    for (path, method), answer in given.items():
        responses = description["paths"][path][method]["responses"]
        check_schema(description, responses[str(answer.status_code)], answer.json())
    question = description["components"]["schemas"]["Question"]
    jsonschema.validate({"text": SECRET, "guards": ["word"]}, question)
    for bad in ({}, {"text": 5}, {"text": "", "guards": ["nobody"]}, {"text": "", "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, question)
    assert wrong.status_code == 405


def check_schema(description: Any, response: Any, answer: Any) -> None:
    schema = response["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": description["components"]})


async def test_until_it_is_warm_it_is_not_ready_and_answers_nothing() -> None:
    meter = Meter()
    roster = Roster({"word": FakeGuard("word")}, refuse_replacement)
    desk = Desk(roster, Batcher(Bounds(), meter), meter, Limits())
    api = GuardApi(desk, parse_keys(""), LARGEST)
    transport = httpx.ASGITransport(app=api)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def look() -> list[int]:
            health, ready = await client.get("/healthz"), await client.get("/readyz")
            return [health.status_code, ready.status_code, (await ask(client)).status_code]

        loading = await look()
        desk.open()
        warm = await look()
        desk.stop_taking()
        stopping = await look()
    await asyncio.to_thread(desk.close)
    assert (loading, warm, stopping) == ([200, 503, 503], [200, 200, 200], [200, 503, 503])
