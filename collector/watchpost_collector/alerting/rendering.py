"""How a notification looks: as JSON of Alertmanager's webhook, as a message to Slack, as a mail.

What rules and series are called was written by strangers too: it commands no channel, opens no
link, and adds no line to a header. This file sends nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from watchpost_collector.alerting.notification import Entry, Notification
from watchpost_collector.alerts.finding import show_time

# Slack takes 3,000 characters of text in a block.
_BLOCK_CHARACTERS = 2900
_TITLE_CHARACTERS = 150
_NO_END = "0001-01-01T00:00:00Z"
_CONDITIONS = {"failing": "RuleFailing", "no_data": "NoData"}


def render_webhook(notification: Notification) -> dict[str, Any]:
    """The object that receivers of Alertmanager and Grafana understand, with numbers beside it."""
    alerts = [_render_alert(entry) for entry in notification.entries]
    labels = [alert["labels"] for alert in alerts]
    first, *others = labels
    common = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
    rule = common.get("rule", "")
    return {
        "version": "4",
        "id": notification.id,
        "groupKey": f"{notification.contact}:{rule}",
        "truncatedAlerts": notification.left_out,
        "status": notification.status,
        "receiver": notification.contact,
        "groupLabels": {"rule": rule} if rule else {},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": notification.page,
        "title": flatten(notification.title),
        "alerts": alerts,
    }


def _render_alert(entry: Entry) -> dict[str, Any]:
    series = {name.replace(".", "_"): value for name, value in (entry.series or {}).items()}
    return {
        "status": entry.status,
        "labels": {
            **series,
            "alertname": _CONDITIONS.get(entry.condition, entry.rule),
            "rule": entry.rule,
            "kind": entry.kind,
        },
        "annotations": {"summary": flatten(entry.said)},
        "startsAt": _write_time(entry.since),
        "endsAt": _write_time(entry.until) if entry.until else _NO_END,
        "generatorURL": entry.link,
        "fingerprint": entry.fingerprint,
        "values": dict(entry.values or {}),
        "traces": list(entry.traces),
    }


def render_slack(notification: Notification) -> dict[str, Any]:
    """A message of blocks; its text is what a phone shows before it is opened."""
    title = f"{notification.status.upper()} {flatten(notification.title)}"
    blocks = [_write_block(f"*{_escape(title)}*")]
    blocks += [_write_block(_describe(entry)) for entry in notification.entries]
    if notification.left_out:
        blocks.append(_write_block(f"and {notification.left_out} more"))
    return {"text": _escape(title), "blocks": blocks}


def _describe(entry: Entry) -> str:
    head = ": ".join(flatten(part) for part in (entry.rule, entry.subject) if part)
    told = f"*{_escape(head)}* ({entry.status})\n{_escape(flatten(entry.said))}"
    links = [f"<{_escape(entry.link)}|page>"] if entry.link else []
    links += [f"<{_escape(url)}|trace {nth}>" for nth, url in enumerate(entry.traces, 1)]
    return told[:_BLOCK_CHARACTERS] + (f"\n{' · '.join(links)}" if links else "")


def _write_block(text: str) -> dict[str, Any]:
    # Verbatim: what looks like an address or a name in it is not made a link.
    shown = {"type": "mrkdwn", "text": text[:3000], "verbatim": True}
    return {"type": "section", "text": shown}


def render_mail(notification: Notification, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """A mail in plain text. Its id is the notification's: a second one of it is the same mail."""
    mail = EmailMessage()
    title = f"[{notification.status.upper()}] {flatten(notification.title)}"
    mail["Subject"] = title[:_TITLE_CHARACTERS]
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(notification.at, UTC))
    mail["Message-ID"] = f"<{notification.id}@{sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = []
    for entry in notification.entries:
        head = ": ".join(flatten(part) for part in (entry.rule, entry.subject) if part)
        lines += [f"{entry.status.upper()}  {head}", f"  {flatten(entry.said)}"]
        lines += [f"  since {show_time(entry.since)} UTC"]
        lines += [f"  {url}" for url in (entry.link, *entry.traces) if url]
        lines += [""]
    if notification.left_out:
        lines += [f"and {notification.left_out} more", ""]
    mail.set_content("\n".join(lines))
    return mail


def flatten(text: str) -> str:
    """The text on one line, with a mark in the place of what cannot be printed."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def _escape(text: str) -> str:
    """What Slack would take for a link, a channel or a person stays text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
