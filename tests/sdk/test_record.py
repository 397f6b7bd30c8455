"""The canonical record: what becomes of it on a span, and what a snapshot protects from."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from pydantic import BaseModel

from watchpost import attributes as names
from watchpost.prompts.filled import FilledText
from watchpost.record import (
    TEXT_CHARACTERS,
    Generation,
    Origin,
    Request,
    Result,
    Usage,
    cut,
    dump,
    snapshot,
    to_attributes,
)

MESSAGE = {"role": "user", "parts": [{"type": "text", "content": "private words"}]}


def test_an_empty_generation_says_nothing_it_does_not_know() -> None:
    found = to_attributes(Generation(), content=True)
    assert found == {
        names.RETRIES: 0,
        names.REQUEST_STREAM: False,
        names.KIND: "generation",
        names.OPERATION: "chat",
        names.PROVIDER: "",
        names.USAGE_SOURCE: "none",
    }


def test_content_is_left_out_where_it_is_not_kept() -> None:
    generation = Generation(
        request=Request(messages=[MESSAGE], system=MESSAGE["parts"], tools=[{"name": "private"}]),
        result=Result(messages=[MESSAGE]),
    )
    assert "private" not in str(to_attributes(generation, content=False))
    kept = to_attributes(generation, content=True)
    assert json.loads(str(kept[names.INPUT_MESSAGES])) == [MESSAGE]
    assert {names.SYSTEM_INSTRUCTIONS, names.TOOL_DEFINITIONS, names.OUTPUT_MESSAGES} <= set(kept)


def test_accounting_comes_last_because_a_full_span_drops_its_first() -> None:
    generation = Generation(
        request=Request(model="m", messages=[MESSAGE]),
        usage=Usage(1, 2),
        cost_usd=Decimal("0.1"),
        origin=Origin(segments={f"s{n}": "x" for n in range(200)}),
    )
    last = list(to_attributes(generation, content=True))[-12:]
    assert {names.REQUEST_MODEL, names.USAGE_INPUT, names.USAGE_OUTPUT, names.COST_USD} <= {*last}


def test_estimated_usage_says_so_and_claims_no_details() -> None:
    generation = Generation(usage=Usage(1, 2, source="estimated"), context_window=10)
    found = to_attributes(generation, content=True)
    assert found[names.USAGE_SOURCE] == "estimated"
    assert found[names.CONTEXT_USE] == 0.3
    assert names.USAGE_CACHE_READ not in found


def test_a_cost_is_written_without_an_exponent() -> None:
    found = to_attributes(Generation(cost_usd=Decimal("1E-9")), content=True)
    assert found[names.COST_USD] == "0.000000001"


def test_a_text_too_long_is_cut_with_a_mark() -> None:
    text = cut("x" * (TEXT_CHARACTERS + 5))
    assert text.endswith("x[cut: 5 characters]")
    assert cut("short") == "short"


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_snapshot_is_out_of_reach(kind: type) -> None:
    inner = {"text": "a", "list": [1]}
    copied, weight = snapshot(kind([inner, "bcd"]))
    inner["text"] = "changed"
    inner["list"].append(2)  # type: ignore[attr-defined]
    assert copied == [{"text": "a", "list": [1]}, "bcd"]
    assert weight == 4 + 3 * 200


class Said(BaseModel, extra="allow"):
    """An answer, as clients have them."""

    text: str
    parts: list[dict[str, str]]


@pytest.mark.parametrize(
    "long", [FilledText("x" * 5000, Origin()), b"x" * 5000], ids=["prompt", "image"]
)
def test_a_snapshot_weighs_what_it_shares(long: object) -> None:
    assert snapshot({"content": long})[1] - snapshot({"content": object()})[1] == 5000


def test_an_opened_snapshot_holds_every_field_of_a_model_and_what_has_no_field() -> None:
    said = Said.model_validate({"text": "a", "parts": [{"b": "c"}], "more": {"d": 1}})
    copied, _ = snapshot([said], most_opened=9)
    said.parts[0]["b"] = "changed"
    assert copied == [{"text": "a", "parts": [{"b": "c"}], "more": {"d": 1}}]
    assert snapshot(said)[0] is said


def test_a_model_in_more_parts_than_are_worth_opening_is_not_opened() -> None:
    said = Said(text="a", parts=[{}] * 8)
    assert snapshot(said, most_opened=10)[0]["text"] == "a"
    with pytest.raises(OverflowError):
        snapshot(said, most_opened=9)


def test_what_json_cannot_say_is_named_by_its_type_and_not_asked() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked")

    assert dump({"a": Loud(), "b": "ü"}) == '{"a":"<Loud>","b":"ü"}'
