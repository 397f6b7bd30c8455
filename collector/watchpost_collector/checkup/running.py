"""Checks of a running watchpost, over its two ports, as any client may ask it.

They know the routes and the tables that are promised to readers, nothing of the server's inside.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.checkup.finding import Finding

_TIMEOUT_S = 10.0
_SKEW_S = 5.0
# Guards in the background may be this late before it is a matter of their pace.
_BEHIND_S = 600.0
_START = "start one with `watchpost up`, or say where it is with --url and --query-url"

Ask = Callable[[str], list[dict[str, Any]]]

_VOCABULARY = "fetch it on a machine with a network and point TIKTOKEN_CACHE_DIR at it"
_UNPRICED = """
SELECT provider, model, count() AS calls FROM watchpost.generations
WHERE price_state = 'unpriced' AND start > now() - INTERVAL 7 DAY AND model != ''
  AND usage_source != 'none'
GROUP BY provider, model ORDER BY calls DESC LIMIT 20"""
_CROWDED = """
SELECT service, max(length(attributes)) AS most, count() AS spans FROM watchpost.spans
WHERE length(attributes) >= 100 AND start > now() - INTERVAL 7 DAY
GROUP BY service ORDER BY spans DESC LIMIT 20"""
_AHEAD = """
SELECT service, dateDiff('second', now(), toDateTime(max(start))) AS ahead_s
FROM watchpost.spans WHERE start > now() + INTERVAL 60 SECOND
GROUP BY service ORDER BY ahead_s DESC LIMIT 20"""


@dataclass(frozen=True, slots=True)
class Health:
    """What a collector answered to a look at it."""

    status: str
    version: str
    skew_s: float | None


def check_server(url: str, key: str) -> Iterator[Finding]:
    """Whether a collector answers at `url`, how it is, and whether its clock agrees."""
    try:
        health = _read_health(url)
    except CollectorError as error:
        yield Finding("wrong", "server", error.reason, url, error.cure)
        return
    told = f"answers ({health.status}{f', version {health.version}' if health.version else ''})"
    if health.status == "ok":
        yield Finding("ok", "server", told, url)
    else:
        cure = "wait a moment; if it stays so, read what `watchpost up` prints about its store"
        yield Finding("wrong", "server", f"{told}: spans are taken and wait", url, cure)
    if health.skew_s is not None and abs(health.skew_s) > _SKEW_S:
        what = f"its clock is {health.skew_s:+.0f} s from this machine's"
        yield Finding("wrong", "clock", what, url, "set both by NTP: spans land at wrong times")
    elif health.skew_s is not None:
        yield Finding("ok", "clock", "agrees with this machine's", url)
    yield from _check_counters(url, key)


def check_store(ask: Ask, url: str) -> Iterator[Finding]:
    """Whether the store has this version's tables, and what its rows tell of their emitters."""
    try:
        yield from _check_migrations(ask, url)
        yield from _check_unpriced(ask, url)
        yield from _check_emitters(ask, url)
    except (CollectorError, ConfigError) as error:
        yield Finding("wrong", "query port", str(error), url, _START)


def _read_health(url: str) -> Health:
    status, headers, body = _get(url, "/healthz", "")
    if status != http.client.OK:
        raise CollectorError(f"answers {status} to /healthz", "is this a watchpost?")
    try:
        told = json.loads(body)
        state = str(told["status"])
    except (ValueError, KeyError, TypeError) as error:
        raise CollectorError("something else answers there", "is this a watchpost?") from error
    date = headers.get("date")
    skew = parsedate_to_datetime(date).timestamp() - time.time() if date else None
    return Health(state, str(told.get("version", "")), skew)


def _check_counters(url: str, key: str) -> Iterator[Finding]:
    status, _, body = _get(url, "/api/status", key)
    if status == http.client.UNAUTHORIZED:
        cure = "set WATCHPOST_KEY or --key to one that may read"
        yield Finding("wrong", "spans", "the counters may not be read", url, cure)
        return
    told = json.loads(body)
    spans, spool = told["spans"], told["spool"]
    ended = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
    lost = spans["received"] + spans["recovered"] - sum(spans[name] for name in ended)
    numbers = ", ".join(f"{name} {spans[name]:,}" for name in ("received", *ended))
    if lost:
        cure = "this is a bug in watchpost: please report it with these numbers"
        yield Finding("wrong", "spans", f"{lost:,} are unaccounted for ({numbers})", url, cure)
    elif spans["dropped"]:
        cure = "they waited past --spool-age: keep the store up, or allow them more time"
        yield Finding("wrong", "spans", numbers, url, cure)
    elif spans["set_aside"]:
        yield Finding(
            "wrong", "spans", numbers, url, "see what was set aside in the data directory"
        )
    else:
        yield Finding("ok", "spans", numbers, url)
    yield from _check_start(told, url)
    yield from _check_estimates(told.get("prices", {}).get("estimates"), url)
    yield from _check_screening(told.get("screening"), url)
    yield from _check_alerting(told.get("alerting"), url)
    used = spool["waiting_bytes"] / max(spool["bound_bytes"], 1)
    what = f"{used:.0%} of the room for waiting spans is used"
    if used > 0.5:
        cure = "is the store up? beyond 100% senders are told to come back later"
        yield Finding("wrong", "backlog", what, url, cure)
    else:
        yield Finding("ok", "backlog", what, url)
    if spool["oldest_s"] > spool["bound_age_s"]:
        what = f"spans wait for {spool['oldest_s'] / 3600:.1f} hours, longer than --spool-age"
        cure = f"is the store up? --spool-when-old {spool['when_old']} says what happens to them"
        yield Finding("wrong", "backlog", what, url, cure)


