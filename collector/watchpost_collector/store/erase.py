"""Erasing in the engine: finds the traces of an erased id, strips their calls, deletes the rest.

Ids come as keyed hashes and are compared as such inside the engine, so that no statement and no
mutation ever spells one. Whatever has a trace id is erased by trace, the rest row by row. Every
step may be repeated. This file knows no file and does not know when it is run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from watchpost_collector.store.client import DATABASE, Store
from watchpost_collector.store.personal import (
    BECAUSE,
    CALLS,
    NAMING_KEYS,
    SCORES,
    SEGMENT,
    Keyed,
    hash_sql,
    is_hit,
    list_author_hits,
    list_hits,
)

# What stays of a call nobody can be known by: where, what, how much. Other texts go, also new ones.
_PLAIN = frozenset(
    (
        *("project", "start", "kind", "service", "service_version", "environment", "operation"),
        *("provider", "request_model", "response_model", "model", "prompt_name", "prompt_version"),
        *("template_hash", "status", "error_type", "finish_reasons", "usage_source", "cost"),
        *("price_state", "price_source", "service_tier", "guard_action", "counted", "version"),
        *("guard", "label", "direction", "action", "revision"),
    )
)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An erased id as it is remembered: its kind, its keyed hash, '' or the one project."""

    kind: str
    key: str
    project: str
    erasure: str
    keep_calls: bool = True


def remember(store: Store, tombstone: Tombstone, *, trial: bool = False) -> None:
    """Write an erased id down, so that what comes later is recognised; `trial` recognises nothing.

    Writing it down again changes nothing but the time up to which late spans are erased.
    """
    store.command(
        f"insert into {DATABASE}.erased select {{kind:String}}, {{key:String}}, "
        "{project:String}, {kind:String}, {keep:Bool}, {erasure:String}, "
        "if({trial:Bool}, toDateTime64(1, 9), now64(9))",
        {
            "trial": trial,
            "kind": tombstone.kind,
            "key": tombstone.key,
            "project": tombstone.project,
            "keep": tombstone.keep_calls,
            "erasure": tombstone.erasure,
        },
    )


def forget(store: Store, erasure: str) -> None:
    """Take back what a trial wrote down."""
    store.command(
        f"alter table {DATABASE}.erased delete where erasure = {{erasure:String}}",
        {"erasure": erasure},
        {"mutations_sync": 2},
    )


def knows_erased(store: Store) -> bool:
    """Whether anybody was ever erased here."""
    return bool(store.query(f"select 1 from {DATABASE}.erased limit 1").rows)  # noqa: S608


def choose_traces(
    store: Store, secret: str, tables: Sequence[Keyed], *, erasure: str = "", segment: str = ""
) -> int:
    """Choose the traces an erasure is about; with `segment` those in it of anybody erased before.

    Returns how many there are. Rows that are in no trace are chosen one by one.
    """
    forget_choice(store)
    bound = {"secret": secret, "erasure": erasure, "segment": segment}
    for keep, kinds in _list_keeps(store, erasure).items():
        for table in tables:
            for trace, mark, because, where in _list_choices(table, kinds, late=bool(segment)):
                store.command(
                    f"insert into {DATABASE}.erasing "  # noqa: S608
                    "(project, trace_id, span_id, because, keep_calls) "
                    f"select distinct project, {trace}, {mark}, {because}, {{keep:Bool}} "
                    f"from {DATABASE}.{table.name} where {where}"
                    + (f" and {SEGMENT}" if segment else ""),
                    {**bound, "keep": keep},
                )
    [(count, rows)] = store.query(
        f"select uniqExactIf(project, trace_id, trace_id != ''), count() from {DATABASE}.erasing"  # noqa: S608
    )
    if rows:
        _spare_others(store, tables, bound)
    return int(count)


