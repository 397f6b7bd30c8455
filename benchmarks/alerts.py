"""How often alert rules are wrong, and how often they miss: on simulated weeks, seeded.

    python benchmarks/alerts.py            200 quiet weeks
    python benchmarks/alerts.py --quick    10 quiet weeks

The ten rules of `examples/alerts.yaml` look at every hour (regression, drift and budget at every
sixth) of weeks in which nothing happens: what they report is a false alarm, and ten rules together
shall report less than one a week. Then rises of three hours (by day: from 9 to 18 on weekdays) and
worse prompt versions of several sizes are planted, and it is counted how many of them the rule that
should see them reports. In full it takes half an hour of one core, `--quick` two minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alerting.simulated_hours import (
    CONTEXTS,
    FIRST_H,
    HOUR_S,
    QUIET,
    RISE_H,
    VERSION_H,
    WEEK_H,
    Plant,
    simulate,
)

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.evaluation import Ask, replay_rule
from watchpost_collector.alerts.finding import Finding, read_findings
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import load_rules
from watchpost_collector.store.client import Store, open_store
from watchpost_collector.store.migrate import migrate

RULES = Path(__file__).resolve().parents[1] / "examples" / "alerts.yaml"
QUICK_WEEKS, FULL_WEEKS = 10, 200
RISING_WEEKS, VERSION_WEEKS = 10, 60
# History that the rules have before they are counted.
LEAD_WEEKS = 6
MOST_A_WEEK = 1.0
SEED = 20_260
RISES = (1.5, 2.0, 3.0, 5.0, 10.0)
# How much dearer and slower a version is, and how much more often it refuses.
REGRESSIONS = ((1.1, 1.5), (1.25, 2.0), (1.5, 3.0), (2.0, 4.0))
RISING = ("cost_spike", "latency", "error_rate", "refusal_rate")
# How long after its first hour a version is looked at.
AGES_H = (24, 72, 168, 335)


def measure(store: Store, rules: Sequence[Rule], weeks: int) -> dict[str, Any]:
    """False alarms by rule, and the shares of planted rises and versions that were found."""

    def ask(sql: str, bound: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        return store.query(sql, bound).as_dicts()

    alarms = count_alarms(store, rules, weeks, ask)
    found = [*_plant_rises(store, rules, ask), *_plant_versions(store, rules, ask)]
    return {"weeks": weeks, "alarms": alarms, "found": found}


def count_alarms(store: Store, rules: Sequence[Rule], weeks: int, ask: Ask) -> dict[str, int]:
    """What each rule reports of weeks in which nothing happens."""
    simulate(store, weeks + LEAD_WEEKS, SEED, QUIET)
    since = (FIRST_H + LEAD_WEEKS * WEEK_H) * HOUR_S
    alarms = {}
    for rule in rules:
        episodes = replay_rule(rule, ask, since, since + weeks * WEEK_H * HOUR_S, HOUR_S)
        alarms[rule.name] = len(episodes)
        _tell(f"{rule.name}: {len(episodes)}")
    return alarms


def _plant_rises(store: Store, rules: Sequence[Rule], ask: Ask) -> Iterator[dict[str, Any]]:
    weeks = LEAD_WEEKS + RISING_WEEKS
    for size in RISES:
        plant = Plant(rise=size, rise_from=LEAD_WEEKS * WEEK_H + 11)
        simulate(store, weeks, SEED + 1, plant)
        begins = range(plant.rise_from, weeks * WEEK_H - RISE_H, plant.rise_every)
        by_day = [begin for begin in begins if _is_day(begin)]
        told = f"rise of three hours, {size:g} times"
        for rule in rules:
            if rule.kind in RISING:
                for when, which in (("by day", by_day), ("else", set(begins) - set(by_day))):
                    seen = _count_rises(rule, sorted(which), ask)
                    yield _row(f"{told}, {when}", rule, seen, len(which))
        _tell(told)


def _plant_versions(store: Store, rules: Sequence[Rule], ask: Ask) -> Iterator[dict[str, Any]]:
    for worse, refusing in REGRESSIONS:
        simulate(store, VERSION_WEEKS, SEED + 2, Plant(worse=worse, refusing=refusing))
        begins = range(VERSION_H, VERSION_WEEKS * WEEK_H - max(AGES_H), 2 * VERSION_H)
        told = f"version {worse:g} times dearer, {refusing:g} times refusing"
        for rule in rules:
            if rule.kind == "regression":
                seen = _count_versions(rule, begins, ask)
                yield _row(told, rule, seen, len(begins) * CONTEXTS)
        _tell(told)


def _row(planted: str, rule: Rule, found: int, of: int) -> dict[str, Any]:
    return {"planted": planted, "rule": rule.name, "found": found, "of": of}


def _is_day(hour: int) -> bool:
    return hour % WEEK_H < 5 * 24 and 9 <= hour % 24 <= 18 - RISE_H


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _count_rises(rule: Rule, begins: Sequence[int], ask: Ask) -> int:
    """Of how many rises the rule is true at the end of one of their hours."""
    hours = {begin + more: begin for begin in begins for more in range(1, RISE_H + 1)}
    return len({hours[one.at // HOUR_S - FIRST_H] for one in _find(rule, hours, ask)})


def _count_versions(rule: Rule, begins: Sequence[int], ask: Ask) -> int:
    """Of how many versions, of each prompt, the rule is true at one of their ages."""
    hours = {begin + age: f"v{begin // VERSION_H}" for begin in begins for age in AGES_H}
    found = _find(rule, hours, ask)
    return len(
        {
            (one.subject, tuple(one.series.values()))
            for one in found
            if one.subject == hours[one.at // HOUR_S - FIRST_H]
        }
    )


def _find(rule: Rule, hours: Iterable[int], ask: Ask) -> list[Finding]:
    statement = compile_rule(rule)
    times = [(FIRST_H + hour) * HOUR_S for hour in hours]
    return [
        one for one in read_findings(rule, ask(statement.sql, statement.bind(times))) if one.fires
    ]


def find_interval(count: int) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson count (Garwood 1936)."""

    def bisect(is_below: Callable[[float], bool]) -> float:
        low, high = 0.0, 10.0 + 2.0 * count
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if is_below(middle) else (low, middle)
        return low

    def fewer(mean: float, most: int) -> float:
        """The chance of at most so many."""
        return sum(
            math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(most + 1)
        )

    low = bisect(lambda mean: 1 - fewer(mean, count - 1) < 0.025) if count else 0.0
    return low, bisect(lambda mean: fewer(mean, count) > 0.025)


