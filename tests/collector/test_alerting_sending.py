"""One message to real targets: by HTTP and HTTPS, to Slack's form, by mail; and what goes wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hook_server import CERTIFICATE, HookServer
from mail_server import NAME, PASSWORD, MailServer

from watchpost.errors import ConfigError
from watchpost_collector.alerting.notification import Entry, Notification
from watchpost_collector.alerting.sending import DeliveryError, open_channels
from watchpost_collector.alerts import contact

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SECRET = "s3cret-of-nobody"
TOLD = Notification(
    "0123456789abcdef",
    "it",
    1_772_402_400,
    (
        Entry(
            "fedcba9876543210",
            "firing",
            "Errors",
            "error_rate",
            "error_rate 20.0%, usually 1.0%",
            1_772_400_000,
            series={"service": "bot", "prompt.name": "reply"},
            values={"error_rate value": 0.2, "calls": 100},
            link="https://watchpost.example.com/?service=bot",
            traces=("https://watchpost.example.com/trace/abc",),
        ),
    ),
    page="https://watchpost.example.com",
)


def send(
    channel: contact.Channel,
    environ: Mapping[str, str] | None = None,
    mail: contact.MailServer | None = None,
) -> None:
    """Tell one contact with this one channel."""
    kind = {
        contact.Webhook: "webhook",
        contact.Slack: "slack",
        contact.Email: "email",
    }[type(channel)]
    contacts = [contact.Contact("it", {kind: channel})]
    open_channels(contacts, mail, environ or {})["it", kind](TOLD)


def test_a_webhook_gets_what_receivers_of_alertmanager_read_and_numbers_beside_it() -> None:
    with HookServer() as hook:
        token = contact.Reference("TOKEN")
        send(contact.Webhook(hook.url, token, LOOPBACK), {"TOKEN": SECRET})
    [taken] = hook.taken
    assert taken.path == "/hook"
    assert taken.headers["authorization"] == f"Bearer {SECRET}"
    assert taken.headers["idempotency-key"] == taken.told["id"] == TOLD.id
    assert (taken.told["version"], taken.told["status"]) == ("4", "firing")
    assert taken.told["receiver"] == "it"
    [alert] = taken.told["alerts"]
    assert alert["labels"] == {
        "alertname": "Errors", "rule": "Errors", "kind": "error_rate", "service": "bot",
        "prompt_name": "reply",
    }  # fmt: skip
    assert alert["startsAt"] == "2026-03-01T21:20:00Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["values"] == {"error_rate value": 0.2, "calls": 100}
    assert alert["traces"] == ["https://watchpost.example.com/trace/abc"]
    assert alert["fingerprint"] == "fedcba9876543210"


def test_a_webhook_by_tls_is_checked_against_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with HookServer(secure=True) as hook:
        with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
            send(contact.Webhook(hook.url, allow=LOOPBACK))
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        send(contact.Webhook(hook.url, allow=LOOPBACK))
        other = hook.url.replace("localhost", "localhost.localdomain")
        with pytest.raises(DeliveryError):
            send(contact.Webhook(other, allow=LOOPBACK))
    assert len(hook.taken) == 1


def test_slack_gets_blocks_with_links() -> None:
    with HookServer() as hook:
        url = contact.Reference("SLACK")
        send(contact.Slack(url, LOOPBACK), {"SLACK": hook.url})
    [taken] = hook.taken
    assert taken.told["text"].startswith("FIRING Errors: service=bot")
    said = json.dumps(taken.told["blocks"])
    assert "<https://watchpost.example.com/trace/abc|trace 1>" in said
    assert all(block["text"]["verbatim"] for block in taken.told["blocks"])


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)],
)
def test_an_answer_says_whether_it_is_worth_another_try(status: int, is_final: bool) -> None:
    refused = pytest.raises(DeliveryError, match=f"status {status}")
    with HookServer(status, headers={"Retry-After": "120"}) as hook, refused as caught:
        send(contact.Webhook(hook.url, allow=LOOPBACK))
    assert (caught.value.is_final, caught.value.retry_after_s) == (is_final, 120)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with HookServer() as inner, HookServer(status, headers={"Location": inner.url}) as hook:
        with pytest.raises(DeliveryError, match="a redirect"):
            send(contact.Webhook(hook.url, allow=LOOPBACK))
        assert (len(hook.taken), inner.taken) == (1, [])


def test_an_address_that_is_not_public_gets_nothing_unless_its_network_is_named() -> None:
    with HookServer(secure=True) as hook:
        with pytest.raises(DeliveryError, match="not public"):
            send(contact.Webhook(hook.url))
        url = contact.Reference("SLACK")
        with pytest.raises(DeliveryError, match="not public"):
            send(contact.Slack(url), {"SLACK": hook.url})
    assert hook.taken == []


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with HookServer() as hook:
        send(contact.Webhook(hook.url, allow=LOOPBACK))
    assert len(hook.taken) == 1


def test_a_target_that_is_away_is_told_without_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryError) as caught:
        send(contact.Webhook(f"http://localhost:{port}/{SECRET}", allow=LOOPBACK))
    assert "refused" in caught.value.reason
    assert SECRET not in caught.value.reason


@pytest.mark.parametrize(
    "url", ["http://a.example/", "ftp://a.example/", "nothing", "https://a.example/x\r\nX-Evil: 1"]
)
def test_an_address_from_the_environment_is_judged_like_one_in_the_file(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        send(contact.Slack(contact.Reference("SLACK")), {"SLACK": url})
    assert url not in str(caught.value)


def server(
    mail: MailServer, password: str = "SMTP_PASSWORD", tls: str = "starttls"
) -> contact.MailServer:
    """How that server is reached."""
    server = contact.MailServer("localhost", "alerts@example.com", mail.port, tls)
    if tls == "tls":
        return server
    return replace(server, username=NAME, password=contact.Reference(password))


ENVIRON = {"SMTP_PASSWORD": PASSWORD, "WRONG": "another"}
TO = contact.Email(("a@example.com", "b@example.com"))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_goes_by_tls(tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with MailServer(tls=tls) as mail:
        send(TO, ENVIRON, server(mail, tls=tls))
    [taken] = mail.mails
    assert taken["Subject"] == "[FIRING] Errors: service=bot, prompt.name=reply"
    assert (taken["From"], taken["To"]) == ("alerts@example.com", "a@example.com, b@example.com")
    assert taken["Message-ID"] == f"<{TOLD.id}@example.com>"
    body = taken.get_content()
    assert "error_rate 20.0%, usually 1.0%" in body
    assert "https://watchpost.example.com/trace/abc" in body


def test_a_mail_that_is_not_taken_says_by_its_code_whether_to_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MailServer("451 later", "554 never") as mail:
        with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
            send(TO, ENVIRON, server(mail))
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        with pytest.raises(DeliveryError, match="SMTP code 535"):
            send(TO, ENVIRON, server(mail, "WRONG"))
        for code, is_final in ((451, False), (554, True)):
            with pytest.raises(DeliveryError, match=f"SMTP code {code}") as caught:
                send(TO, ENVIRON, server(mail))
            assert caught.value.is_final is is_final
    assert mail.mails == []