def _list_choices(
    table: Keyed, kinds: Collection[str], *, late: bool
) -> list[tuple[str, str, str, str]]:
    """By what a table's rows are chosen: trace, mark, reason, and of which rows that holds."""
    hits = list_hits(table, late=late, kinds=kinds)
    found = []
    if table.has_traces and hits:
        reasons = ", ".join(f"{hit}, {because}" for because, hit in hits)
        anyone = " or ".join(hit for _, hit in hits)
        why = f"multiIf({reasons}, '')"
        found.append(("trace_id", "''", why, f"trace_id != '' and ({anyone})"))
    for because, hit in hits if table.mark else ():
        if because != BECAUSE:
            untraced = "trace_id = '' and " if table.has_traces else ""
            found.append(("''", table.mark, because, f"{untraced}{hit}"))
    if "user" in kinds:
        authored = list_author_hits(table, late=late)
        found += [("''", table.mark, because, hit) for because, hit in authored]
    return found


def holds_erased(store: Store, secret: str, tables: Sequence[Keyed], segment: str) -> bool:
    """Whether a segment brought anything of anybody erased before: a narrow question a table."""
    bound = {"secret": secret, "erasure": "", "segment": segment}
    # Of a span that was sampled out the call may be all there is.
    named = (CALLS, SCORES)
    wide = [table for table in tables if "attributes" in table.columns or table.name in named]
    return any(
        store.query(
            f"select 1 from {DATABASE}.{table.name} where {SEGMENT} "  # noqa: S608
            f"and ({' or '.join(_list_late(table, kinds))}) limit 1",
            {**bound, "keep": keep},
        ).rows
        for keep, kinds in _list_keeps(store, "").items()
        for table in wide
    )


def _list_late(table: Keyed, kinds: Collection[str]) -> list[str]:
    """What is true of late rows of anybody erased before."""
    hits = list_hits(table, late=True, kinds=kinds)
    if "user" in kinds:
        hits += list_author_hits(table, late=True)
    return [hit for _, hit in hits]


def count_rows(store: Store, tables: Sequence[Keyed]) -> dict[str, int]:
    """How many rows of the chosen traces each table holds."""
    return {
        table.name: int(
            store.query(
                f"select count() from {DATABASE}.{table.name} where {table.condition}"  # noqa: S608
            ).rows[0][0]
        )
        for table in tables
    }


def strip_calls(store: Store, secret: str, tables: Sequence[Keyed]) -> int:
    """Put calls without ids in the place of the chosen ones, and bury those; returns how many.

    Both in one insert, so that no sum changes at any moment. Doing it again writes the same rows.
    """
    [calls] = [table for table in tables if table.name == CALLS]
    chosen = f"{DATABASE}.calls final where counted and {calls.condition}"
    [(count,)] = store.query(f"select count() from {chosen} and (project, trace_id) in {_KEPT}")  # noqa: S608
    store.command(
        f"insert into {DATABASE}.calls select * except buried "  # noqa: S608
        f"replace ({_replace(_strip_call(calls.columns))}) "
        f"from (select * from {chosen}) array join "
        f"if((project, trace_id) in {_KEPT}, [false, true], [true]) as buried",
        {"secret": secret},
    )
    return int(count)


def strip_verdicts(store: Store, secret: str, tables: Sequence[Keyed]) -> None:
    """Put verdicts without ids beside the chosen ones, once: what guards did stays countable."""
    [verdicts] = [table for table in tables if table.name == "verdicts"]
    values = {**_HASHED, **_blank(verdicts.columns, _HASHED)}
    store.command(
        f"insert into {DATABASE}.verdicts select * replace ({_replace(values)}) "  # noqa: S608
        f"from {DATABASE}.verdicts where {verdicts.condition} "
        f"and (project, trace_id) in {_KEPT} and (project, {_HASHED['trace_id']}) not in "
        f"(select project, trace_id from {DATABASE}.verdicts)",
        {"secret": secret},
    )


def remember_traces(store: Store, secret: str, erasure: str) -> None:
    """Write the chosen traces down as erased: their late spans say no id."""
    store.command(
        f"insert into {DATABASE}.erased "  # noqa: S608
        f"select 'trace', {hash_sql('trace', 'trace_id')}, project, any(because), min(keep_calls), "
        f"{{erasure:String}}, now64(9) from {DATABASE}.erasing where not spared "
        "and trace_id != '' group by project, trace_id",
        {"secret": secret, "erasure": erasure},
    )


