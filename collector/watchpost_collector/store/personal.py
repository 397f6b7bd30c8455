"""Whose a row is: tables by the columns that can name somebody, and conditions that compare hashes.

Everything here is text of SQL. Ids are compared as keyed hashes with those of `erased`; the
parameters a condition needs are `secret`, `erasure` and `keep`. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from watchpost_collector.store.client import DATABASE, Store

# Keys under which programs put who somebody is; a value elsewhere may equal an id by chance.
NAMING_KEYS: Mapping[str, str] = {
    "user": r"(?i)(^|[._-])(end_?)?(user|customer|member|person|patient|account|subject|author"
    r"|e?mail|login|username)([._-]|id|name|$)",
    "session": r"(?i)(^|[._-])(session|conversation|chat|thread)([._-]|id|$)",
}
# How long a prompt's variable was: the key says whose the variable is, the value is a number.
NAMELESS_KEYS = "^watchpost[.]prompt[.]variable[.].*[.]size$"
CALLS = "calls"
SCORES = "score_events"
_OWN = ("erased", "erasing")
_MAPS = ("attributes", "segments", "resource")
_ALWAYS_TRACED = ("spans", "content", "verdicts", CALLS)
# The chosen traces, what is spared of them, and chosen rows that are in no trace.
CHOSEN = f"(select project, trace_id from {DATABASE}.erasing where not spared and trace_id != '')"  # noqa: S608
_SPARED = f"(select project, trace_id, span_id from {DATABASE}.erasing where spared)"  # noqa: S608
_MARKED = f"(select project, span_id from {DATABASE}.erasing where trace_id = '')"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Keyed:
    """A stored table whose rows can be somebody's, and the columns by which they are."""

    name: str
    columns: Mapping[str, str]

    @property
    def has_traces(self) -> bool:
        """Whether its rows say their trace."""
        return "trace_id" in self.columns

    @property
    def is_rollup(self) -> bool:
        """Whether its rows are sums over many people, of which only a dimension can be one's."""
        return not self.has_traces and "attributes" not in self.columns

    @property
    def maps(self) -> list[str]:
        """The columns in which a program may have put who somebody is."""
        return [name for name in _MAPS if self.columns.get(name, "").startswith("Map(")]

    @property
    def has_authors(self) -> bool:
        """Whether a row may be somebody's although its trace is another's: what they said of it."""
        return "author" in self.columns

    @property
    def mark(self) -> str:
        """What a row that goes by itself is known by while it is erased; '' where none does."""
        if self.has_authors:
            return "lower(hex(sipHash128(author, trace_id, span_id, name, toString(time))))"
        if not self.maps or self.name in _ALWAYS_TRACED:
            return ""
        told = [name for name in (*self.maps, "body", "time") if name in self.columns]
        return f"lower(hex(sipHash128(toString(tuple({', '.join(told)})))))"

    @property
    def condition(self) -> str:
        """What is true of the rows to erase, once they are chosen."""
        either = []
        if self.has_traces:
            chosen = f"(project, trace_id) in {CHOSEN}"
            if "span_id" in self.columns:
                chosen += f" and (project, trace_id, span_id) not in {_SPARED}"
            either.append(f"({chosen})")
        if self.mark:
            alone = self.has_traces and not self.has_authors
            untraced = "trace_id = '' and " if alone else ""
            either.append(f"({untraced}(project, {self.mark}) in {_MARKED})")
        return f"({' or '.join(either)})"


def list_tables(store: Store) -> list[Keyed]:
    """Every stored table whose rows can be somebody's."""
    rows = store.query(
        "select table, name, type from system.columns where database = {database:String} "
        "and table in (select name from system.tables where database = {database:String} "
        "and engine like '%MergeTree') order by table, position",
        {"database": DATABASE},
    )
    columns: dict[str, dict[str, str]] = {}
    for table, name, kind in rows:
        columns.setdefault(str(table), {})[str(name)] = str(kind)
    found = [Keyed(table, named) for table, named in columns.items() if table not in _OWN]
    return [
        table for table in found if "project" in table.columns and (table.has_traces or table.maps)
    ]


