"""Feedback links: a score given by following a link, signed so that none can be made up.

A link holds one score and a day it ends; the collector shows what it says and takes it when a
person confirms. It is signed with what both sides know of the ingest key (its digest), so nothing
has to be stored or agreed on, and a key that is revoked takes its links along. This file makes and
reads tokens; it opens no connection and knows no page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

from watchpost.errors import BadPayload, ConfigError
from watchpost.runtime import SHIELD, active
from watchpost.scope import Handle
from watchpost.scores.score import Score, make_score

FEEDBACK_PATH = "/feedback"
LINK_DAYS = 30
MOST_LINK_DAYS = 400
MOST_TOKEN = 4096
_PURPOSE = b"watchpost feedback link 1"
_MAC_BYTES = 16
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link says: the score, when it ends (seconds since 1970), whose key signed it.

    `signer` is the digest of that key; empty where any signature was believed.
    """

    score: Score
    ends_s: int
    key_id: str
    signer: bytes = b""


def feedback_link(
    trace: str | Handle,
    name: str,
    value: float | bool | str,
    *,
    span: str | None = None,
    kind: str | None = None,
    author: str = "",
    days: float = LINK_DAYS,
    url: str | None = None,
) -> str:
    """A link by which a reader of a page or an e-mail gives this score to this trace.

    Following it shows a page with one button; only that button counts, so that programs which open
    links do not vote. It holds for `days`. `url` is the collector as its readers reach it, else
    what `configure` was given. Returns '' where nothing is recorded. Raises ConfigError for a value
    nobody can use.
    """
    handle = trace if isinstance(trace, Handle) else None
    found = make_score(
        name,
        value,
        trace=handle.trace_id if handle is not None else trace,
        span=span,
        kind=kind,
        author=author,
    )
    if not 0 < days <= MOST_LINK_DAYS:
        raise ConfigError("days", days, f"give a number up to {MOST_LINK_DAYS}")
    source = active().links
    if source is None or not found.has_trace:
        SHIELD.tell_once("link", "a feedback link was asked for where nothing is recorded")
        return ""
    token = write_token(found, source.key, int(time.time() + days * _DAY_S))
    return f"{(url or source.endpoint).rstrip('/')}{FEEDBACK_PATH}?t={quote(token)}"


def write_token(score: Score, key: str, ends_s: int) -> str:
    """The token of a link: what it says, and a signature by a key."""
    value = score.label if score.value is None else score.value
    told = [
        score.trace, score.span, score.name, score.kind, value, score.author, ends_s, read_id(key)
    ]  # fmt: skip
    body = _encode(json.dumps(told, separators=(",", ":")).encode())
    return f"{body}.{_encode(_sign(body, hashlib.sha256(key.encode()).digest()))}"


def read_token(token: str, list_digests: Callable[[str], Iterable[bytes]] | None) -> Ticket:
    """What a token says. BadPayload for one that none of the keys signed, or that is none.

    `list_digests` gives the SHA-256 digests of the keys that may have signed, by the id the token
    names; None believes any signature. Whether the link has ended is for the caller to ask.
    """
    body, _, mac = token[:MOST_TOKEN].partition(".")
    try:
        trace, span, name, kind, value, author, ends_s, key_id = json.loads(_decode(body))
        value = bool(value) if kind == "boolean" else value
        score = make_score(name, value, trace=trace, span=span, kind=kind, author=author)
        ticket = Ticket(score, int(ends_s), str(key_id))
        given = _decode(mac)
    except (ValueError, TypeError, RecursionError, ConfigError) as error:
        raise BadPayload("this link is none of ours", "open it as it was sent") from error
    if list_digests is not None:
        known = list(list_digests(ticket.key_id))
        signed = [one for one in known if hmac.compare_digest(_sign(body, one), given)]
        if not signed:
            raise BadPayload("this link was altered, or its key is gone", "ask for a new one")
        ticket = replace(ticket, signer=signed[0])
    return ticket


def read_id(key: str) -> str:
    """The public id of an issued key; '' for another."""
    prefix, _, rest = key.partition("_")
    return rest.partition("_")[0] if prefix == "wpk" else ""


def _sign(body: str, digest: bytes) -> bytes:
    key = hmac.digest(digest, _PURPOSE, "sha256")
    return hmac.digest(key, body.encode(), "sha256")[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
