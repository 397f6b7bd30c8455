"""The same desk as a Ray Serve deployment: a replica for each GPU, the cluster's proxy before them.

`build` is what a Serve configuration names (`deploy/ray-guards.yaml`), with `args` as
`watchpost guards serve` takes its options; ray is imported here alone. A replica cannot see where
the proxy listens, so it does not start without keys.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from watchpost.errors import ConfigError
from watchpost.serving.keys import load_keys
from watchpost.serving.origin import OriginGuard
from watchpost_guards.service.api import KEY_RING, GuardApi
from watchpost_guards.service.opening import open_desk, read_choice


class Replica:
    """One desk behind the cluster's proxy; loads and warms before it takes anything."""

    def __init__(self, options: Mapping[str, str]) -> None:
        given = options.get("keys", "")
        keys = load_keys(Path(given) if given else None, os.environ, KEY_RING)
        if not keys:
            cure = f"set {KEY_RING.setting} for the replicas, or name a file of keys in `args`"
            raise ConfigError("keys", "", cure)
        self._desk = open_desk(read_choice(options), print)
        self._desk.open()
        self._app = OriginGuard(GuardApi(self._desk, keys), ("*",))

    async def __call__(self, request: Request) -> Response:
        """Answer one request, as the service's own port does."""
        answer = Response()

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.raw_headers = list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await self._app(request.scope, request.receive, send)
        return answer

    async def check_health(self) -> None:
        """Raises RuntimeError when it answers no more, so that the cluster starts another."""
        if self._desk.trouble:
            raise RuntimeError(self._desk.trouble)

    async def __del__(self) -> None:
        """Finish what was taken; the cluster sends nothing more by now."""
        if hasattr(self, "_desk"):
            await asyncio.to_thread(self._desk.close)


def build(args: dict[str, str]) -> Any:
    """The Serve application of a configuration's `args`."""
    read_choice(args)  # What is written wrong is said here, not by replica after replica.
    return serve.deployment(Replica, name="guards").bind(args)
