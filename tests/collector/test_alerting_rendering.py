"""Messages about things that strangers named: a name stays a name, wherever it is shown."""

from __future__ import annotations

import json
from email import message_from_bytes

from watchpost_collector.alerting.notification import Entry, Notification
from watchpost_collector.alerting.rendering import render_mail, render_slack, render_webhook

HOSTILE = (
    "<!channel> <https://evil.example|pay> & http://evil.example\r\nBcc: x@evil.example\x1b[2J"
)


def tell(name: str, count: int = 1, left_out: int = 0) -> Notification:
    """A notification about a service of that name."""
    entry = Entry(
        "f", "firing", "Errors", "error_rate", f"errors of {name}", 0, series={"service": name}
    )
    return Notification("id", "it", 0, (entry,) * count, left_out)


def test_slack_is_given_no_channel_and_no_link_by_a_name() -> None:
    message = render_slack(tell(HOSTILE))
    shown = json.dumps(message)
    assert "<!channel>" not in shown
    assert "<https://evil" not in shown
    assert "&lt;!channel&gt;" in shown
    assert all(block["text"]["verbatim"] for block in message["blocks"])


def test_a_mail_has_no_header_and_no_control_character_of_a_name() -> None:
    mail = message_from_bytes(render_mail(tell(HOSTILE), "a@example.com", ("b@c.d",)).as_bytes())
    assert mail["Bcc"] is None
    assert "\x1b" not in str(mail)
    assert len(str(mail["Subject"])) < 250


def test_json_keeps_a_name_as_it_is_and_shows_it_on_one_line() -> None:
    [alert] = render_webhook(tell(HOSTILE))["alerts"]
    assert alert["labels"]["service"] == HOSTILE
    assert "\n" not in alert["annotations"]["summary"]


def test_what_is_too_much_for_a_message_is_cut_and_counted() -> None:
    notification = tell("x" * 5000, count=20, left_out=480)
    message = render_slack(notification)
    assert all(len(block["text"]["text"]) <= 3000 for block in message["blocks"])
    assert len(message["blocks"]) <= 50
    assert message["blocks"][-1]["text"]["text"] == "and 480 more"
    assert render_webhook(notification)["truncatedAlerts"] == 480
    assert "and 480 more" in render_mail(notification, "a@example.com", ("b@c.d",)).get_content()
