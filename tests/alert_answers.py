"""What a store would answer to a rule by service: which fire, which are quiet, or a failure.

Run as a program, it runs one rule with one contact until nothing is left to be told:
`python tests/alert_answers.py DIRECTORY WEBHOOK_URL`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from watchpost_collector.alerting.running import Alerting
from watchpost_collector.alerting.sending import open_channels
from watchpost_collector.alerts.rule_file import read_alerts


class Answers:
    """Answers as the engine does. `failure` is raised instead where there is one."""

    def __init__(self, *firing: str) -> None:
        self.firing = set(firing)
        self.quiet: set[str] = set()
        self.failure: Exception | None = None
        self.asked = 0

    def __call__(self, sql: str, bound: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if "trace_id" in sql:
            return [{"trace_id": "cafe"}]
        at = bound["at"]
        assert isinstance(at, list)
        return [
            _write_row(at[-1], service, service in self.firing)
            for service in sorted(self.firing | self.quiet)
        ]


def _write_row(at: int, service: str, fires: bool) -> dict[str, Any]:
    return {
        "at": at,
        "series": [service],
        "subject": "",
        "against": "",
        "measure": "error_rate",
        "value": 0.2 if fires else 0.01,
        "baseline": 0.01,
        "bound": 0.03,
        "calls": 100,
        "chance": 1e-9,
        "fires": int(fires),
        "evidence": {},
        "since": at - 3600,
    }


def write_file(url: str, more: str = "") -> str:
    """A rule by service that tells one webhook on loopback."""
    return f"""
page: https://watchpost.example.com
contacts:
- name: oncall
  webhook: {{url: "{url}", allow: [127.0.0.0/8, "::1/128"]}}
{more}
rules:
- {{name: Errors, kind: error_rate, by: [service], notify: oncall}}
"""


def main() -> None:
    """Run until everything was told."""
    directory, url = sys.argv[1:]
    file = read_alerts(write_file(url), "rules.yaml")
    alerting = Alerting(
        file, open_channels(file.contacts, None, {}), Answers("bot", "mail"), Path(directory)
    )
    alerting.start()
    while not alerting.state.evaluated_at or alerting.state.waiting:
        time.sleep(0.01)
    alerting.close()


if __name__ == "__main__":
    main()
