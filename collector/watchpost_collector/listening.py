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

from watchpost.errors import ConfigError
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


def bind(host: str, port: int, setting: str, *, listen: bool = True) -> socket.socket:
    """A bound port; ConfigError names `setting` when somebody else has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        if listen:
            bound.listen(1024)
    except OSError as error:
        bound.close()
        cure = f"{error.strerror}; stop what uses it, or choose another (0 takes a free one)"
        raise ConfigError(setting, f"{host}:{port}", cure) from error
    bound.setblocking(False)
    return bound


def reserve(settings: ServerSettings) -> socket.socket | None:
    """The gRPC port, bound so that nobody else takes it before gRPC itself can listen there."""
    if settings.grpc_port is None:
        return None
    return bind(settings.host, settings.grpc_port, "--grpc-port", listen=False)


def name_urls(
    settings: ServerSettings, sockets: list[socket.socket], grpc: socket.socket | None
) -> Urls:
    """Where the bound sockets are to be reached: the main port, the query port, gRPC."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    named = [f"http://{host}:{bound.getsockname()[1]}" for bound in (*sockets, grpc) if bound]
    main, query, *more = named
    return Urls(otlp=main, query=query, page=main, grpc="".join(more))
