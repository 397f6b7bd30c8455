"""Issued keys: made, listed and revoked from the command line, known to the server by digest.

They live in `keys.json` beside the database, never in it: whoever may ask SQL must not find them.
A secret is 256 random bits, so there is nothing to guess and one fast SHA-256 is right; a slow hash
defends short passwords, and here it would only slow every request. The id in front of the secret is
public: it finds the entry to compare with, names the key in lists, and is all a revocation needs.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost.serving.keys import SCOPES, Grant, digest_secret
from watchpost_collector.watched_file import WatchedFile, rewrite

FILE_NAME = "keys.json"
PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = "wpk"
_SECRET_BYTES = 32
_NO_DIGEST = bytes(32)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """One key as it is remembered. `digest` is of the whole secret, in hexadecimal."""

    id: str
    digest: str
    project: str
    scope: str
    name: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`, at that moment."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class KeyFile:
    """The issued keys of a data directory, as its file says now."""

    def __init__(self, data: Path) -> None:
        self._file = WatchedFile[dict[str, IssuedKey]](data / FILE_NAME, _parse, {})
        self._locked = False

    def __bool__(self) -> bool:
        """Whether a key was ever issued: a revoked last key, or a lost file, opens no door."""
        self._locked = self._locked or bool(self._file.read())
        return self._locked

    def identify(self, secret: str) -> Grant | None:
        """The grant of this secret; None if it is no key, revoked or expired."""
        key = self._file.read().get(_read_id(secret))
        known = bytes.fromhex(key.digest) if key is not None else _NO_DIGEST
        same = hmac.compare_digest(known, digest_secret(secret))
        if key is None or not same or key.state(datetime.now(UTC)) != "valid":
            return None
        return Grant(key.scope, key.project)

    def find(self, key_id: str) -> tuple[bytes, Grant] | None:
        """Digest and grant of the key with this public id; None if it is none, or ended."""
        key = self._file.read().get(key_id)
        if key is None or key.state(datetime.now(UTC)) != "valid":
            return None
        return bytes.fromhex(key.digest), Grant(key.scope, key.project)

    def list(self) -> list[IssuedKey]:
        """Every key that was issued, the revoked ones too, oldest first."""
        return sorted(self._file.read().values(), key=lambda key: key.created)


def issue_key(
    data: Path, project: str, scope: str, name: str = "", expires: datetime | None = None
) -> tuple[IssuedKey, str]:
    """Make a key and remember its digest; returns it with its secret, which is shown only here.

    Raises ConfigError for a scope or a project name that is none.
    """
    if scope not in SCOPES:
        raise ConfigError("--scope", scope, f"choose one of {', '.join(SCOPES)}")
    if not PROJECT.fullmatch(project):
        raise ConfigError("--project", project, "use letters, digits, '.', '_' and '-'")
    key_id = secrets.token_hex(6)
    secret = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    digest = digest_secret(secret).hex()
    key = IssuedKey(key_id, digest, project, scope, name, _now(), expires)

    def add(content: bytes) -> bytes:
        return _write({**_parse(content), key_id: key})

    rewrite(data / FILE_NAME, add)
    return key, secret


def revoke_key(data: Path, key_id: str) -> IssuedKey:
    """Revoke a key and return it; again changes nothing. ConfigError for an unknown id."""
    revoked: list[IssuedKey] = []

    def mark(content: bytes) -> bytes:
        keys = _parse(content)
        if key_id not in keys:
            # Whoever pastes a whole secret must not see it in an error.
            raise ConfigError("ID", key_id[:16], "take one from `watchpost keys list`")
        key = keys[key_id]
        revoked.append(key if key.revoked else replace(key, revoked=_now()))
        return _write({**keys, key_id: revoked[0]})

    rewrite(data / FILE_NAME, mark)
    return revoked[0]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _read_id(secret: str) -> str:
    prefix, _, rest = secret.partition("_")
    key_id, _, _ = rest.partition("_")
    return key_id if prefix == _PREFIX else ""


def _parse(content: bytes) -> dict[str, IssuedKey]:
    if not content:
        return {}
    try:
        told = json.loads(content)
        if told["version"] != _VERSION:
            raise ValueError(f"its version is {told['version']}, not {_VERSION}")
        keys = [_parse_key(entry) for entry in told["keys"]]
    except (ValueError, KeyError, TypeError) as error:
        cure = f"it holds no keys ({type(error).__name__}: {error}); restore it"
        raise ConfigError("--data", FILE_NAME, cure) from error
    return {key.id: key for key in keys}


def _parse_key(entry: Mapping[str, str | None]) -> IssuedKey:
    key = IssuedKey(
        id=str(entry["id"]),
        digest=str(entry["digest"]),
        project=str(entry["project"]),
        scope=str(entry["scope"]),
        name=str(entry.get("name") or ""),
        created=datetime.fromisoformat(str(entry["created"])),
        expires=_read_moment(entry.get("expires")),
        revoked=_read_moment(entry.get("revoked")),
    )
    if key.scope not in SCOPES or len(bytes.fromhex(key.digest)) != len(_NO_DIGEST):
        raise ValueError(f"key {key.id} has no such scope or digest")
    return key


def _read_moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment


def _write(keys: Mapping[str, IssuedKey]) -> bytes:
    entries = [
        {name: _spell(value) for name, value in asdict(key).items()} for key in keys.values()
    ]
    return json.dumps({"version": _VERSION, "keys": entries}, indent=1).encode()


def _spell(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
