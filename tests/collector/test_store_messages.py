from __future__ import annotations

import json

import pytest

from watchpost_collector.store.messages import nest


def test_dotted_keys_become_lists_and_objects_without_openinference_wrappers() -> None:
    flat = {
        "role": "assistant",
        "contents.0.message_content.type": "text",
        "contents.0.message_content.text": "hi",
        "tool_calls.0.tool_call.id": "c1",
        "tool_calls.0.tool_call.function.name": "add",
        "tool_calls.1.tool_call.function.name": "sub",
    }

    assert nest(json.dumps([flat])) == [
        {
            "role": "assistant",
            "contents": [{"type": "text", "text": "hi"}],
            "tool_calls": [
                {"id": "c1", "function": {"name": "add"}},
                {"function": {"name": "sub"}},
            ],
        }
    ]


def test_messages_that_are_nested_already_stay_as_they_are() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "a.b"}]}]

    assert nest(json.dumps(messages)) == messages


@pytest.mark.parametrize("text", ["", "plain words", "{broken", "[" * 100_000])
def test_text_that_is_no_json_is_returned_as_it_is(text: str) -> None:
    assert nest(text) == text


def test_positions_are_ordered_as_numbers_and_hostile_ones_stay_names() -> None:
    flat = {f"parts.{number}.text": str(number) for number in (10, 2, 1)}

    assert nest(json.dumps([flat])) == [{"parts": [{"text": n} for n in ("1", "2", "10")]}]
    assert nest('[{"parts.999999.text": "x"}]') == [{"parts": {"999999": {"text": "x"}}}]


def test_a_key_that_is_a_leaf_and_a_branch_loses_nothing_it_had_first() -> None:
    assert nest('[{"a": "leaf", "a.0.b": "branch"}]') == [{"a": "leaf"}]
