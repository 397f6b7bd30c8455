"""The same alerts as files that Grafana provisions itself from.

A dollar sign in them would name an environment variable of Grafana's, so each that is meant is
doubled, but in queries and annotations, which Grafana takes as they are; secrets stay such names.
Policies in a file are Grafana's whole tree: that is how it reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchpost_dashboards.pushing.alerting import (
    FOLDER_TITLE,
    Alerts,
    build_receivers,
    build_route,
    build_rules,
    write_duration,
)

# The contact point that a new Grafana has, and tells when no policy says another.
_GRAFANAS_OWN = "grafana-default-email"
_NOTE = "# Written by `watchpost alerts push --to-file`: edit the rules, and write it anew.\n"
_VERBATIM = ("annotations", "model", "settings")


def write_files(alerts: Alerts, folder: Path) -> Iterator[Path]:
    """Write the files, and remove those of a push that had more to say."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, told in build_files(alerts).items():
        path = folder / name
        if told:
            # JSON is YAML, and quotes what YAML would guess at.
            text = json.dumps({"apiVersion": 1, **told}, indent=2, ensure_ascii=False)
            path.write_text(f"{_NOTE}{text}\n", encoding="utf-8")
            yield path
        else:
            path.unlink(missing_ok=True)


def build_files(alerts: Alerts) -> dict[str, dict[str, Any]]:
    """What each file says, by its name; nothing for one that is not needed."""
    group = {
        "orgId": 1,
        "name": alerts.group,
        "folder": FOLDER_TITLE,
        "interval": write_duration(alerts.every_s),
        "rules": build_rules(alerts),
    }
    route = build_route(alerts)
    points: dict[str, dict[str, Any]] = {}
    for receiver in build_receivers(alerts):
        name = receiver.pop("name")
        point = points.setdefault(name, {"orgId": 1, "name": name, "receivers": []})
        point["receivers"].append(receiver)
    tree = {"orgId": 1, "receiver": _GRAFANAS_OWN, "group_by": ["grafana_folder", "alertname"]}
    return {
        "watchpost-rules.yaml": _escape({"groups": [group]}),
        "watchpost-contacts.yaml": _escape({"contactPoints": [*points.values()]}) if points else {},
        "watchpost-policies.yaml": _escape({"policies": [{**tree, "routes": [route]}]})
        if route
        else {},
    }


def _escape(told: Any) -> Any:
    if isinstance(told, dict):
        return {
            name: value if name in _VERBATIM else _escape(value) for name, value in told.items()
        }
    if isinstance(told, list):
        return [_escape(one) for one in told]
    return told.replace("$", "$$") if isinstance(told, str) else told