def hash_sql(kind: str, value: str) -> str:
    """The keyed hash of an id, as `hash_id` computes it outside."""
    return f"lower(hex(SHA256(concat({{secret:String}}, '{kind}:', toString({value})))))"


# The times up to which ids are erased, by their hash and project, of one erasure or of all.
_TIMES = (
    "(select cast((groupArray(concat(key, '@', project)), groupArray(since)), "  # noqa: S608
    "'Map(String, DateTime64(9, ''UTC''))') "
    f"from {DATABASE}.erased final where kind = '{{kind}}' "
    "and keep_calls = {keep:Bool} and (erasure = {erasure:String} or {erasure:String} = ''))"
)
# Why the trace of a row was erased.
BECAUSE = (
    "(select cast((groupArray(key), groupArray(because::String)), 'Map(String, String)') "  # noqa: S608
    f"from {DATABASE}.erased final where kind = 'trace')[{hash_sql('trace', 'trace_id')}]"
)
SEGMENT = "({segment:String} = '' or spool_segment = {segment:String})"


def _erased_until(kind: str, value: str, *, every: bool) -> str:
    """Up to when spans that name this value are erased; 1970 for one nobody erased."""
    times = _TIMES.replace("{kind}", kind)
    if every:
        times = times.replace("and keep_calls = {keep:Bool} ", "")
    key = hash_sql(kind, value)
    return f"greatest({times}[concat({key}, '@')], {times}[concat({key}, '@', project)])"


def is_hit(kind: str, value: str, *, late: str = "", every: bool = False) -> str:
    """Whether a value is an erased id; with `late` only of rows that began, by that column, before.

    `every` asks for all erasures, not only for those that treat calls as `keep` says.
    """
    against = late or "toDateTime64(0, 9, 'UTC')"
    # The set first: it says no at half the price of the times.
    known = f"(select key from {DATABASE}.erased where kind = '{kind}')"  # noqa: S608
    return (
        f"({value} != '' and {hash_sql(kind, value)} in {known} "
        f"and {_erased_until(kind, value, every=every)} > {against})"
    )


def _list_keys(table: Keyed, pairs: str, kind: str) -> str:
    """The keys in use that name somebody: few, so that rows are asked for these alone."""
    where = SEGMENT if "spool_segment" in table.columns else "true"
    return (
        "(select groupUniqArray(toString(k)) from (select arrayJoin(mapKeys("  # noqa: S608
        f"{pairs})) as k from {DATABASE}.{table.name} where {where}) "
        f"where match(k, '{NAMING_KEYS[kind]}') and not match(k, '{NAMELESS_KEYS}'))"
    )


def list_hits(
    table: Keyed, *, late: bool, kinds: Collection[str] = tuple(NAMING_KEYS)
) -> list[tuple[str, str]]:
    """Pairs of a reason and the condition under which a row gives it, for these kinds of ids."""
    found = []
    # What says neither when it began nor how it came follows the spans of its trace.
    begin = next((name for name in ("start", "time") if name in table.columns), "")
    if late and not (begin and "spool_segment" in table.columns):
        return []
    before = begin if late else ""
    for kind, column in (("user", "user_id"), ("session", "session_id")):
        if kind not in kinds:
            continue
        conditions = []
        if column in table.columns:
            conditions.append(is_hit(kind, column, late=before))
        for pairs in table.maps:
            hit = is_hit(kind, f"{pairs}[k]", late=before)
            conditions.append(f"arrayExists(k -> {hit}, {_list_keys(table, pairs, kind)})")
        if conditions:
            found.append((f"'{kind}'", f"({' or '.join(conditions)})"))
    # A trace that was erased stays so, however late its spans say they began.
    if table.has_traces:
        found.append((BECAUSE, is_hit("trace", "trace_id")))
    return found


def list_author_hits(table: Keyed, *, late: bool) -> list[tuple[str, str]]:
    """As `list_hits`, of rows that somebody wrote about a trace that is not theirs."""
    if not table.has_authors:
        return []
    return [("'user'", is_hit("user", "author", late="time" if late else ""))]
