"""The alias table of `0002_names.sql`, held to itself and to what the conventions name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store

SQL = (
    Path(__file__).parents[2] / "collector/watchpost_collector/store/migrations/0002_names.sql"
).read_text()
SLOTS = {
    name: (int(number), re.findall(r"'([^']+)'", keys))
    for number, name, keys in re.findall(r"\((\d+), '(\w+)', \[(.*?)\]\)", SQL, re.DOTALL)
}

# What each canonical value is called, in order of preference, by the dialects' own sources.
PREFERRED = {
    "provider": ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"],
    "input_tokens": [
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        *("ai.usage.inputTokens", "ai.usage.promptTokens"),
    ],
    "session_id": ["langfuse.session.id", "session.id", "gen_ai.conversation.id"],
    "user_id": ["langfuse.user.id", "user.id", "enduser.id"],
    "cache_read_tokens": [
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read"),
    ],
    "prompt_name": ["gen_ai.prompt.name", "langfuse.observation.prompt.name"],
}


def test_every_slot_is_picked_under_its_own_name() -> None:
    picks = re.findall(r"vals\[hits\[indexOf\(slots, (\d+)\)\]\] as (\w+)", SQL)

    assert {name: int(number) for number, name in picks} == {
        name: number for name, (number, _) in SLOTS.items()
    }


def test_no_key_stands_in_two_slots_and_no_slot_overflows() -> None:
    counts = Counter(key for _, keys in SLOTS.values() for key in keys)

    assert [key for key, count in counts.items() if count > 1] == []
    assert max(len(keys) for _, keys in SLOTS.values()) < 64


@pytest.mark.parametrize("name", sorted(PREFERRED))
def test_names_are_preferred_in_the_documented_order(name: str) -> None:
    keys = SLOTS[name][1]

    assert [key for key in keys if key in PREFERRED[name]] == PREFERRED[name]


@pytest.mark.parametrize("column", ["session_id", "user_id", "cache_read_tokens"])
def test_every_name_of_a_slot_reaches_its_column(store: Store, column: str) -> None:
    keys = SLOTS[column][1]
    project = name_segment("names")
    spans = [
        make_call(f"{number:016x}", **{key: str(number)})
        for number, key in enumerate(keys, start=1)
    ]
    store.insert_segment(pack_segment(project, spans, project), project)

    rows = store.query(
        f"select toString({column}) from watchpost.generations "
        "where project = {p:String} order by span_id",
        {"p": project},
    )

    assert [row[0] for row in rows] == [str(number) for number in range(1, len(keys) + 1)]


def test_what_has_no_column_stays_in_the_attributes(store: Store) -> None:
    project = name_segment("rest")
    span = make_call(**{"my.own": "kept", "session.id": "s", "watchpost.segment.plan": "pro"})
    store.insert_segment(pack_segment(project, [span], project), project)

    rows = store.query(
        "select attributes, segments from watchpost.spans where project = {p:String}",
        {"p": project},
    )

    assert rows.rows == [({"my.own": "kept"}, {"plan": "pro"})]
