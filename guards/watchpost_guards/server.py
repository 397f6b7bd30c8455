"""The guards as a service: `python -m watchpost_guards`. Texts in, verdicts out, nothing kept.

It receives the rawest text of all, so no text reaches a log, an error message or a metric, and it
does not listen beyond this machine without keys. It decides nothing: a policy lives with the
caller. Guards run on worker threads, never on the event loop's.
"""

import argparse
import asyncio
import hmac
import ipaddress
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from watchpost.errors import ConfigError
from watchpost.screening.guard import Direction, Guard, Question
from watchpost.screening.policy import find_guard
from watchpost.screening.screen import examine

KEYS_VARIABLE = "WATCHPOST_GUARD_KEYS"
DEFAULT_GUARDS = ("pii", "secrets", "length")
DEFAULT_PORT = 4319
LARGEST_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood."""

    question: Question
    guards: tuple[Guard, ...]


class Refusal(Exception):  # noqa: N818 - it becomes an answer, not a traceback
    """Raised when a request gets an error for an answer; `message` holds none of its text."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def build_app(guards: Mapping[str, Guard], keys: Sequence[str] = ()) -> Starlette:
    """The service for some guards. Without keys it answers callers of this machine only."""

    async def check(request: Request) -> JSONResponse:
        try:
            _admit(request, keys)
            asked = _read(await _read_body(request), guards)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.message}, refusal.status)
        verdicts = await asyncio.to_thread(_answer, asked)
        return JSONResponse({"verdicts": verdicts})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"guards": sorted(guards)})

    return Starlette(
        routes=[
            Route("/v1/check", check, methods=["POST"]),
            Route("/healthz", health, methods=["GET"]),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stopped. Raises ConfigError before listening where it must not."""
    parser = argparse.ArgumentParser(prog="python -m watchpost_guards", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--guards", default=",".join(DEFAULT_GUARDS))
    parser.add_argument("--ready-file", type=Path, help="written with the URL when it is up")
    chosen = parser.parse_args(arguments)
    keys = read_keys(os.environ)
    refuse_open_door(chosen.host, keys)
    guards = {name: find_guard(name) for name in chosen.guards.split(",") if name}
    for guard in guards.values():
        if hasattr(guard, "warm"):
            guard.warm()
    with listen(chosen.host, chosen.port) as listener:
        url = f"http://{chosen.host}:{listener.getsockname()[1]}"
        sys.stderr.write(f"guards at {url}: {', '.join(sorted(guards))}\nready\n")
        if chosen.ready_file is not None:
            chosen.ready_file.write_text(json.dumps({"url": url}))
        # No access log: it would name callers, and a query string could hold a text.
        config = uvicorn.Config(
            build_app(guards, keys), access_log=False, log_level="warning", server_header=False
        )
        uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigError when it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError("--host and --port", f"{host}:{port}", str(error)) from error


def read_keys(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The keys callers may show, from a list separated by commas."""
    listed = environment.get(KEYS_VARIABLE, "").split(",")
    return tuple(key.strip() for key in listed if key.strip())


def refuse_open_door(host: str, keys: Sequence[str]) -> None:
    """Raises ConfigError for an address others can reach when nobody has to show a key."""
    if not keys and not is_loopback(host):
        cure = f"set {KEYS_VARIABLE}=<key>, or bind to 127.0.0.1"
        raise ConfigError("--host", host, cure)


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _admit(request: Request, keys: Sequence[str]) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        # A browser sends forms and plain text anywhere; JSON it asks about first.
        raise Refusal(415, "send application/json")
    if not keys:
        # A foreign name that was pointed at 127.0.0.1 still shows in Host.
        if not is_loopback(request.url.hostname or "") or "origin" in request.headers:
            raise Refusal(403, "without keys only this machine is answered")
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    # Every key is compared, each in constant time, so that time tells nothing.
    matches = [hmac.compare_digest(shown.encode(), key.encode()) for key in keys]
    if scheme.lower() != "bearer" or not any(matches):
        raise Refusal(401, "show a key: Authorization: Bearer <key>")


async def _read_body(request: Request) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refusal(413, f"a request may have {LARGEST_BODY} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None


def _read(body: Any, guards: Mapping[str, Guard]) -> Asked:
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        raise Refusal(400, 'send {"text": "...", "direction": "input", "guards": ["pii"]}')
    direction: Direction = "output" if body.get("direction") == "output" else "input"
    if body.get("direction", direction) != direction:
        raise Refusal(400, 'direction is "input" or "output"')
    names = body.get("guards", list(guards))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal(400, "guards is a list of names")
    if any(name not in guards for name in names):
        raise Refusal(404, f"guards here: {', '.join(sorted(guards))}")
    model = body.get("model")
    question = Question(body["text"], direction, model if isinstance(model, str) else None)
    return Asked(question, tuple(guards[name] for name in names))


def _answer(asked: Asked) -> list[dict[str, Any]]:
    return [asdict(examine(guard, asked.question)) for guard in asked.guards]
