"""What the page says of guards, from the rows and from the rollups."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from known_calls import PlainSpan
from store_segments import NOON_NS, make_call, name_segment, pack_segment

from watchpost_collector.page import queries
from watchpost_collector.page.filters import Filters, Window, bind
from watchpost_collector.store.client import Store
from watchpost_collector.store.settle import settle

DAY_MS = 86_400_000


def judged(action: str) -> PlainSpan:
    told = {
        "watchpost.guard.name": "pii",
        "watchpost.guard.action": action,
        "watchpost.guard.tripped": action != "allow",
    }
    event = {"name": "watchpost.guard.verdict", "attributes": told}
    return replace(make_call(), events=[event])


@pytest.mark.parametrize("which", ["BY_GUARD", "BY_GUARD_HOURLY", "BY_GUARD_DAILY"])
def test_an_answer_given_instead_counts_as_stopped_like_a_block(store: Store, which: str) -> None:
    project, segment = name_segment("stopped"), name_segment()
    actions = ("block", "fallback", "redact", "escalate", "flag", "allow")
    store.insert_segment(pack_segment(segment, [judged(one) for one in actions], project), segment)
    settle(store, segment)
    day = NOON_NS // 10**6 // DAY_MS * DAY_MS
    bound = bind(Filters(project=project), Window(day, day + DAY_MS, 3600))

    sql = re.sub(r"\bfrom (\w+) as u", r"from watchpost.\1 as u", queries.ALL[which])
    [shown] = store.query(sql, bound).as_dicts()

    assert (shown["checked"], shown["tripped"], shown["blocked"]) == (6, 5, 2)
