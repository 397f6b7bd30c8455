"""Connections to where messages go: only to addresses that a message may go to.

A name is resolved once, every address that comes back is judged, and the connection is made to the
very address that was judged: a name that resolves to another one a moment later changes nothing.
Public addresses may be reached, others where their network is named, link-local ones and those at
which clouds tell machines their secrets only where the single address is. This file knows sockets
and addresses; it does not know what is sent.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from watchpost_collector.alerts.contact import Network

Address = IPv4Address | IPv6Address
Resolve = Callable[..., Sequence[Any]]

# Beside the link-local ones: where Alibaba, Azure, Oracle and AWS answer their machines.
_METADATA = frozenset(
    ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
# IPv6 addresses that stand for an IPv4 one behind a translator.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


class ForbiddenAddressError(OSError):
    """Raised instead of connecting where a name leads to no address that may be reached."""


def connect(
    host: str,
    port: int,
    allow: Sequence[Network],
    timeout_s: float,
    resolve: Resolve = socket.getaddrinfo,
) -> socket.socket:
    """A connection to the first address of `host` that may be reached and answers.

    Raises ForbiddenAddressError when none may be, OSError when none answers.
    """
    failure: OSError | None = None
    for family, kind, protocol, _, place in resolve(host, port, 0, socket.SOCK_STREAM):
        if not is_allowed(place[0], allow):
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout_s)
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    if failure is not None:
        raise failure
    raise ForbiddenAddressError("its address is not public, and not in `allow`")


def is_allowed(text: str, allow: Sequence[Network]) -> bool:
    """Whether an address may be connected to."""
    address = _unwrap(ip_address(text.partition("%")[0]))
    if address.is_unspecified or address.is_multicast:
        return False
    named = [network for network in allow if address in network]
    if address.is_link_local or address in _METADATA:
        return any(network.num_addresses == 1 for network in named)
    is_odd = address.is_reserved or getattr(address, "is_site_local", False)
    return bool(named) or (address.is_global and not is_odd)


def _unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for; the address itself where it stands for none."""
    if isinstance(address, IPv4Address):
        return address
    for inner in (address.ipv4_mapped, address.sixtofour):
        if inner is not None:
            return inner
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


@contextmanager
def end_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Cut the connection when this takes longer, however slowly the other side talks."""
    # Another handle of it: whoever wraps the first one may close it. It is made by number,
    # because a socket under TLS makes none.
    handle = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        handle.close()
