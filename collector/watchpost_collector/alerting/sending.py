"""One notification to one channel, once: by HTTP or SMTP, within a time, and what came of it.

A redirect is not followed, no proxy asked, and of an answer no more is looked at than its status.
What is told of a failure names neither address nor secret. This file does not try again.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import ConfigError
from watchpost_collector.alerting.notification import Notification
from watchpost_collector.alerting.reach import ForbiddenAddressError, connect, end_after
from watchpost_collector.alerting.rendering import render_mail, render_slack, render_webhook
from watchpost_collector.alerts.contact import (
    Contact,
    Email,
    MailServer,
    Network,
    Slack,
    Webhook,
    resolve,
)

# Together less than the patience of a server that is to end.
_TIMEOUT_S = 8.0
_DEADLINE_S = 12.0
# The message itself is refused: it would be again. Any other refusal may be cured meanwhile.
_REFUSED_STATUS = (400, 413, 414, 415, 422)
_REFUSED_CODE = (552, 554)

Send = Callable[[Notification], None]


class DeliveryError(Exception):
    """Raised when a notification did not arrive: why, when to come back, whether to at all."""

    def __init__(self, reason: str, retry_after_s: int = 0, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Target:
    """Where a POST goes, and with which headers."""

    secure: bool
    host: str
    port: int
    path: str
    headers: Mapping[str, str]
    allow: Sequence[Network]


def open_channels(
    contacts: Sequence[Contact], mail: MailServer | None, environ: Mapping[str, str]
) -> dict[tuple[str, str], Send]:
    """How each contact is told over each of its channels.

    Raises ConfigError for what the environment should hold and does not, or cannot be used.
    """
    sends: dict[tuple[str, str], Send] = {}
    for contact in contacts:
        for kind, channel in contact.channels.items():
            if isinstance(channel, Email):
                if mail is None:
                    raise ConfigError(
                        "alerts", contact.name, "say which server takes mails: `mail`"
                    )
                send: Send = partial(_send_mail, _sign_in(mail, environ), channel.to)
            else:
                render = render_webhook if isinstance(channel, Webhook) else render_slack
                send = partial(_post, _aim(contact, channel, environ), render)
            sends[contact.name, kind] = send
    return sends


def _aim(contact: Contact, channel: Webhook | Slack, environ: Mapping[str, str]) -> Target:
    url = resolve(channel.url, environ)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"watchpost/{version('watchpost')}",
    }
    if isinstance(channel, Webhook) and channel.token is not None:
        headers["Authorization"] = f"Bearer {_check(contact, channel.token.resolve(environ))}"
    try:
        parts = urlsplit(_check(contact, url))
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    secure = parts.scheme == "https"
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ConfigError("alerts", contact.name, "its address is none: https://example.com/hook")
    if not secure and not channel.allow:
        raise ConfigError("alerts", contact.name, "use https://, or name its network in `allow`")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        secure, parts.hostname, port or (443 if secure else 80), path, headers, channel.allow
    )


def _check(contact: Contact, secret: str) -> str:
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigError(
            "alerts", contact.name, "its address or token holds a space or what is no ASCII"
        )
    return secret


def _post(
    target: Target, render: Callable[[Notification], Mapping[str, Any]], notification: Notification
) -> None:
    body = json.dumps(render(notification)).encode()
    headers = {**target.headers, "Idempotency-Key": notification.id}
    try:
        with (
            connect(target.host, target.port, target.allow, _TIMEOUT_S) as raw,
            end_after(raw, _DEADLINE_S),
        ):
            status, retry_after = _exchange(target, raw, body, headers)
    except ForbiddenAddressError as error:
        raise DeliveryError(str(error)) from None
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise DeliveryError(_name(error)) from None
    if not 200 <= status < 300:
        told = f"status {status}" + (", a redirect" if 300 <= status < 400 else "")
        raise DeliveryError(told, _read_retry(retry_after), status in _REFUSED_STATUS)


def _exchange(
    target: Target, raw: socket.socket, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_TIMEOUT_S)
    connection.sock = raw
    if target.secure:
        context = ssl.create_default_context()
        connection.sock = context.wrap_socket(raw, server_hostname=target.host)
        # So that the port is left out of the header where it is the usual one.
        connection.default_port = http.client.HTTPS_PORT
    try:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Retry-After", "")
    finally:
        connection.close()


def _read_retry(text: str) -> int:
    return int(text[:9]) if text.isascii() and text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class _Account:
    server: MailServer
    username: str
    password: str


def _sign_in(mail: MailServer, environ: Mapping[str, str]) -> _Account:
    if mail.password is None:
        return _Account(mail, "", "")
    return _Account(mail, resolve(mail.username, environ), mail.password.resolve(environ))


def _send_mail(account: _Account, to: tuple[str, ...], notification: Notification) -> None:
    mail = render_mail(notification, account.server.sender, to)
    server = account.server
    context = ssl.create_default_context()
    try:
        with closing(_open_smtp(server, context)) as session:
            assert isinstance(session.sock, socket.socket)
            with end_after(session.sock, _DEADLINE_S):
                if server.tls == "starttls":
                    session.starttls(context=context)
                if account.username:
                    session.login(account.username, account.password)
                session.send_message(mail)
                # It is taken: whatever goes wrong with the farewell, it is not sent again.
                with suppress(OSError, smtplib.SMTPException):
                    session.quit()
    except smtplib.SMTPResponseException as error:
        told = f"SMTP code {error.smtp_code}"
        raise DeliveryError(told, is_final=error.smtp_code in _REFUSED_CODE) from None
    except smtplib.SMTPRecipientsRefused:
        raise DeliveryError("SMTP: every recipient was refused") from None
    except (OSError, UnicodeError, smtplib.SMTPException) as error:
        raise DeliveryError(_name(error)) from None


def _open_smtp(server: MailServer, context: ssl.SSLContext) -> smtplib.SMTP:
    # Said, because it would be looked up otherwise.
    here = socket.gethostname()
    if server.tls == "tls":
        return smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=here, timeout=_TIMEOUT_S, context=context
        )
    return smtplib.SMTP(server.host, server.port, here, _TIMEOUT_S)


def _name(error: Exception) -> str:
    """The kind of a failure, and what the system calls it: never what the other side said."""
    told = getattr(error, "strerror", None) or getattr(error, "reason", None)
    kind = type(error).__name__
    return f"{kind}: {told}" if isinstance(told, str) and told else kind
