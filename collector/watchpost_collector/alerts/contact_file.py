"""The contacts and the mail server of a page of alert rules.

    mail:
      host: smtp.example.com
      from: alerts@example.com
      username: watchpost
      password: ${SMTP_PASSWORD}
    contacts:
    - name: oncall
      slack:
        url: ${SLACK_WEBHOOK}
      email:
        to: [oncall@example.com]
      repeat: 4h

Secrets are references to the environment; one that is written out is refused, and not shown in the
complaint. It looks nothing up in the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from watchpost.yaml_page import Fields, Node
from watchpost_collector.alerts.alert_page import AlertPage
from watchpost_collector.alerts.contact import (
    CHANNELS,
    GROUPINGS,
    TLS,
    Channel,
    Contact,
    Email,
    MailServer,
    Network,
    Reference,
    Slack,
    Told,
    Webhook,
)

MOST_CONTACTS = 50
_MOST_ADDRESSES = 50
_MOST_NETWORKS = 20
_LEAST_REPEAT_S, _MOST_REPEAT_S = 300, 7 * 86_400
_SUBMISSION, _SUBMISSION_TLS, _PLAIN = 587, 465, 25
_PORTS = {"starttls": _SUBMISSION, "tls": _SUBMISSION_TLS, "none": _PLAIN}

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.\-]{1,253}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}|[0-9A-Fa-f:]{2,45}", re.ASCII)
# A long word of letters and digits is a secret in the address, as Slack's and Discord's are.
_SECRET_WORD = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w\-.~%]{20,}", re.ASCII)
_REFER = "write it as ${NAME}, and the value into that environment variable"


class ContactReader:
    """Reads the contacts of one page."""

    def __init__(self, page: AlertPage) -> None:
        self._page = page

    def read_contacts(self, node: Node) -> tuple[Contact, ...]:
        """All contacts, each name once."""
        contacts: list[Contact] = []
        for item in self._page.read_list(node):
            contact = self._read_contact(item)
            if any(contact.name == other.name for other in contacts):
                raise self._page.refuse(item, f"another contact is called {contact.name}")
            contacts.append(contact)
        if len(contacts) > MOST_CONTACTS:
            raise self._page.refuse(node, f"write at most {MOST_CONTACTS} contacts")
        return tuple(contacts)

    def read_mail(self, node: Node) -> MailServer:
        """The mail server."""
        page = self._page
        fields = page.read_fields(node, ("host", "port", "tls", "username", "password", "from"))
        for key in ("host", "from"):
            if key not in fields:
                raise page.refuse(node, f"mail has a `{key}`")
        tls = page.read_choice(fields["tls"], TLS) if "tls" in fields else TLS[0]
        password = self._read_secret(fields["password"]) if "password" in fields else None
        if (password is None) != ("username" not in fields):
            raise page.refuse(node, "write both a `username` and a `password`, or neither")
        if password is not None and tls == "none":
            raise page.refuse(fields["password"], "no password is sent without TLS")
        host = page.read_text(fields["host"])
        if not _HOST.fullmatch(host):
            raise page.refuse(fields["host"], "write a name such as smtp.example.com")
        return MailServer(
            host=host,
            sender=self._read_address(fields["from"]),
            port=int(page.read_number(fields["port"], 1, 65_535))
            if "port" in fields
            else _PORTS[tls],
            tls=tls,
            username=self._read_told(fields["username"]) if "username" in fields else "",
            password=password,
        )

    def _read_contact(self, node: Node) -> Contact:
        page = self._page
        allowed = ("name", *CHANNELS, "group", "repeat", "resolved")
        fields = page.read_fields(node, allowed)
        if "name" not in fields:
            raise page.refuse(node, "a contact has a `name`")
        readers: Mapping[str, Callable[[Node], Channel]] = {
            "webhook": self._read_webhook,
            "slack": self._read_slack,
            "email": self._read_email,
        }
        channels = {kind: readers[kind](fields[kind]) for kind in CHANNELS if kind in fields}
        if not channels:
            raise page.refuse(node, f"a contact has at least one of {', '.join(CHANNELS)}")
        return Contact(
            name=page.read_text(fields["name"]),
            channels=channels,
            line=node.start_mark.line + 1,
            **self._read_manner(fields),
        )

    def _read_manner(self, fields: Fields) -> dict[str, Any]:
        page = self._page
        told: dict[str, Any] = {}
        if "group" in fields:
            told["group"] = page.read_choice(fields["group"], GROUPINGS)
        if "repeat" in fields:
            told["repeat_s"] = page.read_span(fields["repeat"], _MOST_REPEAT_S, _LEAST_REPEAT_S)
        if "resolved" in fields:
            told["resolved"] = page.read_truth(fields["resolved"])
        return told

    def _read_webhook(self, node: Node) -> Webhook:
        fields = self._page.read_fields(node, ("url", "token", "allow"))
        if "url" not in fields:
            raise self._page.refuse(node, "a webhook has a `url`")
        token = self._read_secret(fields["token"]) if "token" in fields else None
        url, allow = self._read_told(fields["url"]), self._read_networks(fields)
        if isinstance(url, str):
            self._check_url(fields["url"], url)
            if url.startswith("http:") and not allow:
                cure = "use https://, or name the network it is in: `allow: [10.1.0.0/16]`"
                raise self._page.refuse(fields["url"], cure)
        return Webhook(url, token, allow)

    def _read_slack(self, node: Node) -> Slack:
        fields = self._page.read_fields(node, ("url", "allow"))
        if "url" not in fields:
            raise self._page.refuse(node, "a Slack contact has a `url`")
        return Slack(self._read_secret(fields["url"]), self._read_networks(fields))

    def _read_email(self, node: Node) -> Email:
        fields = self._page.read_fields(node, ("to",))
        if "to" not in fields:
            raise self._page.refuse(node, "an email contact has addresses: `to`")
        to = tuple(self._read_address(one) for one in self._page.read_items(fields["to"]))
        if not 1 <= len(set(to)) == len(to) <= _MOST_ADDRESSES:
            raise self._page.refuse(fields["to"], f"name 1 to {_MOST_ADDRESSES}, each once")
        return Email(to)

    def _read_networks(self, fields: Fields) -> tuple[Network, ...]:
        if "allow" not in fields:
            return ()
        found = []
        for node in self._page.read_items(fields["allow"]):
            try:
                found.append(ip_network(self._page.read_text(node)))
            except ValueError as error:
                raise self._page.refuse(node, "write a network such as 10.1.0.0/16") from error
        if len(found) > _MOST_NETWORKS:
            raise self._page.refuse(fields["allow"], f"name at most {_MOST_NETWORKS} networks")
        return tuple(found)

    def _read_address(self, node: Node) -> str:
        address = self._page.read_text(node)
        if not _ADDRESS.fullmatch(address):
            raise self._page.refuse(node, "write an address such as oncall@example.com")
        return address

    def _read_told(self, node: Node) -> Told:
        text = self._page.read_text(node)
        return self._read_secret(node) if text.startswith("$") else text

    def _read_secret(self, node: Node) -> Reference:
        found = _REFERENCE.fullmatch(self._page.read_text(node))
        if not found:
            raise self._page.refuse_secret(node, f"a secret does not stand in a file: {_REFER}")
        return Reference(found[1], self._page.name_place(node))

    def _check_url(self, node: Node, url: str) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            cure = "write an address such as https://alerts.example.com/hook, or ${NAME}"
            raise self._page.refuse_secret(node, cure)
        words = parts.path.split("/")
        if "@" in parts.netloc or parts.query or any(map(_SECRET_WORD.fullmatch, words)):
            cure = f"it seems to hold a secret (a name, a query or a long word): {_REFER}"
            raise self._page.refuse_secret(node, cure)
