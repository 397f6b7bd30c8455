"""What alerts look like in Grafana: a group of rules, contact points, and a notification policy.

Everything of one `group` carries it, in a uid, a label or a matcher, so that a later push knows
what is its own and what was removed. Pure: values in, what Grafana's provisioning API takes out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from watchpost_dashboards.plugin import FORMS, SOURCE_UID, describe_query

FOLDER_UID = FOLDER_TITLE = "watchpost"
# The label by which a policy finds our alerts; its value is the group.
GROUP_LABEL, NOTIFY_LABEL = "watchpost", "watchpost_notify"
EXPRESSIONS = "__expr__"
_BY_RULE = ("grafana_folder", "alertname")
_HOUR_S, _WEEK_S = 3600, 604_800
_UNITS = ((86_400, "d"), (_HOUR_S, "h"), (60, "m"), (1, "s"))
# Which dashboard shows what a rule is about, by its kind; the overview shows the others.
_SHEETS = {
    **dict.fromkeys(("cost_spike", "budget"), "cost"),
    **dict.fromkeys(("latency", "error_rate"), "latency"),
    **dict.fromkeys(("guard_rate", "refusal_rate"), "quality"),
    "regression": "prompts",
}
_VARIABLES = {
    **{name: name for name in ("project", "service", "environment", "model")},
    "prompt.name": "prompt",
    "prompt.version": "version",
}


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule as SQL: rows of labels and one number, which is NaN where the rule is not true.

    `labels` are the rule's own names for its columns. It fires after `hold_s` seconds, and also
    when there is nothing to judge if it `tells_no_data`.
    """

    name: str
    kind: str
    sql: str
    labels: Mapping[str, str]
    notify: tuple[str, ...] = ()
    hold_s: int = 0
    tells_no_data: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """One way to reach a contact: Grafana's word for it and its settings, secrets among them."""

    type: str
    settings: Mapping[str, str]
    has_secrets: bool = False


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Whom rules tell. `is_one` puts all their alerts into one message; `repeat_s` 0 leaves it to
    Grafana how often it is told again."""

    name: str
    receivers: tuple[Receiver, ...]
    is_one: bool = False
    repeat_s: int = 0
    tells_end: bool = True


@dataclass(frozen=True, slots=True)
class Alerts:
    """All of one group. `page` is where people reach the built-in page, '' where nobody said."""

    group: str
    rules: tuple[AlertRule, ...]
    contacts: tuple[ContactPoint, ...] = ()
    every_s: int = 300
    page: str = ""


def name_prefix(group: str) -> str:
    """What the uids of everything in a group begin with."""
    return f"watchpost-{_digest(group, 8)}-"


def build_rules(alerts: Alerts) -> list[dict[str, Any]]:
    """The rules, without what a request says of where they are."""
    return [_build_rule(rule, alerts) for rule in alerts.rules]


def build_receivers(alerts: Alerts) -> list[dict[str, Any]]:
    """The contact points: those of one name are one contact's receivers."""
    return [
        {
            "uid": name_prefix(alerts.group) + _digest(f"{contact.name}\n{receiver.type}", 12),
            "name": name_contact(alerts.group, contact.name),
            "type": receiver.type,
            "settings": dict(receiver.settings),
            "disableResolveMessage": not contact.tells_end,
        }
        for contact in alerts.contacts
        for receiver in contact.receivers
    ]


def build_route(alerts: Alerts) -> dict[str, Any] | None:
    """The branch of the policies that tells the contacts; None without any.

    An alert that names nobody stays with whoever gets Grafana's other alerts.
    """
    if not alerts.contacts:
        return None
    return {
        "object_matchers": [[GROUP_LABEL, "=", alerts.group]],
        "group_by": list(_BY_RULE),
        "routes": [_build_branch(contact, alerts.group) for contact in alerts.contacts],
    }


def is_own_route(route: Mapping[str, Any], group: str) -> bool:
    """Whether a branch of the policies is the one of this group."""
    return route.get("object_matchers") == [[GROUP_LABEL, "=", group]]


def name_contact(group: str, name: str) -> str:
    """What a contact is called in Grafana: never as one that somebody else has made."""
    return f"{group}: {name}"


