"""The scores of a trace on its page: chips in its head, and by span what was said of it."""

from __future__ import annotations

from typing import Any

from watchpost_collector.page.elements import box, chip, draw_table, text
from watchpost_collector.page.figures import NOTHING, format_time
from watchpost_collector.page.narrowing import OF_PROJECT
from watchpost_collector.page.reading import Row
from watchpost_collector.scores.spelling import spell

SHOWN_CHIPS = 6
_WHOLE = "trace"

# What each author said last; what somebody said of the whole trace has no span. The most are what a
# person would look through.
TRACE_SCORES = f"""
select j.span_id as span_id, j.last.1 as time, j.name as name, j.last.2 as kind,
    j.last.3 as value, j.last.4 as label, j.source as source, j.author as author,
    substringUTF8(c.comment, 1, 4000) as comment
from (
    select project, span_id, name, source, author,
        argMax((time, kind, value, label), (time, arrived)) as last
    from score_events
    where {OF_PROJECT} and trace_id = {{trace:String}}
    group by project, span_id, name, source, author
) as j
left join (
    select project, span_id, name, source, author, time, comment from score_comments
    where {OF_PROJECT} and trace_id = {{trace:String}}
) as c on c.project = j.project and c.span_id = j.span_id and c.name = j.name
    and c.source = j.source and c.author = j.author and c.time = j.last.1
order by time desc, name, source, author
limit 500
"""  # noqa: S608


def draw_chips(scores: list[Row]) -> None:
    """The newest scores, small."""
    for row in scores[:SHOWN_CHIPS]:
        chip(f"{row['name']} {_spell(row)}", "bad" if row["value"] == 0 and _is_thumb(row) else "")
    if len(scores) > SHOWN_CHIPS:
        chip(f"{len(scores) - SHOWN_CHIPS} more scores")


def draw_scores(scores: list[Row]) -> None:
    """All that was said of one span, and of the trace around it."""
    if not scores:
        return
    heads = [
        ("Score", False), ("Value", False), ("Comment", False), ("Of", False), ("By", False),
        ("When (UTC)", False),
    ]  # fmt: skip
    rows: list[list[Any]] = [
        [
            row["name"],
            _spell(row),
            lambda row=row: text("div", row["comment"]).style("white-space: pre-wrap"),
            "span" if row["span_id"] else _WHOLE,
            " ".join(filter(None, (row["author"], f"({row['source']})"))) or NOTHING,
            format_time(row["time"]),
        ]
        for row in scores
    ]
    with box("section", "wp-section"):
        text("h3", "Scores")
        draw_table(heads, rows, "scores")


def _spell(row: Row) -> str:
    return spell(row["kind"], row["value"], row["label"])


def _is_thumb(row: Row) -> bool:
    return bool(row["kind"] == "boolean")
