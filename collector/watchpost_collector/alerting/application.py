"""The routes below /api/alerts: what is firing, and silences that begin and end.

They take an admin's key, because rules look at every project. This file knows requests and answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from watchpost.errors import BadPayload, ConfigError
from watchpost.serving.asgi import read_body
from watchpost.serving.origin import Receive, Scope
from watchpost_collector.alerts.state import Silence
from watchpost_collector.context import Context

if TYPE_CHECKING:
    from watchpost_collector.alerting.running import Alerting

ALERTS_PREFIX = "/api/alerts"
_SILENCES = f"{ALERTS_PREFIX}/silences"
_MOST_BYTES = 8192
_MOST_CHARACTERS = 500
_MOST_VALUES = 20
_LONGEST_S = 30 * 86_400

SendJson = Callable[[int, Mapping[str, Any]], Awaitable[None]]


async def answer_alerts(
    context: Context, scope: Scope, receive: Receive, send_json: SendJson
) -> None:
    """Answer a request below `ALERTS_PREFIX`."""
    if context.keys.authorize(scope["headers"], "admin") is None:
        await send_json(401, {"error": "an admin key is needed"})
        return
    if context.settings.alerts_file is None:
        error = "no rules are run here: start it with `watchpost up --alerts FILE`"
        await send_json(404, {"error": error})
        return
    if context.alerting is None:
        await send_json(503, {"error": f"not yet: {context.explain_absence()}"})
        return
    method, path = scope["method"], scope["path"]
    if path == ALERTS_PREFIX and method == "GET":
        await send_json(200, await asyncio.to_thread(context.alerting.show))
    elif path == _SILENCES and method == "POST":
        await _silence(context.alerting, receive, send_json)
    elif path.startswith(f"{_SILENCES}/") and method == "DELETE":
        name = path.removeprefix(f"{_SILENCES}/")
        if await asyncio.to_thread(context.alerting.end_silence, name):
            await send_json(200, {"ended": name})
        else:
            await send_json(404, {"error": "no such silence: those in the file end there"})
    else:
        told = f"GET {ALERTS_PREFIX}, POST {_SILENCES}, DELETE {_SILENCES}/ID"
        await send_json(405, {"error": told})


async def _silence(alerting: Alerting, receive: Receive, send_json: SendJson) -> None:
    try:
        body = await read_body(receive, _MOST_BYTES)
        silence = _parse_silence(body, int(time.time()))
        name = await asyncio.to_thread(alerting.silence, silence)
    except (BadPayload, ConfigError) as error:
        await send_json(400, {"error": str(error)})
        return
    except OSError as error:
        await send_json(503, {"error": f"it cannot be written down ({error.strerror})"})
        return
    await send_json(200, {"id": name, "ends": silence.ends})


def _parse_silence(body: bytes, now: int) -> Silence:
    """The silence that `{"rule", "where", "seconds", "reason"}` begins."""
    try:
        told = json.loads(body)
        unknown = set(told) - {"rule", "where", "seconds", "reason"}
        if unknown:
            raise ValueError(f"there is no {sorted(unknown)[0][:80]!r}")
        seconds, where = told["seconds"], dict(told.get("where", {}))
        if isinstance(seconds, bool) or not 0 < int(seconds) <= _LONGEST_S:
            raise ValueError(f"seconds are not between 1 and {_LONGEST_S}")
        texts = [told.get("rule", ""), told.get("reason", ""), *where, *where.values()]
        if not all(isinstance(one, str) and len(one) <= _MOST_CHARACTERS for one in texts):
            raise ValueError(f"write texts of at most {_MOST_CHARACTERS} characters")
        if len(body) > _MOST_BYTES or len(where) > _MOST_VALUES:
            raise ValueError("it is too long")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("silence", "", f"it cannot be read ({error})") from error
    series = tuple(sorted(where.items()))
    return Silence(told.get("rule", ""), now, now + int(seconds), series, told.get("reason", ""))
