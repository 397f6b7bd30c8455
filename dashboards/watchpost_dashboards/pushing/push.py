"""Makes a Grafana what it should be, and says of each thing what was done.

Each step asks first and writes only what differs, so that a second push does nothing; what cannot
be compared, because Grafana shows no secret, is written anew. Removed is only what an earlier push
of the same group put there. Nothing is locked: people can edit, and the next push puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from watchpost.errors import ConfigError
from watchpost_dashboards.plugin import PLUGIN, SOURCE_UID
from watchpost_dashboards.pushing.alerting import (
    FOLDER_TITLE,
    FOLDER_UID,
    Alerts,
    build_receivers,
    build_route,
    build_rules,
    is_own_route,
    name_contact,
    name_prefix,
)
from watchpost_dashboards.pushing.connection import GrafanaError, find

SOURCE_SETTING = "WATCHPOST_QUERY_URL"
_OWN = "watchpost"
_USER = "grafana"
_PORTS = {"http": 8123, "https": 8443}


@dataclass(frozen=True, slots=True)
class Done:
    """One thing, and what was done to it: created, updated, written, unchanged or removed."""

    what: str
    name: str
    how: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where Grafana asks: the query endpoint or a ClickHouse, as Grafana reaches it. Who asks may
    stand in the address."""

    url: str
    password: str = ""


def push_source(api: Any, source: Source) -> Iterator[Done]:
    """The data source that dashboards and alerts ask."""
    wanted = _build_source(source)
    found = find(api.datasource.get_datasource_by_uid, SOURCE_UID)
    told = dict(wanted)
    password = source.password or unquote(urlsplit(source.url).password or "")
    if password:
        told["secureJsonData"] = {"password": password}
    if found is None:
        api.datasource.create_datasource({**told, "isDefault": False})
        how = "created"
    elif _holds(found, wanted) and not password:
        how = "unchanged"
    else:
        kept = {**found.get("jsonData", {}), **wanted["jsonData"]}
        told |= {"jsonData": kept, "isDefault": bool(found.get("isDefault"))}
        api.datasource.update_datasource_by_uid(SOURCE_UID, told)
        how = "updated" if not _holds(found, wanted) else "written"
    yield Done("data source", wanted["name"], how)


def push_folder(api: Any) -> Iterator[Done]:
    """The folder of dashboards and alerts. What people call it stays as they call it."""
    found = find(api.folder.get_folder, FOLDER_UID)
    if found is None:
        api.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)
    title = FOLDER_TITLE if found is None else str(found["title"])
    yield Done("folder", title, "created" if found is None else "unchanged")


def push_dashboards(api: Any) -> Iterator[Done]:
    """The dashboards that the package ships; those of an earlier version are removed."""
    wanted = read_dashboards()
    for uid, sheet in wanted.items():
        found = find(api.dashboard.get_dashboard, uid)
        if found is not None and _is_as(found, sheet):
            yield Done("dashboard", sheet["title"], "unchanged")
            continue
        told = {"dashboard": {**sheet, "id": None}, "folderUid": FOLDER_UID, "overwrite": True}
        api.dashboard.update_dashboard(told)
        yield Done("dashboard", sheet["title"], "created" if found is None else "updated")
    for hit in api.client.GET(f"/search?type=dash-db&folderUIDs={FOLDER_UID}"):
        uid = str(hit["uid"])
        if uid.startswith(f"{_OWN}-") and _OWN in hit.get("tags", ()) and uid not in wanted:
            api.dashboard.delete_dashboard(uid)
            yield Done("dashboard", str(hit["title"]), "removed")


def read_dashboards() -> dict[str, dict[str, Any]]:
    """The shipped dashboards' JSON by uid."""
    folder = files("watchpost_dashboards").joinpath("grafana", "dashboards")
    sheets = (json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir())
    return {sheet["uid"]: sheet for sheet in sorted(sheets, key=lambda sheet: str(sheet["uid"]))}


def push_alerts(api: Any, alerts: Alerts) -> Iterator[Done]:
    """Contact points, rules and the policy of one group, in the folder that is there already.

    What left the group is removed. Raises GrafanaError where there is no data source to ask.
    """
    if find(api.datasource.get_datasource_by_uid, SOURCE_UID) is None:
        raise GrafanaError(
            f"there is no data source with the uid {SOURCE_UID}",
            "run `watchpost grafana push` first",
        )
    prefix = name_prefix(alerts.group)
    points = [
        point
        for point in api.alertingprovisioning.get_contactpoints()
        if str(point.get("uid", "")).startswith(prefix)
    ]
    yield from _push_contacts(api, alerts, {point["uid"]: point for point in points})
    yield from _push_rules(api, alerts, prefix)
    yield from _push_route(api, alerts)
    # Only now does no policy name them any more.
    wanted = {receiver["uid"] for receiver in build_receivers(alerts)}
    for point in points:
        if point["uid"] not in wanted:
            # Grafana documents no answer to this, and the client's own way insists on one.
            path = f"/v1/provisioning/contact-points/{point['uid']}"
            api.client.DELETE(path, accept_empty_json=True)
            yield Done("contact point", f"{point['name']} ({point['type']})", "removed")


