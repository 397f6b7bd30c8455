"""The routes of the main port: OTLP, health, status and flush; everything else is the page's.

Pure ASGI: one dictionary of paths, no framework between a span and the spool. This file knows who
answers which path, and none of what they answer with.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

from watchpost.errors import Full
from watchpost.scores.feedback import FEEDBACK_PATH
from watchpost.serving.asgi import RETRY_S, send_json, send_text, wants_page
from watchpost.serving.exposition import CONTENT_TYPE, render_readings
from watchpost.serving.origin import App, Receive, Scope, Send
from watchpost_collector.alerting.application import ALERTS_PREFIX, answer_alerts
from watchpost_collector.api.application import API_PREFIX, Api
from watchpost_collector.context import Context
from watchpost_collector.intake.http_door import OtlpApp
from watchpost_collector.otlp.signals import SIGNALS
from watchpost_collector.price_routes import PRICES_PREFIX, answer_prices
from watchpost_collector.prompt_routes import PROMPTS_PREFIX, PromptRoutes
from watchpost_collector.readings import take_readings
from watchpost_collector.scores.application import SCORES_PATH

_FLUSH_TIMEOUT_S = 30.0
_WRITING = ("POST", "OPTIONS")
# Read once: it is looked up in a file.
_VERSION = version("watchpost")
# Where Langfuse's SDKs send OTLP, below the host they are given; the rest of the path is OTLP's.
_LANGFUSE_PREFIX = "/api/public/otel"


class Switch:
    """An app that is promised before it is there; until then it answers that it is starting.

    `meanwhile`, where there is one, shows that to people in a browser.
    """

    def __init__(self, meanwhile: App | None = None) -> None:
        self.app: App | None = None
        self._meanwhile = meanwhile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013})
        elif self._meanwhile is not None and wants_page(scope):
            await self._meanwhile(scope, receive, send)
        else:
            answer = {"error": "watchpost is starting; spans are taken already"}
            await send_json(send, 503, answer, retry_after_s=RETRY_S)


def build_app(context: Context, otlp: OtlpApp, scores: App, page: App) -> App:
    """The app of the main port, without its origin guard."""
    api = Api(context, context.settings.store, context.settings.data / "scratch")
    prompts = PromptRoutes(context)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path.startswith("/v1/"):
            await otlp(scope, receive, send)
        elif path.startswith(f"{_LANGFUSE_PREFIX}/v1/"):
            inner = path.removeprefix(_LANGFUSE_PREFIX)
            await otlp({**scope, "path": inner}, receive, send)
        elif path == "/healthz":
            await _answer_health(context, scope, send)
        elif path == "/metrics":
            await _answer_metrics(context, scope, send)
        elif path == "/api/status":
            await _answer_status(context, scope, send)
        elif path == "/api/flush":
            await _answer_flush(context, scope, send)
        elif path == PRICES_PREFIX or path.startswith(f"{PRICES_PREFIX}/"):
            await answer_prices(context, scope, receive, partial(send_json, send))
        elif path == ALERTS_PREFIX or path.startswith(f"{ALERTS_PREFIX}/"):
            await answer_alerts(context, scope, receive, partial(send_json, send))
        elif path.startswith(PROMPTS_PREFIX):
            await prompts(scope, receive, send)
        elif path == FEEDBACK_PATH or (path == SCORES_PATH and scope["method"] in _WRITING):
            await scores(scope, receive, send)
        elif path.startswith(API_PREFIX):
            await api(scope, receive, send)
        elif path == "/api/erase" or path.startswith("/api/erase/"):
            await _erase(context, scope, receive, send)
        else:
            await page(scope, receive, send)

    return dispatch


async def _erase(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Its import is the store's: it is there when the store is."""
    if context.erasing is None:
        reason = f"nothing is erased yet: {context.explain_absence()}; order it again"
        await send_json(send, 503, {"error": reason}, retry_after_s=5)
        return
    await context.erasing(scope, receive, send)


async def _answer_health(context: Context, scope: Scope, send: Send) -> None:
    """Healthy means spans are taken; the store may be loading or away meanwhile.

    The version is told without a key: whoever watches a roll-out has none.
    """
    if scope["method"] not in ("GET", "HEAD"):
        await send_json(send, 405, {"error": "GET /healthz"})
        return
    state = context.flusher.state
    status = {"starting": "starting", "ready": "ok", "away": "degraded"}[state.name]
    if _read_oldest(context) > context.settings.spool.bound_age_s:
        status = "degraded"
    await send_json(send, 200, {"status": status, "store": state.name, "version": _VERSION})


def _read_oldest(context: Context) -> float:
    """Seconds that the oldest segment of any signal has waited."""
    return max(spool.oldest_s for spool in context.spools.values())


