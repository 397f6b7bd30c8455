"""Contacts as values: whom alerts are told, over which channels, and how often.

A secret is never among them: where one is needed stands the name of an environment variable. This
file knows no YAML, no network and no environment but the one it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from watchpost.errors import ConfigError

CHANNELS = ("webhook", "slack", "email")
# What is one message: all that one rule has to say at once, or all of a contact's rules together.
GROUPINGS = ("rule", "contact")
TLS = ("starttls", "tls", "none")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that stands in the environment: `${NAME}`. `place` is the file and line of it."""

    name: str
    place: str = ""

    def resolve(self, environ: Mapping[str, str]) -> str:
        """The value; ConfigError when the variable is not set."""
        found = environ.get(self.name, "")
        if not found:
            raise ConfigError(self.place, f"${{{self.name}}}", "set this environment variable")
        return found


Told = str | Reference


def resolve(told: Told, environ: Mapping[str, str]) -> str:
    """What was written, or what the environment says in its place."""
    return told.resolve(environ) if isinstance(told, Reference) else told


@dataclass(frozen=True, slots=True)
class Webhook:
    """JSON by POST. `token` is sent as bearer. `allow` are networks that are not public and may be
    reached nevertheless."""

    url: Told
    token: Reference | None = None
    allow: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Slack:
    """An incoming webhook of Slack, or of what understands the same, such as Mattermost."""

    url: Reference
    allow: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Email:
    """Addresses that get a mail each time."""

    to: tuple[str, ...]


Channel = Webhook | Slack | Email


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom rules name in `notify`, with at most one channel of each kind, by its name in CHANNELS.

    `group` is one of GROUPINGS. `repeat_s` seconds after it was told, what still fires is told
    again; 0 is never. `resolved` says whether the end is told too.
    """

    name: str
    channels: Mapping[str, Channel]
    group: str = "rule"
    repeat_s: int = 0
    resolved: bool = True
    line: int = 0


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that takes mails. `tls` is one of TLS; without `username` nobody signs in."""

    host: str
    sender: str
    port: int = 587
    tls: str = "starttls"
    username: Told = ""
    password: Reference | None = None
