"""To which addresses a message may go, whatever name stands for them."""

from __future__ import annotations

import socket
import threading
import time
from ipaddress import ip_network
from typing import Any

import pytest
from hook_server import HookServer

from watchpost_collector.alerting.reach import (
    ForbiddenAddressError,
    connect,
    end_after,
    is_allowed,
)

ANYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_reached(address: str) -> None:
    assert is_allowed(address, ())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "::1", "fc00::1",
     "fec0::1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "::ffff:10.0.0.1",
     "64:ff9b::a00:1", "2002:a00:1::1"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_reached_only_where_they_are_named(address: str) -> None:
    assert not is_allowed(address, ())
    assert is_allowed(address, ANYTHING)
    assert not is_allowed(address, (ip_network("10.9.0.0/16"),))


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "100.100.100.200",
     "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
     "2002:a9fe:a9fe::1"],
)  # fmt: skip
def test_where_clouds_tell_secrets_is_reached_only_where_that_one_address_is_named(
    address: str,
) -> None:
    assert not is_allowed(address, ())
    assert not is_allowed(address, ANYTHING)
    assert not is_allowed(address, (ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/64")))


def test_one_such_address_can_be_named() -> None:
    assert is_allowed("169.254.7.7", (ip_network("169.254.7.7/32"),))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1"])
def test_what_is_no_ones_address_is_never_reached(address: str) -> None:
    assert not is_allowed(address, ANYTHING)


def answer(*addresses: str, port: int) -> list[Any]:
    """What a resolver says."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    with HookServer() as hook:
        asked = []

        def rebind(host: str, port: int, *_: object) -> list[Any]:
            # Allowed when it is looked up first, another machine from then on.
            asked.append(host)
            return answer("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port=port)

        with connect("hook.example", hook.port, LOOPBACK, 5, rebind) as connection:
            assert connection.getpeername() == ("127.0.0.1", hook.port)
        assert asked == ["hook.example"]
        with pytest.raises(ForbiddenAddressError, match="not public"):
            connect("hook.example", hook.port, LOOPBACK, 5, rebind)


def test_of_several_addresses_the_forbidden_ones_are_left_out() -> None:
    with HookServer() as hook:

        def resolve(host: str, port: int, *_: object) -> list[Any]:
            return answer("169.254.169.254", "127.0.0.1", port=port)

        with connect("hook.example", hook.port, LOOPBACK, 5, resolve) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"


def test_a_side_that_talks_slowly_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                while not ended.is_set():
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return
                    time.sleep(0.01)

        thread = threading.Thread(target=drip)
        thread.start()
        port = listening.getsockname()[1]
        with connect("localhost", port, LOOPBACK, 5) as connection, end_after(connection, 0.1):
            # The stream ends, although the other side would go on for ever.
            while connection.recv(100):
                pass
        ended.set()
        thread.join()
