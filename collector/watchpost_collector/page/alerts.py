"""The card above the overview that is there while alerts fire, or rules cannot be evaluated.

It draws what the alert rules that are run here came to, for whoever sees every project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from watchpost_collector.alerts.finding import show_time
from watchpost_collector.page.elements import box, chip, draw_table, text

# What `GET /api/alerts` tells, None where no rules are run.
ShowAlerts = Callable[[], Mapping[str, Any] | None]
AlertRow = tuple[str, str, str, str, str]
_TONES = {"firing": "bad", "failing": "bad", "silenced": "info", "pending": "warn"}
_MOST_ROWS = 50


def list_rows(state: Mapping[str, Any] | None) -> list[AlertRow]:
    """State, rule, series, since and why of what a person should see, what fires first."""
    rows: list[AlertRow] = []
    for rule in state["rules"] if state else ():
        if rule["condition"] == "failing":
            told = f"cannot be evaluated: {rule['reason']}"
            rows.append(("failing", rule["name"], "", show_time(rule["since"]), told))
        rows += [
            (one["state"], rule["name"], one["subject"], show_time(one["since"]), one["why"])
            for one in rule["alerts"]
        ]
    return sorted(rows, key=lambda row: list(_TONES).index(row[0]))[:_MOST_ROWS]


class AlertCard:
    """The card of one tab; drawn where it is made, empty until it is shown."""

    def __init__(self, show_alerts: ShowAlerts) -> None:
        self._show_alerts = show_alerts
        self._shown: Sequence[AlertRow] = ()
        self._card = box("div", "wp-card wp-alerts", "alerts")
        self._card.set_visibility(False)

    def show(self) -> None:
        """Draw it anew where something has changed."""
        rows = list_rows(self._show_alerts())
        if rows == self._shown:
            return
        self._shown = rows
        self._card.set_visibility(bool(rows))
        self._card.clear()
        heads = [("State", False), ("Rule", False), ("Of", False), ("Since", False), ("Why", False)]
        with self._card:
            with box("h2"):
                text("b", "Alerts")
                text("span", "UTC")
            with box("div", "wp-scroll"):
                cells: list[Sequence[str | Callable[[], Any]]] = [
                    (partial(chip, row[0], _TONES[row[0]]), *row[1:]) for row in rows
                ]
                draw_table(heads, cells, "table-alerts")