def _check_start(told: Mapping[str, Any], url: str) -> Iterator[Finding]:
    """What was found in the spool at the start, in which spans could not be counted."""
    counted = [told[items] for items in ("spans", "log_records", "data_points")]
    torn = sum(counts["torn_bytes"] for counts in counted)
    left = sum(counts["unrecovered_segments"] for counts in counted)
    if torn:
        what = f"{torn:,} bytes in the spool were no whole request and were set aside at the start"
        cure = "senders that got no answer sent theirs again; more than that, the disk has lost"
        yield Finding("wrong", "recovery", what, url, cure)
    if left:
        what = f"{left:,} segments in the spool could not be read at the start"
        cure = "the log names each and why: make them readable and restart `watchpost up`"
        yield Finding("wrong", "recovery", what, url, cure)
    if not torn and not left:
        yield Finding("ok", "recovery", "all that was found in the spool was whole", url)


def _check_estimates(state: Mapping[str, Any] | None, url: str) -> Iterator[Finding]:
    if state and state["reason"]:
        what = f"{state['waiting']:,} calls without reported tokens wait to be counted"
        yield Finding("wrong", "tokens", f"{what} ({state['reason']})", url, _VOCABULARY)


def _check_screening(state: Mapping[str, Any] | None, url: str) -> Iterator[Finding]:
    """Whether guards in the background keep up with what arrives, and give answers."""
    if not state:
        return
    told = ("screened", "sampled_out", "without_text", "failed")
    numbers = ", ".join(f"{name.replace('_', ' ')} {state[name]:,}" for name in told)
    what = f"{numbers}, behind by {state['behind_s']:,.0f} s"
    if state["behind_s"] > _BEHIND_S:
        cure = "lower `share` in the policy, or leave out slow guards: they rest half of the time"
        yield Finding("wrong", "screening", what, url, cure)
    elif state["failed"]:
        cure = "`SELECT guard, label FROM watchpost.verdicts WHERE in_background AND failed`"
        yield Finding("wrong", "screening", what, url, cure)
    else:
        yield Finding("ok", "screening", what, url)


def _check_alerting(state: Mapping[str, Any] | None, url: str) -> Iterator[Finding]:
    """Whether the alert rules that are run can be evaluated, and their messages arrive."""
    if not state:
        return
    dropped = state["deliveries"].get("dropped", 0)
    told = ", ".join(f"{name} {found:,}" for name, found in state["alerts"].items())
    what = f"{told}; {state['waiting']:,} messages wait, {dropped:,} dropped"
    if state["failing"]:
        what = f"{state['failing']:,} alert rules cannot be evaluated"
        yield Finding("wrong", "alerts", what, url, "`watchpost alerts status` says why")
    elif dropped:
        cure = "the log says why each did not arrive: mend the contact and restart"
        yield Finding("wrong", "alerts", what, url, cure)
    else:
        yield Finding("ok", "alerts", what, url)


def _check_migrations(ask: Ask, url: str) -> Iterator[Finding]:
    folder = files("watchpost_collector.store").joinpath("migrations")
    ours = {entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")}
    applied = {str(row["name"]) for row in ask("SELECT name FROM watchpost.migrations")}
    missing = {name.removesuffix(".sql") for name in ours} - {
        name.removesuffix(".sql") for name in applied
    }
    if missing:
        cure = "restart `watchpost up` with this version: it applies them"
        what = f"{len(missing)} migrations are missing ({', '.join(sorted(missing))})"
        yield Finding("wrong", "store", what, url, cure)
    elif len(applied) > len(ours):
        cure = "upgrade watchpost on this machine"
        yield Finding("wrong", "store", "it is newer than this watchpost", url, cure)
    else:
        yield Finding("ok", "store", f"all {len(ours)} migrations are applied", url)


def _check_unpriced(ask: Ask, url: str) -> Iterator[Finding]:
    rows = ask(_UNPRICED)
    for row in rows:
        what = f"{int(row['calls']):,} calls of {row['provider']}/{row['model']} have no price"
        cure = "`watchpost prices update`, or give it one with `watchpost prices load FILE`"
        yield Finding("wrong", "prices", f"{what} (7 days)", url, cure)
    if not rows:
        yield Finding("ok", "prices", "every model of the last 7 days has a price", url)


def _check_emitters(ask: Ask, url: str) -> Iterator[Finding]:
    crowded, ahead = ask(_CROWDED), ask(_AHEAD)
    for row in crowded:
        what = f"service {row['service']!r} sends spans of {row['most']} attributes"
        cure = "OpenTelemetry silently drops those beyond 128: set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"
        yield Finding("wrong", "attributes", what, url, cure)
    for row in ahead:
        what = f"service {row['service']!r} sends spans {row['ahead_s']} s in the future"
        yield Finding("wrong", "clock", what, url, "set the clock of its machine by NTP")
    if not crowded:
        yield Finding("ok", "attributes", "no emitter is near the limit of 128 a span", url)


def _get(url: str, path: str, key: str) -> tuple[int, dict[str, str], bytes]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CollectorError(f"{url} is no address ({error})", _START) from error
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection = kind(parts.hostname or "", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return response.status, named, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise CollectorError(f"no watchpost answers ({error})", _START) from error
    finally:
        connection.close()