def delete_rows(store: Store, tables: Sequence[Keyed]) -> None:
    """Delete the chosen rows everywhere; when this returns no active part holds any."""
    counts = count_rows(store, tables)
    for table in tables:
        if not counts[table.name]:
            continue
        what = f"delete where {table.condition}"
        if table.is_rollup:
            # Sums stay; the dimension that named somebody goes.
            what = f"update segments = {_UNNAMED} where {table.condition}"
        store.command(
            f"alter table {DATABASE}.{table.name} {what}",
            settings={"mutations_sync": 2, "allow_nondeterministic_mutations": 1},
        )


def list_chosen(store: Store) -> set[str]:
    """The chosen trace ids, in hexadecimal."""
    rows = store.query(f"select distinct trace_id from {DATABASE}.erasing where trace_id != ''")  # noqa: S608
    return {str(trace) for (trace,) in rows}


def forget_choice(store: Store) -> None:
    """Empty the table of chosen traces."""
    store.command(f"truncate table {DATABASE}.erasing", settings={"alter_sync": 2})


def _list_keeps(store: Store, erasure: str) -> dict[bool, set[str]]:
    """How calls are treated by these erasures, and the kinds of ids erased so."""
    rows = store.query(
        f"select distinct keep_calls, kind from {DATABASE}.erased "  # noqa: S608
        "where erasure = {erasure:String} or {erasure:String} = ''",
        {"erasure": erasure},
    )
    found: dict[bool, set[str]] = {}
    for keep, kind in rows:
        found.setdefault(bool(keep), set()).add(str(kind))
    return found


def _spare_others(store: Store, tables: Sequence[Keyed], bound: Mapping[str, str]) -> None:
    """Spans of the chosen traces that name somebody else who was not erased."""
    [spans] = [table for table in tables if table.name == "spans"]
    for kind, column in (("user", "user_id"), ("session", "session_id")):
        only = (
            f"(select project, trace_id from {DATABASE}.erasing group by project, trace_id "  # noqa: S608
            f"having groupUniqArray(because) = ['{kind}'])"
        )
        store.command(
            f"insert into {DATABASE}.erasing (project, trace_id, span_id, because, spared) "  # noqa: S608
            f"select project, trace_id, span_id, '{kind}', true from {DATABASE}.{spans.name} "
            f"where (project, trace_id) in {only} and {column} != '' "
            f"and not {is_hit(kind, column, every=True)}",
            bound,
        )


# Ids of a stripped row: the same for the same row, so that doing it again adds none.
_HASHED = {
    "trace_id": f"left({hash_sql('call', 'trace_id')}, 32)",
    "span_id": f"left({hash_sql('call', 'concat(trace_id, span_id)')}, 16)",
}
_KEPT = (
    f"(select project, trace_id from {DATABASE}.erasing "  # noqa: S608
    "where not spared and keep_calls and trace_id != '')"
)


_UNNAMED = (
    f"mapFilter((k, v) -> not match(k, '{NAMING_KEYS['user']}') "
    f"and not match(k, '{NAMING_KEYS['session']}'), segments)"
)


def _strip_call(columns: Mapping[str, str]) -> dict[str, str]:
    """By column what a stripped call has there; a buried one keeps its key."""
    values = {
        "counted": "not buried",
        "version": "if(buried, 18446744073709551615, version)",
        "trace_id": f"if(buried, trace_id, {_HASHED['trace_id']})",
        "span_id": f"if(buried, span_id, {_HASHED['span_id']})",
        "name": "operation",
        "response_key": "0",
        "has_content": "false",
    }
    values = {name: value for name, value in values.items() if name in columns}
    return {**values, **_blank(columns, values)}


def _blank(columns: Mapping[str, str], done: Mapping[str, str]) -> dict[str, str]:
    """Nothing for every text nobody vouched for, so that a column to come is blank too."""
    values = {}
    for name, kind in columns.items():
        if name in done or name in _PLAIN:
            continue
        if name == "segments":
            values[name] = _UNNAMED
        elif kind.startswith("Map("):
            values[name] = f"CAST(map(), '{kind}')"
        elif kind.startswith(("String", "LowCardinality(String", "FixedString")):
            values[name] = "''"
        elif kind.startswith(("Array(String", "Array(LowCardinality(String")):
            values[name] = "[]"
    return values


def _replace(values: Mapping[str, str]) -> str:
    return ", ".join(f"{value} as {name}" for name, value in values.items())
