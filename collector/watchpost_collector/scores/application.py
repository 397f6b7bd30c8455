"""Scores by HTTP: `POST /api/v1/scores` with a key, and `/feedback`, where a signed link leads.

What is taken goes the way of log records: admitted, masked where that is asked for, acknowledged
when it is on the disk. A link is shown by GET and counts by POST alone, because mail programs open
links to look at them. This file knows requests and answers, and no SQL.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import parse_qs

from watchpost.errors import BadPayload, Full
from watchpost.scores.feedback import FEEDBACK_PATH, MOST_TOKEN, Ticket, read_token
from watchpost.scores.score import MOST_COMMENT, Score
from watchpost.serving.asgi import read_body
from watchpost.serving.keys import KEYLESS, Grant, Keys, digest_secret, read_secret
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.intake.admission import Parcel
from watchpost_collector.intake.reception import Reception
from watchpost_collector.otlp.refusal import (
    PROTOBUF_TYPE,
    Refusal,
    Throttled,
    read_retry,
    read_status,
)
from watchpost_collector.otlp.signals import LOGS
from watchpost_collector.scores.confirmation import (
    HEADERS,
    draw_question,
    draw_refusal,
    draw_thanks,
)
from watchpost_collector.scores.cross_origin import allow_headers, answer_preflight, may_write
from watchpost_collector.scores.incoming import MOST_BYTES, read_scores, write_request
from watchpost_collector.scores.limits import ScoreLimits

SCORES_PATH = "/api/v1/scores"
_FORM_BYTES = 16 * MOST_COMMENT
_JSON = (b"content-type", b"application/json")


class ScoresApp:
    """Answers writing requests at `SCORES_PATH` and all at `FEEDBACK_PATH`."""

    def __init__(self, reception: Reception, keys: Keys, limits: ScoreLimits | None = None) -> None:
        self._reception = reception
        self._keys = keys
        self._limits = limits or ScoreLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == FEEDBACK_PATH:
            await self._answer_link(scope, receive, send)
        else:
            await self._answer_scores(scope, receive, send)

    async def _answer_scores(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _read_headers(scope)
        allowed = allow_headers(headers)
        try:
            if not may_write(headers, has_keys=bool(self._keys)):
                raise Refusal(403, "pages of other origins need a key", "watchpost keys create")
            if scope["method"] == "OPTIONS":
                await _send(send, 204, b"", [*allowed, *answer_preflight()])
                return
            taken = await self._take_scores(scope, receive, headers)
        except (BadPayload, Full) as error:
            self._reception.count_refusal(LOGS)
            await _send(send, read_status(error), _tell(str(error)), [_JSON, *allowed], error)
            return
        await _send(send, 200, b'{"accepted": %d}' % taken, [_JSON, *allowed])

    async def _take_scores(self, scope: Scope, receive: Receive, headers: dict[str, str]) -> int:
        if scope["method"] != "POST":
            raise Refusal(405, "scores are written with POST", f"POST {SCORES_PATH}")
        project, public = self._choose_project(scope)
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "a score is sent as application/json")
        body = await read_body(receive, MOST_BYTES)
        if len(body) > MOST_BYTES:
            raise Refusal(413, f"the body is larger than {MOST_BYTES} bytes")
        scores = read_scores(body)
        if public:
            self._limit(public, len(scores))
        await self._store(scores, "http", project)
        return len(scores)

    def _choose_project(self, scope: Scope) -> tuple[str, bytes]:
        """The project of the key, and what a public key is limited by; a secret one is trusted."""
        grant = self._keys.authorize(scope["headers"], "public")
        if grant is None or grant.scope != "public":
            return self._reception.choose_project(scope["headers"]), b""
        return grant.project, digest_secret(read_secret(scope["headers"]) or "")

    def _limit(self, name: bytes, scores: int) -> None:
        wait_s = self._limits.ask(name, scores)
        if wait_s > 0:
            raise Throttled("this key writes more scores than it may", round(wait_s, 3))

    async def _store(self, scores: Sequence[Score], source: str, project: str) -> None:
        now_ns = time.time_ns()
        body = write_request(scores, source, now_ns)
        self._reception.hold(len(body))
        try:
            await self._reception.take(
                Parcel(body, PROTOBUF_TYPE, "", project, now_ns, signal=LOGS)
            )
        finally:
            self._reception.let_go(len(body))

    async def _answer_link(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            ticket, grant = self._read_link(scope)
            if scope["method"] in ("GET", "HEAD"):
                page = draw_question(ticket.score)
            elif scope["method"] == "POST":
                page = draw_thanks(await self._take_link(scope, receive, ticket, grant))
            else:
                raise Refusal(405, "a link is opened with GET and sent with POST")
        except (BadPayload, Full) as error:
            words = draw_refusal(str(error))
            await _send(send, read_status(error), words, HEADERS, error, scope["method"])
            return
        await _send(send, 200, page, HEADERS, method=scope["method"])

    def _read_link(self, scope: Scope) -> tuple[Ticket, Grant]:
        asked = scope.get("query_string", b"")
        [token] = parse_qs(asked[: 2 * MOST_TOKEN].decode("latin-1")).get("t", [""])[:1]
        signers: dict[bytes, Grant] = {}

        def list_digests(key_id: str) -> Iterable[bytes]:
            signers.update(self._keys.list_signers(key_id))
            return signers

        ticket = read_token(token, list_digests if self._keys else None)
        if ticket.ends_s < time.time():
            raise Refusal(410, "this link has ended", "ask for a new one")
        if not ticket.score.has_trace:
            raise Refusal(400, "this link is of no trace")
        return ticket, signers.get(ticket.signer, KEYLESS)

    async def _take_link(
        self, scope: Scope, receive: Receive, ticket: Ticket, grant: Grant
    ) -> Score:
        body = await read_body(receive, _FORM_BYTES)
        if len(body) > _FORM_BYTES:
            raise Refusal(413, "the comment is too long")
        try:
            said = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
        except ValueError as error:
            raise Refusal(400, "this is not the form of the page") from error
        comment = said.get("comment", [""])[0].strip()[:MOST_COMMENT]
        score = replace(ticket.score, comment=comment)
        self._limit(score.trace.encode(), 1)
        await self._store([score], "link", grant.project)
        return score


def _read_headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1").strip()
        for name, value in scope["headers"]
    }


def _tell(reason: str) -> bytes:
    return json.dumps({"error": reason}).encode()


async def _send(
    send: Send,
    status: int,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    error: BadPayload | Full | None = None,
    method: str = "POST",
) -> None:
    told = [*headers, (b"content-length", str(len(body)).encode())]
    if error is not None and (retry_s := read_retry(error)):
        told.append((b"retry-after", str(retry_s).encode()))
    if not any(name == b"cache-control" for name, _ in told):
        told.append((b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