def _push_contacts(api: Any, alerts: Alerts, found: Mapping[str, Any]) -> Iterator[Done]:
    secret = {
        (name_contact(alerts.group, contact.name), receiver.type)
        for contact in alerts.contacts
        for receiver in contact.receivers
        if receiver.has_secrets
    }
    for receiver in build_receivers(alerts):
        name, uid = f"{receiver['name']} ({receiver['type']})", receiver["uid"]
        if uid not in found:
            api.alertingprovisioning.create_contactpoint(receiver, disable_provenance=True)
            yield Done("contact point", name, "created")
        elif _holds(found[uid], receiver) and (receiver["name"], receiver["type"]) not in secret:
            yield Done("contact point", name, "unchanged")
        else:
            # The client's own call for this would have Grafana lock the contact point.
            path = f"/v1/provisioning/contact-points/{uid}"
            api.client.PUT(path, json=receiver, headers={"X-Disable-Provenance": "true"})
            yield Done("contact point", name, "written")


def _push_rules(api: Any, alerts: Alerts, prefix: str) -> Iterator[Done]:
    group = quote(alerts.group, safe="")
    found = find(api.alertingprovisioning.get_rule_group, FOLDER_UID, group) or {"rules": []}
    known = {str(rule["uid"]): rule for rule in found["rules"]}
    org = api.organization.get_current_organization()["id"] if not known else None
    org = org if org is not None else next(iter(known.values()))["orgID"]
    where = {"orgID": org, "folderUID": FOLDER_UID, "ruleGroup": alerts.group}
    wanted = [
        # Who paused a rule in Grafana finds it paused.
        {**rule, **where, "isPaused": bool(known.get(rule["uid"], {}).get("isPaused"))}
        for rule in build_rules(alerts)
    ]
    foreign = [rule for uid, rule in known.items() if not uid.startswith(prefix)]
    told: dict[str, Any] = {
        "title": alerts.group,
        "folderUid": FOLDER_UID,
        "interval": alerts.every_s,
        "rules": [*wanted, *foreign],
    }
    same_group = _holds(found, told)
    if not same_group:
        api.alertingprovisioning.update_rule_group(FOLDER_UID, group, told, disable_provenance=True)
    group_how = "unchanged" if same_group else "updated" if known else "created"
    yield Done("rule group", alerts.group, group_how)
    for rule in wanted:
        before = known.get(rule["uid"])
        same = before is not None and _holds(before, rule)
        how = "created" if before is None else "unchanged" if same else "updated"
        yield Done("alert rule", rule["title"], how)
    uids = {rule["uid"] for rule in told["rules"]}
    for uid, rule in known.items():
        if uid not in uids:
            yield Done("alert rule", str(rule["title"]), "removed")


def _push_route(api: Any, alerts: Alerts) -> Iterator[Done]:
    tree = api.alertingprovisioning.get_notification_policy_tree()
    routes = list(tree.get("routes") or ())
    places = [place for place, one in enumerate(routes) if is_own_route(one, alerts.group)]
    wanted = build_route(alerts)
    if wanted is None and not places:
        return
    if wanted is not None and len(places) == 1 and _holds(routes[places[0]], wanted):
        yield Done("notification policy", alerts.group, "unchanged")
        return
    kept = [one for place, one in enumerate(routes) if place not in places]
    if wanted is not None:
        # First, where nobody has put it elsewhere: a policy that takes everything may follow.
        kept.insert(places[0] if places else 0, wanted)
    told = {name: value for name, value in tree.items() if name != "provenance"} | {"routes": kept}
    api.alertingprovisioning.set_notification_policy_tree(told, disable_provenance=True)
    how = "removed" if wanted is None else "updated" if places else "created"
    yield Done("notification policy", alerts.group, how)


def _build_source(source: Source) -> dict[str, Any]:
    try:
        parts = urlsplit(source.url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname or not port:
        raise ConfigError(SOURCE_SETTING, source.url, "write it like http://127.0.0.1:8123")
    told: dict[str, Any] = {
        "host": parts.hostname,
        "port": port,
        "protocol": "http",
        "secure": parts.scheme == "https",
        "username": unquote(parts.username or _USER),
        "defaultDatabase": "watchpost",
    }
    if parts.path.strip("/"):
        told["path"] = parts.path
    return {
        "name": _OWN,
        "uid": SOURCE_UID,
        "type": PLUGIN,
        "access": "proxy",
        "jsonData": told,
    }


def _is_as(found: Mapping[str, Any], sheet: Mapping[str, Any]) -> bool:
    told = {name: value for name, value in sheet.items() if name not in ("id", "version")}
    return found.get("meta", {}).get("folderUid") == FOLDER_UID and _holds(found["dashboard"], told)


def _holds(found: Any, wanted: Any) -> bool:
    """Whether what is there says all that is wanted; Grafana adds to it what nobody said."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and _holds(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(map(_holds, found, wanted))
        )
    return bool(found == wanted)