def print_report(report: Mapping[str, Any]) -> bool:
    """The tables; whether false alarms stay below one a week."""
    weeks = report["weeks"]
    print(f"\n{weeks} quiet weeks")
    for name, count in report["alarms"].items():
        print(f"  {name:44} {count:>5} false alarms")
    total = sum(report["alarms"].values())
    low, high = (bound / weeks for bound in find_interval(total))
    is_met = total / weeks < MOST_A_WEEK
    verdict = "" if is_met else "  MISSED"
    print(
        f"  all together: {total / weeks:.3f} a week (95 %: {low:.3f} to {high:.3f})"
        f"   target < {MOST_A_WEEK:g}{verdict}"
    )
    print("\nplanted, and found")
    for row in report["found"]:
        share = f"{row['found']} of {row['of']}"
        print(f"  {row['planted']:48} {row['rule']:42} {share:>10}")
    return is_met


def main() -> int:
    """Simulate, look, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_WEEKS} quiet weeks")
    parser.add_argument("--weeks", type=int, help="another number of them")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    given = parser.parse_args()
    weeks = given.weeks or (QUICK_WEEKS if given.quick else FULL_WEEKS)
    with tempfile.TemporaryDirectory(prefix="watchpost-alerts-") as place:
        store = open_store(f"chdb://{place}")
        migrate(store)
        report = measure(store, load_rules(RULES), weeks)
        store.close()
    if given.json:
        json.dump(report, sys.stdout, indent=2)
        return 0
    return 0 if print_report(report) else 1


if __name__ == "__main__":
    sys.exit(main())
