"""The ports: bound before anything is loaded, served by listeners that leave signals to the server.

This file knows sockets and how an app is served; it does not know the apps.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchpost.serving.binding import bind, show_host
from watchpost.serving.origin import App
from watchpost.serving.patience import Patience
from watchpost_collector.settings import ServerSettings

# Seconds for requests under way when the server stops.
GRACE_S = 3
_CONNECTIONS = 4096


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the server is to be reached."""

    otlp: str
    query: str
    page: str
    grpc: str = ""


class PatientProtocol(Patience, HttpToolsProtocol):
    """A connection that does not wait for ever."""


class Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to us: there are two of them in one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def configure(app: App) -> uvicorn.Config:
    """How the app is served: patient within bounds, silent in logs."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        # Beyond this many connections at once the answer is 503.
        limit_concurrency=_CONNECTIONS,
        # Whoever sends what is no HTTP must not fill the disk with being told so.
        log_level="error",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # A proxy's headers are not believed: the origin guard judges what was really asked.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def reserve(settings: ServerSettings) -> socket.socket | None:
    """The gRPC port, bound so that nobody else takes it before gRPC itself can listen there."""
    if settings.grpc_port is None:
        return None
    return bind(settings.host, settings.grpc_port, "--grpc-port", listen=False)


def name_urls(
    settings: ServerSettings, sockets: list[socket.socket], grpc: socket.socket | None
) -> Urls:
    """Where the bound sockets are to be reached: the main port, the query port, gRPC."""
    host = show_host(settings.host)
    named = [f"http://{host}:{bound.getsockname()[1]}" for bound in (*sockets, grpc) if bound]
    main, query, *more = named
    return Urls(otlp=main, query=query, page=main, grpc="".join(more))
