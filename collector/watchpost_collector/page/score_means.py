"""Scores on the overview: by name, prompt and version, how many were given and what they say.

Thumbs are a share, numbers a mean, categories the words most often chosen. It knows its question
and its table, and nothing of the page around them.
"""

from __future__ import annotations

from watchpost_collector.page.elements import draw_table
from watchpost_collector.page.figures import NOTHING, format_count, format_share
from watchpost_collector.page.filters import Filters, Window, bind
from watchpost_collector.page.narrowing import PICKED, SINCE, UNTIL
from watchpost_collector.page.reading import Reader, Row, read_rows

SHOWN_WORDS = 3
SHOWN_ROWS = 50

MEANS = f"""
select name, prompt_name, prompt_version, kind, count() as given, avg(value) as mean,
    sumIf(value, kind = 'boolean') as up,
    arraySlice(arrayReverseSort(w -> w.2, arrayZip(
        (sumMapIf([label], [1], label != '') as words).1, words.2)), 1, {{words:UInt8}}) as chosen
from scores
where time >= {SINCE} and time < {UNTIL} and {PICKED}
group by name, prompt_name, prompt_version, kind
order by name, sum(given) over (partition by name, prompt_name) desc, prompt_name,
    length(prompt_version) desc, prompt_version desc, kind
limit {{rows:UInt8}}
"""  # noqa: S608


def read_means(reader: Reader, filters: Filters, window: Window) -> list[Row]:
    """The scores given inside the window, the versions of a prompt newest first."""
    bound = {**bind(filters, window), "words": SHOWN_WORDS, "rows": SHOWN_ROWS}
    return read_rows(reader, MEANS, bound)


def draw_means(rows: list[Row]) -> None:
    """A table, a row for each name, prompt and version."""
    heads = [
        ("Score", False), ("Prompt", False), ("Version", False), ("Mean", True), ("Given", True)
    ]  # fmt: skip
    draw_table(
        heads,
        (
            [
                row["name"],
                row["prompt_name"] or NOTHING,
                row["prompt_version"] or NOTHING,
                write_mean(row),
                format_count(row["given"]),
            ]
            for row in rows
        ),
        "score-means",
    )


def write_mean(row: Row) -> str:
    """The mean as a person says it: a share of thumbs, a number, or the words chosen most."""
    if row["kind"] == "boolean":
        # In words: a column of numbers is read without the font that has a thumb.
        return f"{format_share(row['up'], row['given'])} up"
    if row["mean"] is None:
        return ", ".join(f"{word} {format_count(count)}" for word, count in row["chosen"])
    return f"{row['mean']:.3g}"
