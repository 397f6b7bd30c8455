"""Sampling rules in the engine: a small table, looked up by the views while spans are inserted.

The decision itself is SQL (`0003_work.sql`): a lot drawn by project and trace. This file knows the
rules' table and its dictionary; it does not know where the rules come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watchpost_collector.store.client import DATABASE, Store

_NAMES = ("keep", "content", "slow_ms")

# What is stored of each project; `*` is always among them and stands for every other one.
Rules = Mapping[str, Mapping[str, float]]


class Sampling:
    """Applies the rules when they changed. `read_rules` gives those in force now."""

    def __init__(self, read_rules: Callable[[], Rules]) -> None:
        self._read_rules = read_rules
        self._applied: Rules = {}

    def keep(self, store: Store) -> None:
        """Have the engine sample by the rules; nothing where that was done before."""
        rules = self._read_rules()
        if rules != self._applied:
            apply_sampling(store, rules)
            self._applied = rules


def apply_sampling(store: Store, rules: Rules) -> None:
    """Sample by these rules, and no others, what is inserted from now on."""
    sql = f"select project, keep, content, slow_ms from {DATABASE}.sampling_rules final"  # noqa: S608
    before = {str(project): tuple(told) for project, *told in store.query(sql)}
    # A project nobody speaks of any more follows the rules of all.
    wanted = {
        project: tuple(rules.get(project, rules["*"])[name] for name in _NAMES)
        for project in {*rules, *before}
    }
    changed = [[name, *told] for name, told in sorted(wanted.items()) if before.get(name) != told]
    if changed:
        store.insert_rows("sampling_rules", ["project", *_NAMES], changed)
    # Also where nothing changed: whoever wrote the rows may have died before this.
    store.command(f"system reload dictionary {DATABASE}.sampling")
