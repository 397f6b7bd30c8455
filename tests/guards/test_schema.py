"""The guard `schema`: JSON, a schema or a type, and verdicts that repeat nothing of the answer."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from watchpost import Policy, Verdict
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost.screening.window import find_reach
from watchpost_guards.schema import Schema

ORDER = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        "note": {"type": "string", "pattern": "^(a|aa)+$"},
    },
    "required": ["items"],
    "additionalProperties": False,
    "$defs": {"item": {"properties": {"price": {"type": "number", "minimum": 0}}}},
}


def judge(guard: Schema, answer: object) -> Verdict:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return guard.check(Question(text, "output"))


@pytest.mark.parametrize(
    ("answer", "label", "reason"),
    [
        ({"items": [{"price": 3}]}, "", ""),
        (
            {"items": [{"price": 3}, {"price": "hidden"}]},
            "SCHEMA_MISMATCH",
            "$.items[1].price: type",
        ),
        ({}, "SCHEMA_MISMATCH", "$: required items"),
        ({"items": [], "hidden": 1}, "SCHEMA_MISMATCH", "$: additionalProperties"),
        ({"items": [], "note": "hidden"}, "SCHEMA_MISMATCH", "$.note: pattern"),
        ("Sure! {}", "NOT_JSON", "line 1, column 1: Expecting value"),
        ('{"items": [NaN]}', "NOT_JSON", "NaN or Infinity"),
        ("[" * 100_000, "NOT_JSON", "nested too deeply"),
        ("9" * 5000, "NOT_JSON", "a number too long"),
        ("", "NOT_JSON", "line 1, column 1: Expecting value"),
    ],
)
def test_a_verdict_names_the_place_and_the_rule(answer: object, label: str, reason: str) -> None:
    verdict = judge(Schema(ORDER), answer)
    assert (verdict.label, verdict.reason, verdict.tripped) == (label, reason, bool(label))
    assert "hidden" not in str(verdict)


def test_many_mistakes_are_told_by_the_first() -> None:
    verdict = judge(Schema({"items": {"type": "string"}}), list(range(1000)))
    assert verdict.reason == "$[0]: type; $[1]: type; $[2]: type; and more"


def test_a_code_fence_is_taken_only_where_that_is_asked_for() -> None:
    fenced = '```json\n{"items": []}\n```\n'
    assert "allow_fence" in judge(Schema(ORDER), fenced).reason
    assert not judge(Schema(ORDER, allow_fence=True), fenced).tripped
    assert judge(Schema(ORDER, allow_fence=True), f"Here: {fenced}").tripped


def test_without_a_schema_any_json_will_do() -> None:
    assert not judge(Schema(), [1, None]).tripped
    assert judge(Schema(), "one").tripped


class Offer(BaseModel):
    price: float
    tags: list[str] = []

    @field_validator("price")
    @classmethod
    def _is_cheap(cls, value: float) -> float:
        if value > 100:
            raise ValueError(f"{value} is hidden")
        return value


@dataclass
class Place:
    city: str


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        (Offer, {"price": 3}, ""),
        (Offer, {"price": "hidden"}, "$.price: float_parsing"),
        (Offer, {"price": 200}, "$.price: value_error"),
        (Offer, {"price": 1, "tags": ["a", 2]}, "$.tags[1]: string_type"),
        (Place, {"city": "Bern"}, ""),
        (list[Place], [{}], "$[0].city: missing"),
        (dict[str, int], {"hidden": "x"}, "$.*: int_parsing"),
    ],
)
def test_a_type_is_a_schema_too(kind: Any, answer: object, reason: str) -> None:
    assert judge(Schema(kind), answer).reason == reason


def test_a_pattern_made_to_be_slow_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        judge(Schema(ORDER), {"items": [], "note": "a" * 60 + "!"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://example.org/schema.json"},
        {"properties": {"a": {"$ref": "other.json#/x"}}},
        42,
        Path("/nowhere/schema.json"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_when_it_is_given(schema: Any) -> None:
    with pytest.raises(ConfigError, match=r"schema\(schema=\.\.\.\)"):
        Schema(schema)


def test_it_looks_at_whole_answers_alone() -> None:
    policy = Policy(block=[Schema(ORDER)])
    assert not policy.rules_for("input")
    assert find_reach(policy, "output") is None
