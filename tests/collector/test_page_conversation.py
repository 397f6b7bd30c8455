"""Messages of every dialect become turns; what is not understood is shown as it is."""

from __future__ import annotations

import json

import pytest

from watchpost_collector.page.conversation import Part, Turn, nest_dotted, read_turns


def read(messages: object) -> list[Turn]:
    return read_turns(json.dumps(messages), "user")


def test_parts_of_the_genai_convention() -> None:
    turns = read(
        [
            {"role": "user", "parts": [{"type": "text", "content": "hello"}]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "tool_call", "id": "1", "name": "look", "arguments": {"q": 1}},
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "1", "result": "found"}],
            },
        ]
    )
    assert turns == [
        Turn("user", (Part("text", "", "hello"),)),
        Turn(
            "assistant",
            (Part("reasoning", "reasoning", "hm"), Part("tool_call", "look", '{\n  "q": 1\n}')),
        ),
        Turn("tool", (Part("tool_result", "1", "found"),)),
    ]


def test_openai_tool_calls_beside_the_content() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 2}'}}
    [turn, answer] = read(
        [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ]
    )
    assert turn.parts == (Part("tool_call", "f", '{\n  "a": 2\n}'),)
    assert answer.parts == (Part("tool_result", "c", "42"),)


def test_anthropic_blocks() -> None:
    [turn] = read(
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "so"},
                    {"type": "text", "text": "yes"},
                    {"type": "tool_use", "id": "t", "name": "go", "input": {}},
                ],
            }
        ]
    )
    assert [(part.kind, part.text) for part in turn.parts] == [
        ("reasoning", "so"),
        ("text", "yes"),
        ("tool_call", "{}"),
    ]


def test_dotted_indexed_keys_are_nested_when_read() -> None:
    [turn] = read(
        [
            {
                "message.role": "assistant",
                "message.tool_calls.0.tool_call.function.name": "find",
                "message.tool_calls.0.tool_call.function.arguments": "{}",
                "message.contents.0.message_content.type": "text",
                "message.contents.0.message_content.text": "one moment",
            }
        ]
    )
    assert turn.role == "assistant"
    assert turn.parts == (Part("text", "", "one moment"), Part("tool_call", "find", "{}"))


def test_numbered_keys_become_a_list_in_order() -> None:
    assert nest_dotted({"a.10": "k", "a.2": "c", "b.x": 1}) == {"a": ["c", "k"], "b": {"x": 1}}


def test_a_key_that_is_value_and_prefix_keeps_both() -> None:
    assert nest_dotted({"a": 1, "a.b": 2}) == {"a": {"": 1, "b": 2}}
    assert nest_dotted({"a.b": 2, "a": 1}) == {"a": {"": 1, "b": 2}}


def test_a_very_deep_key_is_no_recursion() -> None:
    [turn] = read([{"role": "user", "content": "x", ".".join("a" * 50_000): "deep"}])
    assert turn.parts == (Part("text", "", "x"),)


@pytest.mark.parametrize("stored", ["", "  ", "[]"])
def test_no_messages_are_no_turns(stored: str) -> None:
    assert read_turns(stored, "user") == []


def test_plain_text_is_one_turn_of_the_expected_role() -> None:
    assert read_turns("just <b>words</b>", "assistant") == [
        Turn("assistant", (Part("text", "", "just <b>words</b>"),))
    ]


@pytest.mark.parametrize("odd", [[1], [None], [[1, 2]], {"a": 1}, 7, [{"role": 3, "content": {}}]])
def test_what_is_not_understood_is_shown_and_never_raises(odd: object) -> None:
    assert all(isinstance(part.text, str) for turn in read(odd) for part in turn.parts)


def test_nesting_too_deep_to_parse_is_text() -> None:
    stored = "[" * 100_000
    [turn] = read_turns(stored, "user")
    assert turn.parts[0].text.startswith("[[[[")


def test_long_text_says_how_much_is_not_shown() -> None:
    [turn] = read([{"role": "user", "content": "x" * 20_500}])
    assert turn.parts[0].text.endswith("500 more characters are stored and not shown")


def test_a_very_long_conversation_says_how_much_is_not_shown() -> None:
    turns = read([{"role": "user", "content": str(i)} for i in range(450)])
    assert len(turns) == 401
    assert turns[-1].parts[0].text == "50 more messages are stored and not shown"
