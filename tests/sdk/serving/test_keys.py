"""Keys: what a presented secret may do, and when none is needed."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost.serving.keys import (
    Grant,
    Keys,
    is_loopback,
    load_keys,
    parse_keys,
    read_secret,
)

INGEST, READ, ADMIN = "i" * 20, "r" * 20, "a" * 20
TEXT = f"ingest@shop:{INGEST}, read:{READ}\n# a remark, with:commas\nadmin:{ADMIN}"


def test_a_secret_grants_its_scope_in_its_project_and_nothing_else() -> None:
    keys = parse_keys(TEXT)
    assert keys.identify(INGEST) == Grant("ingest", "shop")
    assert keys.identify(READ) == Grant("read", "default")
    assert keys.identify("x" * 20) is None
    assert keys.identify("") is None
    assert keys.identify(None) is None


def test_admin_covers_every_scope_and_the_others_only_their_own() -> None:
    keys = parse_keys(TEXT)
    header = [(b"authorization", f"Bearer {ADMIN}".encode())]
    assert all(keys.authorize(header, scope) for scope in ("ingest", "read", "admin"))
    header = [(b"authorization", f"Bearer {READ}".encode())]
    assert keys.authorize(header, "read") == Grant("read")
    assert keys.authorize(header, "admin") is None
    assert keys.authorize(header, "ingest") is None


def test_no_key_at_all_grants_everything_to_this_machine() -> None:
    assert Keys().authorize([], "admin") == Grant("admin", "default")


def test_a_secret_may_be_given_as_its_digest() -> None:
    digest = hashlib.sha256(READ.encode()).hexdigest()
    assert parse_keys(f"read:sha256={digest}").identify(READ) == Grant("read")


def test_the_secrets_are_not_kept() -> None:
    assert READ not in repr(parse_keys(TEXT))


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        f"write:{READ}",
        "read:short",
        f"read@:{READ}",
        f":{READ}",
        f"read:{READ},admin:{READ}",
        "read:sha256=zz",
        "read:sha256=abcd",
    ],
)
def test_a_wrong_entry_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_keys(text)
    assert READ not in str(caught.value)
    assert "WATCHPOST_KEYS" in str(caught.value)


def _basic(pair: str) -> bytes:
    return b"Basic " + base64.b64encode(pair.encode())


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", f"Bearer {READ}".encode()),
        (b"Authorization", f"bearer  {READ}".encode()),
        (b"authorization", _basic(f"default:{READ}")),
        (b"x-clickhouse-key", READ.encode()),
        (b"x-watchpost-key", READ.encode()),
    ],
)
def test_a_secret_is_read_from_every_header_clients_use(header: tuple[bytes, bytes]) -> None:
    assert read_secret([(b"host", b"x"), header]) == READ


@pytest.mark.parametrize(
    "value", [b"", b"Basic !!", b"Digest x", b"Basic " + b"\xff", b"Basic gA=="]
)
def test_an_unreadable_header_presents_no_secret(value: bytes) -> None:
    assert read_secret([(b"authorization", value)]) is None


def test_a_file_wins_over_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"read:{READ}\n")
    environ = {"WATCHPOST_KEYS": f"admin:{ADMIN}"}
    assert load_keys(path, environ).identify(ADMIN) is None
    assert load_keys(None, environ).identify(ADMIN) == Grant("admin")
    assert not load_keys(None, {})


def test_a_file_that_is_missing_or_empty_never_means_keyless(tmp_path: Path) -> None:
    empty = tmp_path / "keys"
    empty.write_text("# nothing yet\n")
    for path in (tmp_path / "absent", empty):
        with pytest.raises(ConfigError):
            load_keys(path, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9", "[::1]"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    Keys().require_keys_for(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.7", "watch.example", "", "localhost.evil"]
)
def test_an_address_others_can_reach_needs_keys(host: str) -> None:
    with pytest.raises(ConfigError, match="WATCHPOST_KEYS"):
        Keys().require_keys_for(host)
    parse_keys(TEXT).require_keys_for(host)
