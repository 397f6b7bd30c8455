"""The routes of a guard service, as a pure ASGI app. Texts in, verdicts out, nothing kept.

No text reaches a log, an error message or a metric. It knows who may ask what, and leaves every
answer to the desk.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from importlib.metadata import version

from watchpost.errors import BadPayload, ConfigError, Full
from watchpost.serving.asgi import read_body, send_json, send_text
from watchpost.serving.exposition import CONTENT_TYPE, render_readings
from watchpost.serving.keys import KeyRing, Keys
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_guards.service.desk import Desk
from watchpost_guards.service.openapi import describe
from watchpost_guards.service.questions import Refusal, read_question, read_replacement
from watchpost_guards.service.roster import Busy

KEY_RING = KeyRing("WATCHPOST_GUARD_KEYS", ("check", "admin"))
"""`check` asks for verdicts and reads metrics, `admin` replaces models too."""
LARGEST_BODY = 16 * 1024 * 1024
_CHECK, _GUARDS = "/v1/check", "/v1/guards"
_RETRY_S = 2
_VERSION = version("watchpost")

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


class GuardApi:
    """The ASGI app of one desk, for whoever shows one of the keys (or, without any, this machine).

    Wrap it in an `OriginGuard`: it does not look at hosts and origins itself.
    """

    def __init__(self, desk: Desk, keys: Keys, largest_body: int = LARGEST_BODY) -> None:
        self._desk = desk
        self._keys = keys
        self._largest_body = largest_body
        self._routes: dict[tuple[str, str], tuple[str, Answer]] = {
            ("POST", _CHECK): ("check", self._check),
            ("GET", _GUARDS): ("check", self._list),
            ("GET", "/metrics"): ("check", self._measure),
            ("GET", "/healthz"): ("", self._tell_health),
            ("GET", "/readyz"): ("", self._tell_readiness),
            ("GET", "/openapi.json"): ("", self._describe),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            needed, answer = self._find(scope)
            if needed and self._keys.authorize(scope["headers"], needed) is None:
                raise Refusal(401, f"show a key that may {needed}: Authorization: Bearer <key>")
            await answer(scope, receive, send)
        except Refusal as refusal:
            self._desk.meter.count("requests", status=str(refusal.status))
            await send_json(send, refusal.status, {"error": refusal.message})
        except Full as full:
            self._desk.meter.count("requests", status="429")
            wait_s = max(1, round(full.retry_after_s))
            await send_json(send, 429, {"error": full.reason}, retry_after_s=wait_s)
        except Exception as error:
            # By its kind alone, and in no log: what it says may quote a text.
            self._desk.meter.count("requests", status="500")
            await send_json(send, 500, {"error": type(error).__name__})

    def _find(self, scope: Scope) -> tuple[str, Answer]:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = scope["path"]
        if path.startswith(f"{_GUARDS}/"):
            if method != "POST":
                raise Refusal(405, 'POST {"revision": "..."} here')
            return "admin", self._replace
        found = self._routes.get((method, path))
        if found is not None:
            return found
        if any(known == path for _, known in self._routes):
            raise Refusal(405, "this path takes another method; see /openapi.json")
        raise Refusal(404, "nothing is here; see /openapi.json")

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._read(scope, receive)
        asked = read_question(body, scope["headers"], self._desk.roster.names)
        if self._desk.trouble:
            self._desk.meter.count("requests", status="503")
            answer = {"error": self._desk.trouble}
            await send_json(send, 503, answer, retry_after_s=_RETRY_S)
            return
        verdicts = await self._desk.answer(asked)
        self._desk.meter.count("requests", status="200")
        await send_json(send, 200, {"verdicts": [asdict(verdict) for verdict in verdicts]})

    async def _replace(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(f"{_GUARDS}/")
        wanted = read_replacement(await self._read(scope, receive), name)
        try:
            before, after = await self._desk.replace(wanted.guard, wanted.revision)
        except KeyError:
            raise Refusal(404, f"guards here: {', '.join(self._desk.roster.names)}") from None
        except Busy:
            raise Refusal(409, "this guard is being replaced already") from None
        except ConfigError as error:
            raise Refusal(422, str(error)) from error
        await send_json(send, 200, {"guard": name, "before": before, "revision": after})

    async def _list(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, {"guards": self._desk.roster.list_revisions()})

    async def _measure(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = render_readings(self._desk.meter.read())
        await send_text(send, CONTENT_TYPE, told, is_head=scope["method"] == "HEAD")

    async def _tell_health(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, {"status": self._desk.trouble or "ok", "version": _VERSION})

    async def _tell_readiness(self, scope: Scope, receive: Receive, send: Send) -> None:
        trouble = self._desk.trouble
        wait_s = _RETRY_S if trouble else 0
        status = 503 if trouble else 200
        await send_json(send, status, {"status": trouble or "ready"}, retry_after_s=wait_s)

    async def _describe(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, describe(self._desk.roster.names, _VERSION))

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        headers = {name.lower(): value for name, value in scope["headers"]}
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            # A browser sends forms and plain text anywhere; JSON it asks about first.
            raise Refusal(415, "send application/json")
        try:
            body = await read_body(receive, self._largest_body)
        except BadPayload as error:
            raise Refusal(400, error.reason) from error
        if len(body) > self._largest_body:
            raise Refusal(413, f"a request may have {self._largest_body} bytes")
        return body
