"""A real SMTP server that keeps the mails it takes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from hook_server import CERTIFICATE

NAME, PASSWORD = "watchpost", "a password"


class MailServer:
    """Serves in a `with` block, on loopback: STARTTLS and a password are asked for.

    `answers` are given to mails in turn, then they are taken. With `tls` "tls" it begins with TLS,
    and asks for no password.
    """

    def __init__(self, *answers: str, tls: str = "starttls") -> None:
        self.mails: list[EmailMessage] = []
        self._answers = list(answers)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._context = context if tls == "tls" else None
        self._settings: dict[str, Any] = {
            "tls_context": None if self._context else context,
            "require_starttls": not self._context,
            "auth_required": not self._context,
            "authenticator": _judge,
            "loop": self._loop,
        }

    def __enter__(self) -> MailServer:
        self._thread.start()
        serving = self._loop.create_server(
            lambda: SMTP(self, **self._settings), sock=self._socket, ssl=self._context
        )
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        # Sessions whose client is gone see it soon, and close what is theirs.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail, or refuse it as it was told to."""
        if self._answers:
            return self._answers.pop(0)
        found = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(cast(EmailMessage, found))
        return "250 OK"


def _judge(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (
        NAME.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=known, handled=False)
