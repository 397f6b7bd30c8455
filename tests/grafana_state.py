"""What a Grafana remembers and which changes it refuses, as its documentation tells: references
must lead somewhere, names are there once, secrets are taken and never shown."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

DEFAULT_CONTACT = "grafana-default-email"
STAMP = "2026-11-23T08:00:00Z"
REDACTED = "[REDACTED]"
# Of each type of contact point: what it must have, what it may have, and what is a secret.
CONTACTS = {
    "email": ({"addresses"}, {"singleEmail", "message", "subject"}, set()),
    "slack": ({"url"}, {"recipient", "username", "title", "text"}, {"url", "token"}),
    "webhook": (
        {"url"},
        {"httpMethod", "username", "maxAlerts", "authorization_scheme", "title", "message"},
        {"password", "authorization_credentials"},
    ),
}
# The ClickHouse plugin's settings and query: src/types/config.ts and src/types/sql.ts.
SOURCE = {
    **dict.fromkeys(("host", "username", "defaultDatabase", "path", "version"), str),
    **dict.fromkeys(("secure", "tlsSkipVerify", "validateSql"), bool),
    "port": int,
    "protocol": ("http", "native"),
}
QUERY = {
    **dict.fromkeys(("refId", "rawSql", "database", "table", "pluginVersion"), str),
    "datasource": {"type": str, "uid": str},
    **(ADDED := dict.fromkeys(("intervalMs", "maxDataPoints"), int)),
    "editorType": ("sql", "builder"),
    "queryType": ("table", "logs", "timeseries", "timeSeries", "traces"),
    "format": int,
}
# Server side expressions: the kinds TypeMath and TypeThreshold of grafana-foundation-sdk.
MATH = {
    **dict.fromkeys(("refId", "expression"), str),
    "datasource": {"type": ("__expr__",), "uid": ("__expr__",)},
    "type": ("math", "threshold"),
    **ADDED,
}
THRESHOLD = {
    **MATH,
    "conditions": [{"evaluator": {"type": ("gt", "lt", "eq", "ne"), "params": [int]}}],
}
SHEET = {
    **dict.fromkeys(("uid", "title", "description", "refresh", "timezone"), str),
    **dict.fromkeys(("editable", "liveNow"), bool),
    **dict.fromkeys(("schemaVersion", "graphTooltip", "fiscalYearStartMonth", "version"), int),
    "id": type(None),
    "tags": [str],
    "time": {"from": str, "to": str},
    **dict.fromkeys(("templating", "annotations", "timepicker"), dict),
    **dict.fromkeys(("panels", "links"), list),
}
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (604_800, 86_400, 3600, 60, 1)


class Wrong(Exception):  # noqa: N818 - a sentence reads "raise Missing"
    """Answered with 400."""


class Missing(Exception):  # noqa: N818 - a sentence reads "raise Missing"
    """Answered with 404."""


class Conflict(Exception):  # noqa: N818 - a sentence reads "raise Missing"
    """Answered with 409."""


def require(holds: object, reason: str) -> None:
    if not holds:
        raise Wrong(reason)


def fits(shape: Any, told: Any, place: str) -> None:
    """A small grammar of shapes: a type, the words allowed, a list of one shape, named fields."""
    if isinstance(shape, dict):
        require(isinstance(told, dict), f"{place} is no object")
        for name, value in told.items():
            require(name in shape, f"{place}.{name} is unknown")
            fits(shape[name], value, f"{place}.{name}")
    elif isinstance(shape, list):
        require(isinstance(told, list), f"{place} is no list")
        for one in told:
            fits(shape[0], one, place)
    elif isinstance(shape, tuple):
        require(told in shape, f"{place} is none of {shape}")
    else:
        right = isinstance(told, shape) and (shape is bool or not isinstance(told, bool))
        require(right, f"{place} has another type")


def spell_duration(text: str) -> str:
    """A duration as Prometheus writes it back; Wrong when it is none."""
    found = _DURATION.fullmatch(text)
    require(text and found, f"{text} is no duration")
    total = sum(int(n or 0) * s for n, s in zip(found.groups(), _SECONDS, strict=True))
    # Duration.String of prometheus/common: weeks only where they are exact.
    if total and total % _SECONDS[0] == 0:
        return f"{total // _SECONDS[0]}w"
    days, hours = total // 86_400, total // 3600 % 24
    parts = ((days, "d"), (hours, "h"), (total // 60 % 60, "m"), (total % 60, "s"))
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


@dataclass
class State:
    """One organisation."""

    org: int = 7
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    sheets: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, Any] = field(
        default_factory=lambda: {
            "receiver": DEFAULT_CONTACT,
            "group_by": ["grafana_folder", "alertname"],
        }
    )

    def add_source(self, told: dict[str, Any]) -> dict[str, Any]:
        uid = told.get("uid", "")
        if uid in self.sources or any(s["name"] == told.get("name") for s in self.sources.values()):
            raise Conflict("data source with the same name already exists")
        return self._keep_source(uid, told)

    def change_source(self, uid: str, told: dict[str, Any]) -> dict[str, Any]:
        if uid not in self.sources:
            raise Missing("data source not found")
        return self._keep_source(uid, told)

    def _keep_source(self, uid: str, told: dict[str, Any]) -> dict[str, Any]:
        require(told.get("name") and told.get("type") and uid == told.get("uid"), "name, type, uid")
        require(told.get("access") in ("proxy", "direct"), "access")
        require(told["type"] == "grafana-clickhouse-datasource", "no such plugin")
        fits(SOURCE, told.get("jsonData"), "jsonData")
        require({"host", "port", "protocol"} <= set(told["jsonData"]), "where is it")
        secrets = told.pop("secureJsonData", {})
        require(set(secrets) <= {"password"}, "no such secret")
        kept = self.sources.get(uid, {}).get("secret", {})
        self.sources[uid] = {**told, "secret": {**kept, **secrets}}
        answer = {"id": 1, "name": told["name"], "message": "Datasource"}
        return {**answer, "datasource": self.show_source(uid)}

    def show_source(self, uid: str) -> dict[str, Any]:
        if uid not in self.sources:
            raise Missing("Data source not found")
        shown = copy.deepcopy(self.sources[uid])
        secret = shown.pop("secret")
        return {
            **shown,
            "id": 1,
            "secureJsonFields": dict.fromkeys(secret, True),
            "readOnly": False,
        }

    def add_folder(self, told: dict[str, Any]) -> dict[str, Any]:
        require(told.get("title") and told.get("uid"), "a folder has a title")
        if told["uid"] in self.folders:
            raise Conflict("a folder with that uid exists")
        self.folders[told["uid"]] = told["title"]
        return self.show_folder(told["uid"])

    def show_folder(self, uid: str) -> dict[str, Any]:
        if uid not in self.folders:
            raise Missing("folder not found")
        return {"id": 1, "uid": uid, "title": self.folders[uid], "version": 1}

    def save_dashboard(self, told: dict[str, Any]) -> dict[str, Any]:
        sheet = told.get("dashboard")
        fits(SHEET, sheet, "dashboard")
        require(sheet.get("title") and sheet.get("schemaVersion") and "panels" in sheet, "a title")
        require(re.fullmatch(r"[a-zA-Z0-9\-_]{1,40}", sheet.get("uid", "")), "a uid")
        require(told.get("folderUid") in self.folders, "folder not found")
        if sheet["uid"] in self.sheets and not told.get("overwrite"):
            raise Conflict("a dashboard with that uid exists")
        version = self.sheets.get(sheet["uid"], {"version": 0})["version"] + 1
        kept = {**sheet, "id": 5, "version": version}
        self.sheets[sheet["uid"]] = {**told, "dashboard": kept, "version": version}
        shown = {"id": 5, "uid": sheet["uid"], "title": sheet["title"], "url": "/d/x"}
        return {**shown, "status": "success", "version": version}

    def show_dashboard(self, uid: str) -> dict[str, Any]:
        if uid not in self.sheets:
            raise Missing("Dashboard not found")
        kept = self.sheets[uid]
        return copy.deepcopy(
            {"dashboard": kept["dashboard"], "meta": {"folderUid": kept["folderUid"]}}
        )

    def remove_dashboard(self, uid: str) -> dict[str, Any]:
        title = self.show_dashboard(uid)["dashboard"]["title"]
        del self.sheets[uid]
        return {"title": title, "message": f"Dashboard {title} deleted"}

    def search(self, asked: dict[str, list[str]]) -> list[dict[str, Any]]:
        require(asked.get("type") == ["dash-db"], "only dashboards are kept here")
        return [
            {"uid": uid, "title": kept["dashboard"]["title"], "type": "dash-db"}
            | {"tags": kept["dashboard"].get("tags", []), "folderUid": kept["folderUid"]}
            for uid, kept in self.sheets.items()
            if kept["folderUid"] in asked.get("folderUIDs", self.folders)
        ]

    def show_group(self, folder: str, group: str) -> dict[str, Any]:
        if (folder, group) not in self.groups:
            raise Missing("rule group not found")
        return copy.deepcopy(self.groups[folder, group])

    def put_group(self, folder: str, group: str, told: dict[str, Any]) -> dict[str, Any]:
        require(folder in self.folders, "folder not found")
        require((told.get("title"), told.get("folderUid")) == (group, folder), "another group")
        interval = told.get("interval", 0)
        require(interval > 0 and interval % 10 == 0, "an interval is a multiple of ten seconds")
        rules = told.get("rules", [])
        for names in ([rule["title"] for rule in rules], [rule.get("uid") for rule in rules]):
            require(len(set(names)) == len(names), "twice in a group")
        others = {
            rule["uid"]
            for (_, name), kept in self.groups.items()
            if name != group
            for rule in kept["rules"]
        }
        for rule in rules:
            require(rule.get("uid") and rule["uid"] not in others, "the uid is another group's")
            require((rule["folderUID"], rule["ruleGroup"]) == (folder, group), "in another group")
            self._check_rule(rule)
        self.groups[folder, group] = told
        return self.show_group(folder, group)

    def _check_rule(self, rule: dict[str, Any]) -> None:
        refs = [query.get("refId") for query in rule["data"]]
        require(rule["orgID"] == self.org, "in another organisation")
        require(rule["condition"] in refs and len(set(refs)) == len(refs), "no such condition")
        for query in rule["data"]:
            self._check_query(query, refs)
        panel = {"__dashboardUid__", "__panelId__"} & set(rule.get("annotations", {}))
        require(len(panel) != 1, "a panel has a dashboard")
        rule["for"] = spell_duration(rule["for"])
        rule |= {"id": 1, "updated": STAMP, "provenance": ""}

    def _check_query(self, query: dict[str, Any], refs: list[str]) -> None:
        model, source = query.get("model"), query.get("datasourceUid")
        require(isinstance(model, dict) and model.get("refId") == query["refId"], "a query")
        asked = model.get("datasource")
        require(isinstance(asked, dict) and asked.get("uid") == source, "another data source")
        reach = query.get("relativeTimeRange", {})
        if source == "__expr__":
            fits(THRESHOLD if model.get("type") == "threshold" else MATH, model, "model")
            used = re.findall(r"\$(\w+)", model.get("expression", "")) or [model.get("expression")]
            require(set(used) <= set(refs) - {query["refId"]}, "no such query")
            require(model["type"] == "math" or model.get("conditions"), "no conditions")
            require(
                all(
                    c.get("evaluator", {}).keys() == {"type", "params"} and c["evaluator"]["params"]
                    for c in model.get("conditions", ())
                ),
                "what",
            )
        else:
            require(source in self.sources, "data source not found")
            require(model["datasource"].get("type") == self.sources[source]["type"], "its type")
            fits(QUERY, model, "model")
            require(model.get("rawSql") and model.get("editorType") == "sql", "no query")
            require({"queryType", "format"} <= set(model), "how it is read")
            require(reach.get("from", 0) > reach.get("to", -1) >= 0, "no time range")
        require({"from", "to"} <= set(reach) and "queryType" in query, "no time range")
        model |= {"intervalMs": 1000, "maxDataPoints": 43_200}

    def list_contacts(self) -> list[dict[str, Any]]:
        shown = copy.deepcopy(list(self.contacts.values()))
        for point in shown:
            secrets = CONTACTS[point["type"]][2]
            point["settings"] |= dict.fromkeys(secrets & set(point["settings"]), REDACTED)
        return shown

    def add_contact(self, told: dict[str, Any]) -> dict[str, Any]:
        if told.get("uid") in self.contacts:
            raise Conflict("a contact point with that uid exists")
        self._keep_contact(told)
        return told

    def change_contact(self, uid: str, told: dict[str, Any]) -> dict[str, Any]:
        if uid not in self.contacts:
            raise Missing("contact point not found")
        require(told.get("uid") == uid, "another contact point")
        self._keep_contact(told)
        return {}

    def _keep_contact(self, told: dict[str, Any]) -> None:
        require(told.get("name") and told.get("uid"), "a contact point has a name")
        require(told["type"] in CONTACTS, "nobody has taught this server that type")
        needed, possible, secret = CONTACTS[told["type"]]
        settings = told["settings"]
        require(isinstance(settings, dict) and needed <= set(settings), f"it needs {needed}")
        require(set(settings) <= needed | possible | secret, "no such setting")
        require(all(isinstance(value, str) and value for value in settings.values()), "no text")
        self.contacts[told["uid"]] = told

    def remove_contact(self, uid: str) -> None:
        name = self.contacts.get(uid, {}).get("name")
        last = [point["name"] for point in self.contacts.values()].count(name) == 1
        if last and name in self._list_receivers(self.policies):
            raise Conflict(f"contact point {name} is used by a notification policy")
        self.contacts.pop(uid, None)

    def put_policies(self, told: dict[str, Any]) -> dict[str, Any]:
        require(told.get("receiver") and told.get("group_by"), "the root has both")
        require(not told.get("object_matchers"), "the root matches everything")
        known = {DEFAULT_CONTACT, *(point["name"] for point in self.contacts.values())}
        require(self._list_receivers(told) <= known, "no such contact point")
        for route in told.get("routes", ()):
            self._check_route(route)
        self.policies = told
        return {}

    def _check_route(self, route: dict[str, Any]) -> None:
        require(route.get("object_matchers"), "it would match everything")
        for matcher in route["object_matchers"]:
            require(len(matcher) == 3 and matcher[1] in ("=", "!=", "=~", "!~"), "a matcher")
            require(re.fullmatch(r"[a-zA-Z_]\w*", matcher[0]) and matcher[2], "a matcher")
        require(all(re.fullmatch(r"\w+", name) for name in route.get("group_by", ())), "a label")
        if "repeat_interval" in route:
            route["repeat_interval"] = spell_duration(route["repeat_interval"])
        for inner in route.get("routes", ()):
            self._check_route(inner)

    def _list_receivers(self, route: dict[str, Any]) -> set[str]:
        own = {route["receiver"]} if route.get("receiver") else set()
        return own.union(*(self._list_receivers(one) for one in route.get("routes", ())))