async def _answer_metrics(context: Context, scope: Scope, send: Send) -> None:
    """What Prometheus scrapes; by project it shows a read key its own."""
    if scope["method"] not in ("GET", "HEAD"):
        await send_json(send, 405, {"error": "GET /metrics"})
        return
    grant = context.keys.authorize(scope["headers"], "read")
    if grant is None:
        await send_json(send, 401, {"error": "a key that may read is needed"})
        return
    project = "" if grant.scope == "admin" else grant.project
    told = render_readings(take_readings(context, project))
    await send_text(send, CONTENT_TYPE, told, is_head=scope["method"] == "HEAD")


async def _answer_status(context: Context, scope: Scope, send: Send) -> None:
    if scope["method"] != "GET":
        await send_json(send, 405, {"error": "GET /api/status"})
        return
    grant = context.keys.authorize(scope["headers"], "read")
    if grant is None:
        await send_json(send, 401, {"error": "a key that may read is needed"})
        return
    throttled = context.throttle.read()
    if grant.scope != "admin":
        throttled = {name: told for name, told in throttled.items() if name == grant.project}
    state, aside = context.flusher.state, context.set_aside.read()
    answer = {
        **_read_counters(context),
        "throttled": throttled,
        "spool": {
            "waiting_bytes": sum(spool.waiting_bytes for spool in context.spools.values()),
            "bound_bytes": context.settings.spool.bound_bytes,
            "oldest_s": round(_read_oldest(context), 3),
            "bound_age_s": context.settings.spool.bound_age_s,
            "when_old": context.settings.spool.when_old,
        },
        "set_aside": {
            "segments": aside.segments,
            "bytes": aside.bytes,
            "bound_bytes": context.set_aside.bounds.bytes,
            "oldest_s": round(aside.oldest_s, 3),
            "bound_age_s": context.set_aside.bounds.age_s,
        },
        "store": {"state": state.name, "reason": state.reason},
        "redaction": _tell_redaction(context),
        "alerting": _tell_alerting(context) if grant.scope == "admin" else None,
        "screening": asdict(context.screening.state) if context.screening else None,
        "prices": _tell_prices(context, grant.scope == "admin"),
        "query_port": context.query_port,
        "uptime_s": round(time.monotonic() - context.started, 3),
    }
    await send_json(send, 200, answer)


def _tell_redaction(context: Context) -> dict[str, int]:
    """Requests that were masked, and resources, spans and records in which something was."""
    redaction = context.redaction
    if redaction is None:
        return {}
    return {"requests": redaction.requests, "changed": redaction.changed}


def _tell_alerting(context: Context) -> dict[str, object] | None:
    """Alerts, rules that fail and messages, counted; who is told what is at /api/alerts."""
    if context.alerting is None:
        return None
    state = context.alerting.state
    fates: dict[str, int] = {}
    for (_, fate), found in state.deliveries.items():
        fates[fate] = fates.get(fate, 0) + found
    return {
        "alerts": dict(state.alerts),
        "failing": state.failing,
        "waiting": state.waiting,
        "deliveries": fates,
        "evaluated_at": state.evaluated_at,
    }


def _tell_prices(context: Context, in_full: bool) -> dict[str, object]:
    """Models without a price (they are no one project's, so only an admin is told) and counting."""
    if context.opened_store is None:
        return {}
    estimates = context.opened_store.estimates
    return {
        "unpriced": [asdict(one) for one in context.opened_store.unpriced] if in_full else [],
        "estimates": None if estimates is None else asdict(estimates.state),
    }


async def _answer_flush(context: Context, scope: Scope, send: Send) -> None:
    """Answer when everything acknowledged before this request can be queried."""
    if scope["method"] != "POST":
        await send_json(send, 405, {"error": "POST /api/flush"})
        return
    scopes = ("ingest", "read")
    if not any(context.keys.authorize(scope["headers"], wanted) for wanted in scopes):
        await send_json(send, 401, {"error": "a key is needed"})
        return
    try:
        marks = [asyncio.wrap_future(spool.mark()) for spool in context.spools.values()]
        await asyncio.wait_for(asyncio.gather(*marks), _FLUSH_TIMEOUT_S)
    except (TimeoutError, Full):
        state = context.flusher.state
        waiting = context.counters.read().waiting
        reason = f"{waiting} spans wait; the store is {state.name} {state.reason}".strip()
        await send_json(send, 503, {"error": reason}, retry_after_s=5)
        return
    await send_json(send, 200, _read_counters(context))


def _read_counters(context: Context) -> dict[str, dict[str, int]]:
    """The counters of each signal: spans, log_records, data_points."""
    return {
        signal.items.replace(" ", "_"): context.counters.of(signal).read().as_dict()
        for signal in SIGNALS
    }
