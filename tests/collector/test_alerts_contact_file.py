"""Contacts, the mail server and silences of a rule file: what is read, and what is refused."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.alerts.contact import (
    Contact,
    Email,
    MailServer,
    Reference,
    Slack,
    Webhook,
    resolve,
)
from watchpost_collector.alerts.rule_file import AlertFile, read_alerts
from watchpost_collector.alerts.state import Silence

WHOLE = """
page: https://watchpost.example.com/
every: 2m
notify: pager
mail:
  host: smtp.example.com
  from: alerts@example.com
  username: watchpost
  password: ${SMTP_PASSWORD}
contacts:
- name: oncall
  slack:
    url: ${SLACK_WEBHOOK}
  email: {to: [a@example.com, b@example.com]}
  group: contact
  repeat: 4h
  resolved: false
- name: pager
  webhook:
    url: https://pager.internal/alerts
    token: ${PAGER_TOKEN}
    allow: [10.1.0.0/16]
silences:
- rule: Errors
  where: {service: bot}
  from: 2026-03-01T22:00
  until: 2026-03-02T00:00+01:00
  reason: load test
rules:
- name: Errors
  kind: error_rate
  notify: [oncall, pager]
  no_data: 6h
- name: Silent
  kind: absence
- name: Quiet
  kind: volume
  notify: []
"""
RULES = "rules:\n- {name: a, kind: volume}\n"


def read(text: str) -> AlertFile:
    return read_alerts(text, "rules.yaml")


def test_a_file_is_what_was_written() -> None:
    file = read(WHOLE)
    assert (file.page, file.every_s) == ("https://watchpost.example.com", 120)
    assert file.mail == MailServer(
        "smtp.example.com",
        "alerts@example.com",
        587,
        "starttls",
        "watchpost",
        Reference("SMTP_PASSWORD", "alerts: rules.yaml:9"),
    )
    slack = Slack(Reference("SLACK_WEBHOOK", "alerts: rules.yaml:13"))
    webhook = Webhook(
        "https://pager.internal/alerts",
        Reference("PAGER_TOKEN", "alerts: rules.yaml:21"),
        (ip_network("10.1.0.0/16"),),
    )
    mail = Email(("a@example.com", "b@example.com"))
    assert file.contacts == (
        Contact("oncall", {"slack": slack, "email": mail}, "contact", 4 * 3600, False, 11),
        Contact("pager", {"webhook": webhook}, line=18),
    )
    # 22:00 in UTC; midnight an hour east of it is 23:00.
    assert file.silences == (
        Silence("Errors", 1772402400, 1772406000, (("service", "bot"),), "load test"),
    )


def test_a_rule_that_names_nobody_has_the_contacts_of_the_file() -> None:
    errors, silent, quiet = read(WHOLE).rules
    assert (errors.notify, errors.no_data_s) == (("oncall", "pager"), 6 * 3600)
    assert (silent.notify, silent.no_data_s) == (("pager",), 0)
    assert quiet.notify == ()


def test_a_list_of_rules_is_a_file_too_and_names_whom_it_wants() -> None:
    file = read("- {name: a, kind: volume, notify: oncall}")
    assert (file.contacts, file.rules[0].notify) == ((), ("oncall",))


def test_every_file_that_the_documents_show_can_be_read() -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"
    blocks = re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL)
    assert [len(read(block).contacts) for block in blocks] == [0, 2]


def test_a_reference_is_looked_up_and_one_to_nothing_is_named_with_its_line() -> None:
    secret = Reference("PAGER_TOKEN", "alerts: rules.yaml:21")
    assert resolve(secret, {"PAGER_TOKEN": "x"}) == "x"
    assert resolve("as it is", {}) == "as it is"
    with pytest.raises(ConfigError, match=r"rules.yaml:21=.*PAGER_TOKEN.* set this environment"):
        resolve(secret, {})


def contact(text: str) -> str:
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    return f"{RULES}mail: {{host: mail, from: a@b.c}}\ncontacts:\n- name: it\n{indented}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (contact("pager: 1"), ["rules.yaml:6 'pager'", "webhook, slack, email"]),
        (contact("repeat: 1h"), ["rules.yaml:5", "at least one of webhook"]),
        (contact("group: all\nemail: {to: a@b.c}"), ["rules.yaml:6 'all'", "rule, contact"]),
        (contact("repeat: 1m\nemail: {to: a@b.c}"), ["rules.yaml:6 '1m'", "from 5m up to 7d"]),
        (contact("resolved: maybe\nemail: {to: a@b.c}"), ["'maybe'", "true, false"]),
        (contact("email: {to: 'a@b.c, x@y.z'}"), ["rules.yaml:6", "oncall@example.com"]),
        (contact('email: {to: "a@b.c\\nBcc: x@y.z"}'), ["rules.yaml:6", "oncall@example.com"]),
        (contact("webhook: {url: 'ftp://a.b/c'}"), ["rules.yaml:6", "https://alerts"]),
        (contact("webhook: {url: 'http://a.b/c'}"), ["rules.yaml:6", "`allow: [10.1.0.0/16]`"]),
        (contact("webhook: {url: 'https://a.b', allow: 10.1.0.1/16}"), ["'10.1.0.1/16'"]),
        (contact("slack: {channel: '#x'}"), ["rules.yaml:6 'channel'", "url, allow"]),
        (RULES + "every: 1s", ["rules.yaml:3 '1s'", "write a span of time up to 1d"]),
        (RULES + "page: example.com", ["rules.yaml:3", "https://watchpost.example.com"]),
        (RULES + "receivers: []", ["rules.yaml:3 'receivers'", "contacts, mail, silences"]),
        (RULES + "contacts: [{name: x, email: {to: a@b.c}}]", ["which server", "`mail`"]),
        (RULES + "silences: [{rule: b, until: 2026-01-01}]", ["rules.yaml:3 'b'", "use one of a"]),
        (RULES + "silences: [{rule: a}]", ["rules.yaml:3", "`until`"]),
        (RULES + "silences: [{until: tomorrow}]", ["'tomorrow'", "2026-03-01T14:00"]),
        (
            RULES + "silences: [{until: 2026-01-01, where: {modle: x}}]",
            ["rules.yaml:3 'modle'", "prompt.version"],
        ),
        (
            contact("email: {to: a@b.c}") + "notify: [nobody]",
            ["rules.yaml:2 'nobody'", "there is it"],
        ),
        (RULES + "mail: {host: m, from: a@b.c, username: x}", ["both a `username`"]),
        (
            RULES + "mail:\n  {host: m, from: a@b.c, username: x, password: '${P}', tls: none}",
            ["rules.yaml:4", "no password is sent without TLS"],
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_may_stand_there(
    text: str, told: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    for part in told:
        assert part in str(caught.value)


SECRET = "hunter2hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        contact(f"slack:\n  url: https://hooks.slack.com/services/T0/B0/{SECRET}"),
        contact(f"webhook:\n  url: https://example.com\n  token: {SECRET}"),
        contact(f"webhook:\n  url: https://user:{SECRET}@example.com/"),
        contact(f"webhook:\n  url: https://example.com/?key={SECRET}"),
        contact(f"webhook:\n  url: https://discord.com/api/webhooks/{SECRET}"),
        contact(f"webhook:\n  url: https://example.com\n  token: ${{{SECRET} }}"),
        RULES + f"mail: {{host: m, from: a@b.c, username: x, password: {SECRET}}}",
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert "${NAME}" in str(caught.value)
    assert SECRET not in str(caught.value)
