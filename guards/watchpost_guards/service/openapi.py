"""The service's own description: OpenAPI 3.1, with the guards this service has.

Schemas of verdicts follow their dataclasses. It knows what requests look like, not who answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

from watchpost.screening.guard import DIRECTIONS, Finding, Verdict
from watchpost_guards.hosted import DEADLINE_HEADER

_TYPES: Mapping[str, Mapping[str, str]] = {
    "str": {"type": "string"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
}
_TEXT: Mapping[str, str] = {"type": "string"}
_TEXTS: Mapping[str, Any] = {"type": "array", "items": _TEXT}


def describe(guards: Sequence[str], version: str) -> dict[str, Any]:
    """The document that is served as /openapi.json."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "watchpost guards", "version": version},
        "security": [{"key": []}, {}],
        "paths": {
            "/v1/check": {"post": _describe_check()},
            "/v1/guards": {
                "get": _operation("The guards here and their revisions", {"200": "Guards"})
            },
            "/v1/guards/{guard}": {"post": _describe_replacement()},
            "/healthz": {"get": _operation("Whether the process answers", {"200": "Status"})},
            "/readyz": {
                "get": _operation("Whether checks are answered", {"200": "Status", "503": "Status"})
            },
            "/metrics": {
                "get": {
                    "summary": "Counts for Prometheus",
                    "responses": {"200": {"description": "text", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _list_schemas(guards),
        },
    }


def _describe_check() -> dict[str, Any]:
    deadline = {
        "name": DEADLINE_HEADER,
        "in": "header",
        "description": "Milliseconds for which an answer is wanted.",
        "schema": {"type": "number", "minimum": 0},
    }
    answers = {"200": "Verdicts", **dict.fromkeys(("400", "401", "404", "413", "415"), "Error")}
    return {
        **_operation("Verdicts on one text", {**answers, "429": "Error", "503": "Error"}),
        "parameters": [deadline],
        "requestBody": _body("Question"),
    }


def _describe_replacement() -> dict[str, Any]:
    guard = {"name": "guard", "in": "path", "required": True, "schema": _TEXT}
    answers = {"200": "Replaced", **dict.fromkeys(("400", "401", "404", "409", "422"), "Error")}
    return {
        **_operation("Use another revision of a guard's model", answers),
        "parameters": [guard],
        "requestBody": _body("Replacement"),
    }


def _operation(summary: str, answers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            status: {"description": schema, "content": _content(schema)}
            for status, schema in answers.items()
        },
    }


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _list_schemas(guards: Sequence[str]) -> dict[str, Any]:
    question = {
        "text": _TEXT,
        "direction": {"type": "string", "enum": list(DIRECTIONS), "default": "input"},
        "guards": {"type": "array", "items": {"type": "string", "enum": list(guards)}},
        "model": _TEXT,
        "context": _TEXTS,
        "prompt": _TEXT,
        "system": _TEXT,
    }
    found = {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}}
    verdict = {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}}
    texts = {"type": "object", "additionalProperties": _TEXT}
    return {
        "Question": _object(question, ["text"], is_closed=True),
        "Verdicts": _object({"verdicts": verdict}),
        "Verdict": _object({**_follow(fields(Verdict)), "findings": found}),
        "Finding": _object(_follow(fields(Finding))),
        "Guards": _object({"guards": texts}),
        "Replacement": _object({"revision": _TEXT}),
        "Replaced": _object({"guard": _TEXT, "before": _TEXT, "revision": _TEXT}),
        "Status": _object({"status": _TEXT, "version": _TEXT}, ["status"]),
        "Error": _object({"error": _TEXT}),
    }


def _follow(given: Sequence["Field[Any]"]) -> dict[str, Any]:
    """The fields of a dataclass that are a plain value."""
    names = {field.name: getattr(field.type, "__name__", str(field.type)) for field in given}
    return {name: _TYPES[kind] for name, kind in names.items() if kind in _TYPES}


def _object(
    properties: Mapping[str, Any], required: Sequence[str] | None = None, *, is_closed: bool = False
) -> dict[str, Any]:
    needed = list(properties) if required is None else list(required)
    shape = {"type": "object", "properties": dict(properties), "required": needed}
    return {**shape, "additionalProperties": False} if is_closed else shape
