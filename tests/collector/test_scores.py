"""Scores by HTTP, against a real server: keys, pages of other origins, bounds, links."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from known_calls import PlainSpan, build_request
from opentelemetry.sdk.trace import TracerProvider
from running_server import Answer, RunningServer

import watchpost
from watchpost.runtime import Collector, Runtime, install
from watchpost.scores.feedback import write_token
from watchpost.scores.score import make_score
from watchpost_collector.access.issued_keys import issue_key, revoke_key

PUBLIC, INGEST, READ, BUSY = "p" * 24, "i" * 24, "r" * 24, "b" * 24
PATH = "/api/v1/scores"
PAGE = {"origin": "https://shop.example", "sec-fetch-site": "cross-site"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a key of each kind for the project `shop`."""
    keys = f"public@shop:{PUBLIC},ingest@shop:{INGEST},read@shop:{READ},public@shop:{BUSY}"
    directory = tmp_path_factory.mktemp("scores")
    with RunningServer(directory / "data", environ={"WATCHPOST_KEYS": keys}) as running:
        yield running


@pytest.fixture
def trace() -> str:
    return secrets.token_hex(16)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def post(server: RunningServer, told: Any, secret: str = PUBLIC, **headers: str) -> Answer:
    named = {"content-type": "application/json", **bearer(secret), **headers}
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return server.request("POST", PATH, body, named)


def read(server: RunningServer, trace: str, secret: str = READ) -> list[dict[str, Any]]:
    """The scores of a trace, once everything acknowledged is stored."""
    assert server.request("POST", "/api/flush", headers=bearer(INGEST)).status == 200
    answer = server.request("GET", f"/api/v1/traces/{trace}", headers=bearer(secret))
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["scores"]
    return found


def test_a_page_writes_a_score_with_a_public_key_and_may_read_the_answer(
    locked: RunningServer, trace: str
) -> None:
    told = {"trace": trace, "name": "helpful", "value": True, "comment": "yes!", "author": "u1"}

    answer = post(locked, told, **PAGE)

    assert (answer.status, answer.json()) == (200, {"accepted": 1})
    assert answer.headers["access-control-allow-origin"] == "*"
    [score] = read(locked, trace)
    told.pop("trace")
    assert {name: score[name] for name in told} == {**told, "value": 1.0}
    assert (score["kind"], score["source"], score["project"]) == ("boolean", "http", "shop")


def test_a_browser_is_told_what_it_may_do_before_it_does_it(locked: RunningServer) -> None:
    asks = {**PAGE, "access-control-request-method": "POST"}

    answer = locked.request("OPTIONS", PATH, headers=asks)

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert locked.request("OPTIONS", "/api/v1/traces", headers=asks).status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/traces"),
        ("POST", "/v1/logs"),
        ("GET", "/api/v1/traces"),
        ("GET", "/api/v1/scores"),
        ("GET", "/api/v1/key"),
        ("GET", "/api/status"),
        ("GET", "/metrics"),
        ("POST", "/api/flush"),
        ("GET", "/api/prices"),
        ("POST", "/api/erase"),
        ("GET", "/traces"),
    ],
)
def test_a_public_key_opens_nothing_else(locked: RunningServer, method: str, path: str) -> None:
    assert locked.request(method, path, headers=bearer(PUBLIC)).status in (401, 403)


def test_who_has_no_key_for_it_writes_no_score(locked: RunningServer, trace: str) -> None:
    told = {"trace": trace, "name": "s", "value": 1}

    assert post(locked, told, "nobody").status == 401
    assert post(locked, told, READ).status == 401
    refused = post(locked, told, "nobody", **PAGE)
    assert refused.headers["access-control-allow-origin"] == "*"
    assert post(locked, told, INGEST).status == 200


def test_half_a_character_does_not_cost_the_score(locked: RunningServer, trace: str) -> None:
    told = f'{{"trace": "{trace}", "name": "s", "value": 1, "comment": "a\\ud800b"}}'.encode()

    assert post(locked, told, INGEST).status == 200

    [score] = read(locked, trace)
    assert score["comment"] == "a?b"


@pytest.mark.parametrize(
    ("told", "status", "named"),
    [
        (b"{", 400, "JSON"),
        ([], 400, "0 scores"),
        ([{}] * 101, 400, "101 scores"),
        ("a text", 400, "no score"),
        ({"value": 1, "name": "s"}, 400, "trace"),
        ({"value": 1, "trace": "ab" * 16}, 400, "name"),
        ({"name": "s", "trace": "ab" * 16}, 400, "value"),
        ({"name": "s", "value": 1, "trace": "00" * 16}, 400, "zeros"),
        ({"name": "s", "value": 1, "trace": "ab" * 16, "comment": 5}, 400, "comment"),
        ({"name": "s", "value": 1, "trace": "ab" * 16, "project": "x"}, 400, "no score"),
        (b" " * 70_000, 413, "larger"),
    ],
)
def test_what_is_no_score_is_refused_by_name(
    locked: RunningServer, told: Any, status: int, named: str
) -> None:
    answer = post(locked, told, INGEST)

    assert answer.status == status
    assert named in answer.json()["error"]


def test_only_json_is_taken_so_that_no_plain_form_can_write(locked: RunningServer) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"content-type": kind, **bearer(PUBLIC)}
        assert locked.request("POST", PATH, b"{}", headers).status == 415


