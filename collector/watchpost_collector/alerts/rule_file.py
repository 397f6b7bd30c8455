"""Alert rules as a YAML file: a list of rules, or keys of which `rules` is one.

    contacts:
    - name: oncall
      email: {to: oncall@example.com}
    rules:
    - name: Support bot cost spike
      kind: cost_spike
      where: {service: support-bot, environment: prod}
      by: [model, prompt.name]
      sensitivity: normal
      notify: [oncall]

What cannot be used is refused with the file, the line, the value and what may stand there. It runs
no rule, tells nobody, and looks nothing up in the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from yaml import SequenceNode

from watchpost.errors import ConfigError
from watchpost.yaml_page import Fields, Node, read_text_file
from watchpost_collector.alerts.alert_page import SETTING, AlertPage
from watchpost_collector.alerts.contact import Contact, MailServer
from watchpost_collector.alerts.contact_file import ContactReader
from watchpost_collector.alerts.dimensions import CALLS, CHECKS, SEGMENT, is_known
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_reading import RuleReader
from watchpost_collector.alerts.state import Silence

MOST_BYTES = 256 * 1024
MOST_RULES = 200
_MOST_SILENCES = 100
_KEYS = ("rules", "contacts", "mail", "silences", "notify", "every", "page")
_LEAST_EVERY_S, _MOST_EVERY_S = 60, 86_400


@dataclass(frozen=True, slots=True)
class AlertFile:
    """Everything one file says.

    `every_s` is how often rules are evaluated; `page` where people reach the built-in page, ''
    where nobody said. A rule that names nobody in `notify` has the file's own here.
    """

    rules: tuple[Rule, ...]
    contacts: tuple[Contact, ...] = ()
    mail: MailServer | None = None
    silences: tuple[Silence, ...] = ()
    every_s: int = 300
    page: str = ""


def load_alerts(path: str | Path) -> AlertFile:
    """What a YAML file says of alerts.

    Raises ConfigError with the file and line of what cannot be used.
    """
    path = Path(path)
    return read_alerts(read_text_file(SETTING, path, MOST_BYTES), path.name)


def load_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules alone; see `load_alerts`."""
    return load_alerts(path).rules


def read_rules(text: str, name: str) -> tuple[Rule, ...]:
    """As `load_rules`, of a text that is called `name` in complaints."""
    return read_alerts(text, name).rules


def read_alerts(text: str, name: str) -> AlertFile:
    """As `load_alerts`, of a text that is called `name` in complaints."""
    page = AlertPage(name)
    node = page.compose(text, MOST_BYTES, "write a list of rules")
    if isinstance(node, SequenceNode):
        return AlertFile(_read_all_rules(page, node, name))
    fields = page.read_fields(node, _KEYS)
    if "rules" not in fields:
        raise page.refuse(node, "write a list of rules, or keys of which `rules` is one")
    reader = ContactReader(page)
    contacts = reader.read_contacts(fields["contacts"]) if "contacts" in fields else ()
    mail = reader.read_mail(fields["mail"]) if "mail" in fields else None
    if mail is None and any("email" in contact.channels for contact in contacts):
        raise page.refuse(fields["contacts"], "say which server takes the mails: `mail`")
    rules = _read_all_rules(page, fields["rules"], name)
    if "notify" in fields:
        default = tuple(page.read_texts(fields["notify"]))
        rules = tuple(rule if rule.is_routed else replace(rule, notify=default) for rule in rules)
    file = AlertFile(rules, contacts, mail, _read_silences(page, fields, rules))
    if contacts:
        check_contacts(file, name)
    return _read_rest(page, fields, file)


def check_contacts(file: AlertFile, name: str) -> None:
    """ConfigError for a rule that names nobody there is; a file without contacts has nobody."""
    known = [contact.name for contact in file.contacts]
    for rule in file.rules:
        for wanted in rule.notify:
            if wanted not in known:
                there = ", ".join(known) or "none"
                cure = f"no such contact in `notify`: there is {there}"
                raise ConfigError(SETTING, f"{name}:{rule.line} {wanted!r}", cure)


def _read_all_rules(page: AlertPage, node: Node, name: str) -> tuple[Rule, ...]:
    nodes = page.read_list(node)
    if not nodes or len(nodes) > MOST_RULES:
        raise ConfigError(SETTING, name, f"write 1 to {MOST_RULES} rules")
    reader = RuleReader(page)
    rules: list[Rule] = []
    for one in nodes:
        rule = reader.read_rule(one)
        if any(rule.name == other.name for other in rules):
            raise ConfigError(
                SETTING, f"{name}:{rule.line} {rule.name!r}", "another rule has this name"
            )
        rules.append(rule)
    return tuple(rules)


def _read_rest(page: AlertPage, fields: Fields, file: AlertFile) -> AlertFile:
    if "every" in fields:
        every_s = page.read_span(fields["every"], _MOST_EVERY_S, _LEAST_EVERY_S)
        file = replace(file, every_s=every_s)
    if "page" in fields:
        address = page.read_text(fields["page"]).rstrip("/")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise page.refuse(fields["page"], "write it like https://watchpost.example.com")
        file = replace(file, page=address)
    return file


def _read_silences(page: AlertPage, fields: Fields, rules: Sequence[Rule]) -> tuple[Silence, ...]:
    if "silences" not in fields:
        return ()
    nodes = page.read_list(fields["silences"])
    if len(nodes) > _MOST_SILENCES:
        raise page.refuse(fields["silences"], f"write at most {_MOST_SILENCES} silences")
    return tuple(_read_silence(page, node, rules) for node in nodes)


def _read_silence(page: AlertPage, node: Node, rules: Sequence[Rule]) -> Silence:
    fields = page.read_fields(node, ("rule", "where", "from", "until", "reason"))
    if "until" not in fields:
        raise page.refuse(node, "a silence ends: say `until`")
    begins = page.read_moment(fields["from"]) if "from" in fields else 0
    ends = page.read_moment(fields["until"])
    if ends <= begins:
        raise page.refuse(fields["until"], "let it end after it begins")
    rule = (
        page.read_choice(fields["rule"], [rule.name for rule in rules]) if "rule" in fields else ""
    )
    series = []
    for key, value in page.read_pairs(fields["where"], None) if "where" in fields else ():
        if not any(is_known(key.value, columns) for columns in (CALLS, CHECKS)):
            allowed = ", ".join((*dict.fromkeys((*CALLS, *CHECKS)), f"{SEGMENT}KEY"))
            raise page.refuse(key, f"use {allowed}")
        series.append((key.value, page.read_text(value)))
    reason = page.read_text(fields["reason"]) if "reason" in fields else ""
    return Silence(rule, begins, ends, tuple(series), reason)
