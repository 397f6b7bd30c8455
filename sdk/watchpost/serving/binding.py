"""Ports: bound before anything is loaded, and named as a URL names them."""

from __future__ import annotations

import socket

from watchpost.errors import ConfigError


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


def show_host(bound: str) -> str:
    """The host part of a URL by which a server bound to `bound` is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bound, bound)  # noqa: S104
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
