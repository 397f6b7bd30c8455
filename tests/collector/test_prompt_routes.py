"""The routes of prompts: who may fetch, read and write, and what a refresh costs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from store_segments import name_segment

from watchpost.errors import CollectorError
from watchpost.serving.keys import Keys, parse_keys
from watchpost_collector.context import Context
from watchpost_collector.prompt_routes import PROMPTS_PREFIX, PromptRoutes
from watchpost_collector.store.client import Store

INGEST, READ, ADMIN = "ingest-secret-of-a-team", "read-secret-of-a-team", "admin-secret-of-all"
CHAT = [{"role": "user", "content": "{{q}}"}]


@dataclass
class Told:
    """An answer: `body` is None where there was none."""

    status: int
    body: Any
    headers: dict[str, str]


class Asker:
    """Asks the routes as ASGI does."""

    def __init__(self, store: Store) -> None:
        self.project = name_segment("prompt-routes")
        text = f"ingest@{self.project}:{INGEST},read@{self.project}:{READ},admin:{ADMIN}"
        context = SimpleNamespace(keys=parse_keys(text), store=SimpleNamespace(store=store))
        self.context = context
        self.routes = PromptRoutes(cast("Context", context))

    async def ask(
        self, method: str, path: str, key: str, body: Any = None, etag: str = "", **query: Any
    ) -> Told:
        headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
        if etag:
            headers.append((b"if-none-match", etag.encode()))
        scope = {
            "method": method,
            "path": PROMPTS_PREFIX + path,
            "headers": headers,
            "query_string": urlencode(query).encode(),
        }
        sent: list[Any] = []
        given = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": given, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.routes(scope, receive, send)
        start, rest = sent
        named = {name.decode(): value.decode() for name, value in start["headers"]}
        return Told(start["status"], json.loads(rest["body"]) if rest["body"] else None, named)

    async def get(self, path: str, key: str = READ, **query: Any) -> Told:
        return await self.ask("GET", path, key, **query)

    async def push(self, template: Any, name: str = "answer", **more: Any) -> Told:
        body = {"name": name, "template": template, **more}
        return await self.ask("POST", "push", ADMIN, body, project=self.project)

    async def move(self, label: str, version: Any, name: str = "answer") -> Told:
        body = {"name": name, "label": label, "version": version}
        return await self.ask("POST", "label", ADMIN, body, project=self.project)


@pytest.fixture
def asker(store: Store) -> Asker:
    return Asker(store)


async def test_what_was_pushed_and_labelled_is_fetched(asker: Asker) -> None:
    assert (await asker.push(CHAT, note="first")).body == {
        "name": "answer",
        "version": 1,
        "new": True,
    }
    assert (await asker.push(CHAT)).body["new"] is False
    moved = (await asker.move("production", 1)).body
    assert moved == {"name": "answer", "label": "production", "before": 0, "after": 1}

    told = await asker.get("template", INGEST, name="answer", label="production")

    assert told.status == 200
    assert told.body["template"] == CHAT
    assert (told.body["version"], told.body["note"], told.body["label"]) == (
        1,
        "first",
        "production",
    )
    by_number = await asker.get("template", INGEST, name="answer", version=1)
    assert by_number.body["sha"] == told.body["sha"]


async def test_a_refresh_without_news_has_no_body(asker: Asker) -> None:
    await asker.push("one")
    await asker.move("production", 1)
    asked = {"name": "answer", "label": "production"}
    etag = (await asker.get("template", **asked)).headers["etag"]

    same = await asker.get("template", etag=f'"other", W/{etag}', **asked)
    await asker.push("two")
    still = await asker.get("template", etag=etag, **asked)
    await asker.move("production", 2)
    news = await asker.get("template", etag=etag, **asked)

    assert (same.status, same.body) == (304, None)
    assert still.status == 304
    assert (news.status, news.body["template"]) == (200, "two")
    assert news.headers["etag"] != etag


async def test_the_library_and_the_history_are_told(asker: Asker) -> None:
    for text in ("one", "two"):
        await asker.push(text)
    await asker.move("production", 2)
    await asker.move("production", 1)

    [listed] = (await asker.get("library")).body["prompts"]
    history = (await asker.get("history", name="answer")).body

    assert (listed["name"], listed["version"], listed["labels"]) == ("answer", 2, {"production": 1})
    assert [v["version"] for v in history["versions"]] == [2, 1]
    assert [(m["label"], m["version"]) for m in history["moves"]] == [
        ("production", 1),
        ("production", 2),
    ]
    assert "template" not in history["versions"][0]


@pytest.mark.parametrize(
    ("path", "method", "may"),
    [
        ("template", "GET", {INGEST, READ, ADMIN}),
        ("library", "GET", {READ, ADMIN}),
        ("history", "GET", {READ, ADMIN}),
        ("push", "POST", {ADMIN}),
        ("label", "POST", {ADMIN}),
    ],
)
async def test_each_route_takes_its_keys_and_no_other(
    asker: Asker, path: str, method: str, may: set[str]
) -> None:
    refused = {
        key
        for key in (INGEST, READ, ADMIN, "nobody's-secret-at-all", "")
        if (await asker.ask(method, path, key, {})).status == 401
    }
    assert refused == {INGEST, READ, ADMIN, "nobody's-secret-at-all", ""} - may


async def test_without_keys_this_machine_may_do_everything(asker: Asker) -> None:
    asker.context.keys = Keys()
    body = {"name": "answer", "template": "one"}
    told = await asker.ask("POST", "push", "", body, project=asker.project)
    assert told.body == {"name": "answer", "version": 1, "new": True}


async def test_a_key_sees_its_own_project_and_may_not_name_another(asker: Asker) -> None:
    await asker.push("one")
    fetched = await asker.get("template", INGEST, name="answer", label="latest")
    other = await asker.get("template", INGEST, name="answer", label="latest", project="other")
    admins = await asker.get("template", ADMIN, name="answer", label="latest")

    assert fetched.status == 200
    assert (other.status, other.body["error"]) == (403, "this key belongs to another project")
    assert admins.status == 404
    assert (await asker.get("library", ADMIN, project="a b")).status == 400


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"name": "answer", "label": "nowhere"}, 404, "no prompt 'answer' with label 'nowhere'"),
        ({"name": "answer", "version": "9"}, 404, "with version 9"),
        ({"name": "answer"}, 400, "either label= or version="),
        ({"name": "answer", "label": "x", "version": "1"}, 400, "either label= or version="),
        ({"name": "answer", "version": "one"}, 400, "give a number"),
        ({"name": "answer", "label": "a b"}, 400, "label="),
        ({"label": "x"}, 400, "name a prompt"),
        ({"name": "answer", "lable": "x"}, 400, "lable="),
    ],
)
async def test_what_cannot_be_fetched_is_told(
    asker: Asker, query: dict[str, str], status: int, told: str
) -> None:
    await asker.push("one")
    answer = await asker.get("template", **query)
    assert answer.status == status
    assert told in answer.body["error"]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("push", b"{", "JSON object"),
        ("push", b"[" * 10_000, "JSON object"),
        ("push", b"7", "JSON object"),
        ("push", {"template": "x"}, "name a prompt"),
        ("push", {"name": 7, "template": "x"}, "send a text"),
        ("push", {"name": "a", "template": 7}, "chat messages"),
        ("push", {"name": "a", "template": "x" * 300_000}, "262,144"),
        ("push", b" " * 3_000_000, "at most"),
        ("push", {"name": "a", "template": "x", "label": "y"}, "label="),
        ("push", {"prompts": []}, "a list of objects"),
        ("push", {"prompts": ["x"]}, "a list of objects"),
        ("push", {"prompts": [{"name": "a", "template": "x", "tag": "y"}]}, "tag="),
        ("push", {"prompts": [{"name": "a", "template": "x"}], "name": "a"}, "name="),
        ("push", {"name": "a\n", "template": "x"}, "1 to 200 characters"),
        ("push", {"name": "a", "template": "x\ud83d"}, "character 2 is half of one"),
        ("push", {"name": "a", "template": "x", "project": "other"}, "project="),
        ("label", {"name": "a", "label": "x", "version": "1"}, "give a number"),
        ("label", {"name": "a", "label": "x", "version": True}, "give a number"),
        ("label", {"name": "a", "label": "x", "version": 1}, "no such version"),
        ("label", {"name": "a", "label": "latest", "version": 1}, "newest version by itself"),
    ],
)
async def test_what_cannot_be_written_is_told(
    asker: Asker, path: str, body: Any, told: str
) -> None:
    answer = await asker.ask("POST", path, ADMIN, body, project=asker.project)
    assert answer.status == 400
    assert told in answer.body["error"]


async def test_other_paths_and_methods_are_refused(asker: Asker) -> None:
    assert (await asker.get("nothing")).status == 404
    assert (await asker.get("push")).status == 405


async def test_a_store_that_is_away_is_said_so(asker: Asker) -> None:
    class Away:
        keys = Keys()

        @property
        def store(self) -> None:
            raise CollectorError("the store is loading", "try again in a moment")

    asker.routes = PromptRoutes(cast("Context", Away()))
    assert (await asker.get("template", name="a", label="b")).status == 503