def write_duration(seconds: int) -> str:
    """Seconds as Grafana spells them back: `5m`, `1h30m`, `1d1h`; weeks only when whole."""
    if seconds and seconds % _WEEK_S == 0:
        return f"{seconds // _WEEK_S}w"
    spelled = ""
    for unit_s, unit in _UNITS:
        number, seconds = divmod(seconds, unit_s)
        spelled += f"{number}{unit}" if number else ""
    return spelled or "0s"


def _build_rule(rule: AlertRule, alerts: Alerts) -> dict[str, Any]:
    labels = {GROUP_LABEL: alerts.group, "kind": rule.kind}
    if rule.notify:
        labels[NOTIFY_LABEL] = f"|{'|'.join(map(_quote, rule.notify))}|"
    return {
        "uid": name_prefix(alerts.group) + _digest(rule.name, 12),
        "title": rule.name,
        "condition": "C",
        "data": [
            _build_query(rule.sql),
            # One for a number, nought for NaN: the value may be nought itself, and is told.
            _build_expression("B", type="math", expression="is_number($A)"),
            _build_expression(
                "C",
                type="threshold",
                expression="B",
                conditions=[{"evaluator": {"type": "gt", "params": [0]}}],
            ),
        ],
        "noDataState": "NoData" if rule.tells_no_data else "OK",
        "execErrState": "Error",
        "for": write_duration(rule.hold_s),
        "labels": labels,
        "annotations": _annotate(rule, alerts.page),
    }


def _build_query(sql: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "queryType": "",
        "relativeTimeRange": {"from": _HOUR_S, "to": 0},
        "datasourceUid": SOURCE_UID,
        "model": describe_query(sql, FORMS["table"]),
    }


def _build_expression(ref_id: str, **told: Any) -> dict[str, Any]:
    source = {"type": EXPRESSIONS, "uid": EXPRESSIONS}
    return {
        "refId": ref_id,
        "queryType": "",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": EXPRESSIONS,
        "model": {"refId": ref_id, "datasource": source, **told},
    }


def _annotate(rule: AlertRule, page: str) -> dict[str, str]:
    # Written without a dollar sign, which files would take for an environment variable.
    shown = [f'{name}={{{{ index .Labels "{label}" }}}}' for label, name in rule.labels.items()]
    if rule.kind == "regression":
        version = '{{ index .Labels "version" }} against {{ index .Labels "predecessor" }}'
        shown.append(version)
    value = '{{ with (index .Values "A") }}{{ printf "%.4g" .Value }}{{ end }}'
    measured = f'{{{{ index .Labels "measure" }}}} {value}'
    annotations = {
        "summary": f"{_quote(rule.name)}: {', '.join([*shown, measured])}",
        "dashboard": r'{{ reReplaceAll `/\z` "" externalURL }}' + _link_dashboard(rule),
    }
    if page:
        annotations["page"] = _quote(page)
    return annotations


def _link_dashboard(rule: AlertRule) -> str:
    chosen = "".join(
        f'&var-{_VARIABLES[name]}={{{{ urlquery (index .Labels "{label}") }}}}'
        for label, name in rule.labels.items()
        if name in _VARIABLES
    )
    shown = urlencode({"from": "now-24h", "to": "now"})
    return f"/d/watchpost-{_SHEETS.get(rule.kind, 'overview')}?{shown}{chosen}"


def _quote(text: str) -> str:
    """A person's text where Grafana fills in templates: its braces open nothing."""
    return text.replace("{{", "{ {").replace("}}", "} }")


def _build_branch(contact: ContactPoint, group: str) -> dict[str, Any]:
    pattern = rf".*\|{re.escape(_quote(contact.name))}\|.*"
    branch: dict[str, Any] = {
        "receiver": name_contact(group, contact.name),
        "object_matchers": [[NOTIFY_LABEL, "=~", pattern]],
        "group_by": [GROUP_LABEL] if contact.is_one else list(_BY_RULE),
        "continue": True,
    }
    if contact.repeat_s:
        branch["repeat_interval"] = write_duration(contact.repeat_s)
    return branch


def _digest(text: str, characters: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:characters]
