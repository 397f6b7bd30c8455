"""A Grafana as its published API describes it: every request is held to the schema, state is kept,
and answers are held to the schema too. Written from `fixtures/grafana/api.json` and Grafana's
documentation, not from the client under test. What Grafana would take and forget, a field that
nobody has heard of, is refused here, because it is always a mistake."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from grafana_state import Conflict, Missing, State, Wrong
from jsonschema import Draft202012Validator

API = json.loads((Path(__file__).parent / "fixtures" / "grafana" / "api.json").read_text())
TOKEN = "glsa_0123456789abcdef"
_STATUS = {Wrong: 400, Missing: 404, Conflict: 409}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came, and the state before it where that is kept."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Any
    before: State | None


def make_strict(schema: Any) -> Any:
    """The schema with every object closed that says which properties it has."""
    if isinstance(schema, list):
        return [make_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: make_strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    return made


@cache
def build_validator(name: str) -> Draft202012Validator:
    schemas = make_strict(API["components"]["schemas"])
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    return Draft202012Validator(whole)


def validate(name: str, told: object) -> None:
    """Raise Wrong unless `told` is what the schema of that name says."""
    for error in build_validator(name).iter_errors(told):
        raise Wrong(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}")


class GrafanaContract:
    """Listens on loopback while it is open; `sent` is everything that was written to it."""

    def __init__(self, version: str = "11.0.0", *, keeps_states: bool = False) -> None:
        self.version = version
        self.keeps_states = keeps_states
        self.state = State()
        self.sent: list[Sent] = []
        contract = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                status, told = contract.answer(self.command, self.path, self.headers, raw)
                body = b"" if told is None else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> GrafanaContract:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], raw: bytes
    ) -> tuple[int, Any]:
        """Status and answer of a request, which is kept when it would write something."""
        if method != "GET":
            before = copy.deepcopy(self.state) if self.keeps_states else None
            body = json.loads(raw) if raw else None
            self.sent.append(Sent(method, target, dict(headers), body, before))
        return self.judge(method, target, headers, raw)

    def judge(
        self, method: str, target: str, headers: Mapping[str, str], raw: bytes
    ) -> tuple[int, Any]:
        """Status and answer."""
        try:
            body = json.loads(raw) if raw else None
            return self._answer(method, target, headers, body)
        except (Wrong, Missing, Conflict) as error:
            return _STATUS[type(error)], {"message": str(error)}
        except json.JSONDecodeError:
            return 400, {"message": "bad request data"}

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: Any
    ) -> tuple[int, Any]:
        parts = urlsplit(target)
        path, operation, places = find_operation(method, parts.path)
        if path != "/health" and headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        asked = parse_qs(parts.query, keep_blank_values=True)
        if unknown := set(asked) - set(operation.get("query", ())):
            raise Wrong(f"no such parameters: {sorted(unknown)}")
        if "body" in operation:
            if headers.get("Content-Type", "").partition(";")[0] != "application/json":
                raise Wrong("not JSON")
            validate(operation["body"], body)
        elif body is not None:
            raise Wrong("nothing is sent here")
        if headers.get("X-Disable-Provenance") not in (None, "true"):
            raise Wrong("X-Disable-Provenance")
        answer = self._act(method, path, places, asked, body)
        [(status, schema)] = operation["answers"].items()
        if schema is not None:
            validate(schema, answer)
        return int(status), answer if schema is not None else None

    def _act(
        self, method: str, path: str, places: list[str], asked: dict[str, list[str]], body: Any
    ) -> Any:
        state = self.state
        told = copy.deepcopy(body)
        acts = {
            ("GET", "/health"): lambda: {"database": "ok", "version": self.version},
            ("GET", "/org"): lambda: {"id": state.org, "name": "Main Org."},
            ("POST", "/datasources"): lambda: state.add_source(told),
            ("GET", "/datasources/uid/{uid}"): lambda: state.show_source(*places),
            ("PUT", "/datasources/uid/{uid}"): lambda: state.change_source(*places, told),
            ("POST", "/folders"): lambda: state.add_folder(told),
            ("GET", "/folders/{folder_uid}"): lambda: state.show_folder(*places),
            ("POST", "/dashboards/db"): lambda: state.save_dashboard(told),
            ("GET", "/dashboards/uid/{uid}"): lambda: state.show_dashboard(*places),
            ("DELETE", "/dashboards/uid/{uid}"): lambda: state.remove_dashboard(*places),
            ("GET", "/search"): lambda: state.search(asked),
        }
        provisioning = {
            ("GET", "folder"): lambda: state.show_group(*places),
            ("PUT", "folder"): lambda: state.put_group(*places, told),
            ("GET", "contact-points"): lambda: state.list_contacts(),
            ("POST", "contact-points"): lambda: state.add_contact(told),
            ("PUT", "contact-points"): lambda: state.change_contact(*places, told),
            ("DELETE", "contact-points"): lambda: state.remove_contact(*places),
            ("GET", "policies"): lambda: copy.deepcopy(state.policies),
            ("PUT", "policies"): lambda: state.put_policies(told),
        }
        if path.startswith("/v1/provisioning/"):
            return provisioning[method, path.split("/")[3]]()
        return acts[method, path]()


def find_operation(method: str, target: str) -> tuple[str, dict[str, Any], list[str]]:
    """The documented path, what is said of it, and what stands in its places."""
    for path, methods in API["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(f"/api{path}"))
        found = re.fullmatch(pattern, target)
        if found and method.lower() in methods:
            return path, methods[method.lower()], [unquote(one) for one in found.groups()]
    raise Missing(f"{method} {target} is not documented")


def walk(told: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside of a JSON value."""
    pairs = told.items() if isinstance(told, dict) else enumerate(told)
    for name, value in pairs:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from walk(value, (*path, name))
