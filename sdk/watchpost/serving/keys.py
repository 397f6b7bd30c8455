"""Keys: who may ask what of a server.

A key is a secret with one scope and one project; `admin` may do all. Of the collector's scopes
`public` is no secret: it stands in web pages and can write scores, nothing else. Only a key's
digest is kept, and a comparison takes the same time wherever it fails. Keys are given at the
start (a file or a variable) or issued while the server runs. This file knows no route: it says what
a presented secret may do, the caller decides what is asked of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from watchpost.errors import ConfigError

SETTING = "WATCHPOST_KEYS"
DEFAULT_PROJECT = "default"
SCOPES = ("ingest", "read", "admin", "public")
MINIMUM_SECRET_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Whose keys they are: the variable that holds them, and the scopes one may have.

    `issuing` is the command that makes one, where there is such a command.
    """

    setting: str
    scopes: tuple[str, ...]
    issuing: str = ""

    @property
    def cure(self) -> str:
        """How entries are written."""
        return (
            "write 'scope:secret' or 'scope@project:secret' entries, separated by commas or new "
            f"lines, with scope one of {', '.join(self.scopes)} and a secret of "
            f"{MINIMUM_SECRET_CHARACTERS} or more characters (or 'sha256=' and its hexadecimal "
            "digest)"
        )


COLLECTOR = KeyRing(SETTING, SCOPES, "`watchpost keys create`, ")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do: the scope its key has, in which project."""

    scope: str
    project: str = DEFAULT_PROJECT

    def allows(self, scope: str) -> bool:
        """Whether this grant covers `scope`; admin covers every scope."""
        return self.scope in (scope, "admin")


# Without keys only loopback is bound, and whoever sits on this machine may do everything.
KEYLESS = Grant("admin")


class IssuedKeys(Protocol):
    """Keys that come and go while the server runs; false as long as there never was one."""

    def __bool__(self) -> bool: ...

    def identify(self, secret: str) -> Grant | None:
        """The grant of this secret now, or None."""

    def find(self, key_id: str) -> tuple[bytes, Grant] | None:
        """Digest and grant of the key with this public id, if it is valid now."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys given at the start, as pairs of digest and grant, beside those issued since.

    Neither means keyless.
    """

    entries: tuple[tuple[bytes, Grant], ...] = ()
    issued: IssuedKeys | None = None

    def __bool__(self) -> bool:
        return bool(self.entries) or bool(self.issued)

    def identify(self, secret: str | None) -> Grant | None:
        """The grant of the presented secret, None if no key has it; keyless grants everything."""
        if not self:
            return KEYLESS
        digest = digest_secret(secret or "")
        found: Grant | None = None
        for known, grant in self.entries:  # every entry is compared: no early way out
            if hmac.compare_digest(known, digest):
                found = grant
        if found is None and self.issued is not None:
            return self.issued.identify(secret or "")
        return found

    def list_signers(self, key_id: str) -> dict[bytes, Grant]:
        """Digests and grants of the keys that may have signed something that names this key id.

        Only of those that may send spans: whoever can sign could as well send.
        """
        found = dict(self.entries)
        if self.issued is not None and key_id and (known := self.issued.find(key_id)):
            found[known[0]] = known[1]
        return {digest: grant for digest, grant in found.items() if grant.allows("ingest")}

    def authorize(self, headers: Iterable[tuple[bytes, bytes]], scope: str) -> Grant | None:
        """The grant of the request with these ASGI headers, if it covers `scope`, else None."""
        grant = self.identify(read_secret(headers))
        return grant if grant is not None and grant.allows(scope) else None

    def require_keys_for(self, host: str, ring: KeyRing = COLLECTOR) -> None:
        """Raise ConfigError when `host` can be reached from other machines and no key is set."""
        if self or is_loopback(host):
            return
        given = f"{ring.issuing}{ring.setting} or --keys FILE first"
        raise ConfigError("host", host, f"{given}, or listen on 127.0.0.1")


def parse_keys(text: str, ring: KeyRing = COLLECTOR) -> Keys:
    """Read 'scope[@project]:secret' entries; '#' begins a comment line. Raises ConfigError."""
    entries = []
    for line in text.replace("\r", "\n").split("\n"):
        if line.strip().startswith("#"):
            continue
        entries += [_parse_entry(part.strip(), ring) for part in line.split(",") if part.strip()]
    digests = [digest for digest, _ in entries]
    if len(set(digests)) != len(digests):
        raise ConfigError(ring.setting, "...", "give every entry a secret of its own")
    return Keys(tuple(entries))


def load_keys(path: Path | None, environ: Mapping[str, str], ring: KeyRing = COLLECTOR) -> Keys:
    """Read the keys from `path` if given, else from the ring's variable; neither means keyless."""
    if path is None:
        return parse_keys(environ.get(ring.setting, ""), ring)
    try:
        keys = parse_keys(path.read_text(encoding="utf-8"), ring)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--keys", str(path), f"name a readable file ({error})") from error
    if not keys:
        # An empty file must not open the door that it was meant to lock.
        raise ConfigError("--keys", str(path), f"it holds no key: {ring.cure}")
    return keys


def read_secret(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The secret a request presents: Bearer, the password of Basic, or a header of its own."""
    found = {name.lower(): value for name, value in headers}
    for name in (b"x-clickhouse-key", b"x-watchpost-key"):
        if name in found:
            return found[name].decode("latin-1")
    scheme, _, rest = found.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return _read_password(rest.strip())
    return None


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, as bound or as sent) only means this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parse_entry(entry: str, ring: KeyRing) -> tuple[bytes, Grant]:
    who, colon, secret = entry.partition(":")
    scope, at, project = who.strip().partition("@")
    well = bool(colon) and scope in ring.scopes and (bool(project) or not at)
    if not well:
        raise ConfigError(ring.setting, "...", ring.cure)
    grant = Grant(scope, project or DEFAULT_PROJECT)
    if secret.startswith("sha256="):
        return _parse_digest(secret.removeprefix("sha256="), ring), grant
    if len(secret) < MINIMUM_SECRET_CHARACTERS:
        raise ConfigError(ring.setting, "...", ring.cure)
    return digest_secret(secret), grant


def _parse_digest(text: str, ring: KeyRing) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise ConfigError(ring.setting, "...", ring.cure) from error
    if len(digest) != hashlib.sha256().digest_size:
        raise ConfigError(ring.setting, "...", ring.cure)
    return digest


def _read_password(encoded: str) -> str | None:
    try:
        _, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, or not text
        return None
    return password


def digest_secret(secret: str) -> bytes:
    """SHA-256 of a secret: all that is kept of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
