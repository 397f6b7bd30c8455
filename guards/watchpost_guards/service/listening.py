"""A desk on a port: bound first, ready when warm, and ended in good order.

On SIGTERM or SIGINT it is ready no more and takes nothing new, answers what it took, and leaves.
It does not know what is asked and answered.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchpost.serving.binding import bind, show_host
from watchpost.serving.keys import Keys
from watchpost.serving.origin import App, OriginGuard, served_hosts
from watchpost.serving.patience import Patience
from watchpost_guards.service.api import KEY_RING, GuardApi
from watchpost_guards.service.desk import LONGEST_S, Desk

_CONNECTIONS = 4096
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the names callers may use beside it; port 0 takes a free one."""

    host: str
    port: int
    allowed: Collection[str] = ()


async def serve(desk: Desk, keys: Keys, address: Address, say: Say) -> None:
    """Run until a signal. `say` gets the URL, and `ready` when checks are answered.

    Raises ConfigError before it listens where it must not, or cannot.
    """
    keys.require_keys_for(address.host, KEY_RING)
    bound = bind(address.host, address.port, "--host and --port")
    stop = _catch_signals()
    app = OriginGuard(GuardApi(desk, keys), served_hosts(address.host, address.allowed))
    listener = _Listener(_configure(app))
    serving = asyncio.create_task(listener.serve([bound]))
    say(f"guards at http://{show_host(address.host)}:{bound.getsockname()[1]}")
    opening = asyncio.create_task(asyncio.to_thread(desk.open))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            say("ready")
            await stopping
    finally:
        stopping.cancel()
        desk.stop_taking()
        listener.should_exit = True
        await serving
        await asyncio.wait([opening])
        await asyncio.to_thread(desk.close)


class _PatientProtocol(Patience, HttpToolsProtocol):
    """A connection that does not wait for ever."""


class _Listener(uvicorn.Server):
    """A server that leaves signals to us: the desk ends after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configure(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_PatientProtocol,
        limit_concurrency=_CONNECTIONS,
        # No access log: it would name callers, and a query string could hold a text.
        access_log=False,
        log_level="error",
        log_config=None,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        # Whatever was taken has its answer, or was told that it is late, by then.
        timeout_graceful_shutdown=int(LONGEST_S) + 1,
    )


def _catch_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