def test_a_public_key_that_writes_too_much_is_told_when_to_come_back(
    locked: RunningServer, trace: str
) -> None:
    many = [{"trace": trace, "name": f"n{n}", "value": 1} for n in range(100)]
    answers = [post(locked, many, BUSY) for _ in range(3)]

    assert [answer.status for answer in answers][-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert post(locked, many[0], PUBLIC).status == post(locked, many, INGEST).status == 200


def link_to(server: RunningServer, trace: str, value: Any, key: str = INGEST) -> str:
    install(Runtime(TracerProvider().get_tracer("t"), links=Collector(server.otlp_url, key)))
    try:
        link = watchpost.feedback_link(trace, "helpful", value)
    finally:
        install(None)
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def press(server: RunningServer, link: str, comment: str = "") -> Answer:
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": server.otlp_url}
    return server.request("POST", link, f"comment={quote(comment)}".encode(), headers)


def test_a_link_counts_when_its_button_is_pressed_and_not_before(
    locked: RunningServer, trace: str
) -> None:
    post(locked, {"trace": trace, "name": "other", "value": 1}, INGEST)
    link = link_to(locked, trace, "<b>bold</b>")

    seen = locked.request("GET", link)
    assert seen.status == 200
    assert b"&lt;b&gt;bold&lt;/b&gt;" in seen.body
    assert "default-src 'none'" in seen.headers["content-security-policy"]
    assert [score["name"] for score in read(locked, trace)] == ["other"]

    assert press(locked, link, "read by a person & more").status == 200
    [score] = [score for score in read(locked, trace) if score["name"] == "helpful"]
    assert (score["label"], score["source"]) == ("<b>bold</b>", "link")
    assert (score["comment"], score["project"]) == ("read by a person & more", "shop")


def test_the_other_thumb_replaces_the_first(locked: RunningServer, trace: str) -> None:
    for value in (True, False):
        assert press(locked, link_to(locked, trace, value)).status == 200

    [score] = read(locked, trace)
    assert (score["value"], score["kind"]) == (0.0, "boolean")


def test_a_link_nobody_with_a_key_made_or_that_has_ended_takes_nothing(
    locked: RunningServer, trace: str
) -> None:
    score = make_score("helpful", True, trace=trace)
    ended = write_token(score, INGEST, int(time.time()) - 1)
    public = write_token(score, PUBLIC, int(time.time()) + 60)
    tokens = {ended: 410, public: 400, "": 400, "nonsense": 400}
    tokens[write_token(score, "made up", int(time.time()) + 60)] = 400

    for token, status in tokens.items():
        link = f"/feedback?t={token}"
        assert locked.request("GET", link).status == status
        assert press(locked, link).status == status
    foreign = {"content-type": "application/x-www-form-urlencoded", **PAGE}
    link = link_to(locked, trace, True)
    assert locked.request("POST", link, b"", foreign).status == 403


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_keys_issued_while_it_runs_write_and_sign_until_they_are_revoked(
    locked: RunningServer, trace: str
) -> None:
    told = {"trace": trace, "name": "stars", "value": 5}
    public, in_pages = issue_key(locked.data, "web", "public")
    ingest, signing = issue_key(locked.data, "web", "ingest")
    link = link_to(locked, trace, True, signing)

    wait_until(lambda: locked.request("GET", link).status == 200)
    assert post(locked, told, in_pages, **PAGE).status == press(locked, link).status == 200
    for key in (public, ingest):
        revoke_key(locked.data, key.id)
    wait_until(lambda: locked.request("GET", link).status == 400)
    assert post(locked, told, in_pages).status == 401
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": locked.otlp_url}
    many = b"&".join(b"a=%d" % n for n in range(9))
    own = link_to(locked, trace, True)
    assert locked.request("POST", own, many, headers).status == 400


def test_without_keys_only_pages_of_this_machine_write(server: RunningServer, trace: str) -> None:
    told = json.dumps({"trace": trace, "name": "s", "value": 1}).encode()
    statuses = {
        origin: server.request(
            "POST", PATH, told, {"content-type": "application/json", "origin": origin}
        ).status
        for origin in ("https://shop.example", "null", "http://localhost:3000", server.otlp_url)
    }

    assert list(statuses.values()) == [403, 403, 200, 200]
    foreign = {"origin": "https://shop.example"}
    assert server.request("GET", PATH, headers=foreign).status == 403
    rebound = {"content-type": "application/json", "host": "evil.example"}
    assert server.request("POST", PATH, told, rebound).status == 421


def test_means_are_told_by_prompt_and_version(server: RunningServer) -> None:
    prompt = f"reply-{secrets.token_hex(4)}"
    for version, values in (("1", (0.0, 1.0)), ("2", (1.0, 1.0))):
        for value in values:
            trace, span = secrets.token_hex(16), secrets.token_hex(8)
            now = time.time_ns()
            call = PlainSpan(
                "chat",
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.prompt.name": prompt,
                    "gen_ai.prompt.version": version,
                },
                span, "", trace, now - 10**9, now,
            )  # fmt: skip
            told = [
                {"trace": trace, "name": "exact", "value": value},
                {"trace": trace, "span": span, "name": "tone", "value": "kind"},
            ]
            assert post(server, told).status == 200
            server.send(build_request([call]).SerializeToString())
    server.flush()

    answer = server.request("GET", f"{PATH}?since=1h&prompt={prompt}").json()

    told = [(s["name"], s["prompt_version"], s["scores"], s["mean"], s["labels"])
            for s in answer["scores"]]  # fmt: skip
    assert told == [
        ("exact", "1", 2, 0.5, {}),
        ("exact", "2", 2, 1.0, {}),
        ("tone", "1", 2, None, {"kind": 2}),
        ("tone", "2", 2, None, {"kind": 2}),
    ]
