"""The waterfall: every span once, parents before children, bars on one axis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchpost_collector.page.tree import Step, arrange

ids = st.sampled_from(["", "a", "b", "c", "d", "e"])
steps = st.builds(
    Step,
    ids,
    ids,
    st.floats(0, 1e6, allow_nan=False),
    st.floats(0, 1e6, allow_nan=False),
)


def test_children_follow_their_parent_and_siblings_their_start() -> None:
    bars = arrange(
        [
            Step("late", "root", 60, 10),
            Step("root", "", 0, 100),
            Step("inner", "early", 20, 5),
            Step("early", "root", 10, 40),
        ]
    )
    assert [(bar.index, bar.depth) for bar in bars] == [(1, 0), (3, 1), (2, 2), (0, 1)]


def test_a_bar_lies_where_its_span_was() -> None:
    [_, bar] = arrange([Step("root", "", 1000, 200), Step("child", "root", 1050, 100)])
    assert (bar.left, bar.width) == (25.0, 50.0)


def test_an_orphan_is_a_root() -> None:
    bars = arrange([Step("root", "", 0, 9), Step("orphan", "never sent", 3, 4)])
    assert [(bar.index, bar.depth) for bar in bars] == [(0, 0), (1, 0)]


def test_a_cycle_of_parents_is_entered_at_its_earliest_span() -> None:
    bars = arrange([Step("b", "a", 5, 1), Step("a", "b", 1, 1)])
    assert [(bar.index, bar.depth) for bar in bars] == [(1, 0), (0, 1)]


def test_ten_thousand_levels_are_no_recursion() -> None:
    chain = [Step(str(i), str(i - 1) if i else "", i, 1) for i in range(10_000)]
    assert [bar.depth for bar in arrange(chain)] == list(range(10_000))


@given(st.lists(steps, max_size=12))
def test_every_span_comes_out_exactly_once_inside_the_axis(spans: list[Step]) -> None:
    bars = arrange(spans)
    assert sorted(bar.index for bar in bars) == list(range(len(spans)))
    assert all(0 <= bar.left <= 100 and 0 < bar.width <= 100 for bar in bars)
