"""Every kind of rule over rollups: it finds what was planted, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rolled_hours import Hours, moment, write_hours

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.finding import Finding, read_findings
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import read_rules
from watchpost_collector.store.client import Store

WEEK_H = 168
Evaluate = Callable[..., list[Finding]]


def read_rule(project: str, text: str) -> Rule:
    [rule] = read_rules(f"- name: it\n  where: {{project: {project}}}\n  {text}", "rules.yaml")
    return rule


@pytest.fixture
def evaluate(embedded_store: Store) -> Evaluate:
    """What fires of a rule, given as its kind and more lines, at these hours."""

    def run(project: str, text: str, *hours: int, all_rows: bool = False) -> list[Finding]:
        rule = read_rule(project, text)
        statement = compile_rule(rule)
        bound = statement.bind([moment(hour) for hour in hours])
        found = read_findings(rule, embedded_store.query(statement.sql, bound).as_dicts())
        return [one for one in found if one.fires or all_rows]

    return run


def test_a_dear_hour_is_a_cost_spike_of_its_series_alone(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(
        embedded_store,
        "spike",
        Hours(0, 20 * 24),
        Hours(20 * 24, 1, cost=0.05),
        Hours(20 * 24 + 1, 3),
        Hours(0, 20 * 24 + 4, service="other"),
    )
    text = "kind: cost_spike\n  by: [service]"
    fired = evaluate("spike", text, *range(19 * 24, 20 * 24 + 4))
    assert [(one.at, one.series) for one in fired] == [(moment(20 * 24 + 1), {"service": "bot"})]
    assert fired[0].value is not None
    assert fired[0].baseline is not None
    assert fired[0].value > 3 * fired[0].baseline
    # On a service's first days nothing is usual yet.
    assert evaluate("spike", text, 10, 20, 60) == []


def test_hours_asked_together_say_what_each_says_by_itself(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(embedded_store, "together", Hours(0, 15 * 24), Hours(15 * 24, 5, failing=0.4))
    hours = (14 * 24, 15 * 24 + 1, 15 * 24 + 3)
    for kind in ("cost_spike", "error_rate", "absence"):
        text = f"kind: {kind}\n  by: [service]"
        together = evaluate("together", text, *hours, all_rows=True)
        apart = [one for hour in hours for one in evaluate("together", text, hour, all_rows=True)]
        assert [(one.at, one.series, one.fires) for one in together] == [
            (one.at, one.series, one.fires) for one in apart
        ]
        assert [one.value for one in together] == pytest.approx([one.value for one in apart])
        assert [one.bound for one in together] == pytest.approx([one.bound for one in apart])
        assert len(together) == 3


def test_traffic_that_halves_and_halves_again_is_told_and_weekends_are_not(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    days = [(week * WEEK_H + part, part) for week in range(6) for part in (0, 120)]
    weeks = [
        Hours(begin, 48 if part else 120, calls=30 if part else 90, service="weekly")
        for begin, part in days
    ]
    write_hours(embedded_store, "dip", *weeks, Hours(6 * 168, 1, calls=15, service="weekly"))
    text = "kind: volume\n  direction: down"
    # Not the first one either, of which nothing is known yet.
    fired = evaluate("dip", text, *range(20, 6 * WEEK_H + 2, 5), 6 * WEEK_H + 1)
    assert [one.at for one in fired] == [moment(6 * WEEK_H + 1)]


def test_slow_hours_are_found_against_the_usual_ones_and_against_a_fixed_mark(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(embedded_store, "slow", Hours(0, 200, calls=90), Hours(200, 2, calls=90, ms=3000.0))
    fired = evaluate("slow", "kind: latency", *range(150, 203))
    assert [one.at for one in fired] == [moment(201), moment(202)]
    fixed = evaluate("slow", "kind: latency\n  above_ms: 2000", 3, 202)
    assert [one.at for one in fixed] == [moment(202)]


def test_errors_beyond_chance_are_told_and_an_earlier_outage_hides_none(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(
        embedded_store,
        "errors",
        Hours(0, 100),
        Hours(100, 2, failing=0.5),
        Hours(102, 198),
        Hours(300, 1, failing=0.8),
    )
    fired = evaluate("errors", "kind: error_rate", *range(99, 303, 1))
    assert [one.at for one in fired] == [moment(101), moment(102), moment(301)]
    assert all(one.chance is not None and one.chance < 1e-4 for one in fired)
    assert [one.at for one in evaluate("errors", "kind: error_rate\n  above: 0.2", 4, 301)] == [
        moment(301)
    ]


def test_refusals_rise_for_the_guard_and_by_their_own_kind(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(embedded_store, "refusing", Hours(0, 240), Hours(240, 1, refusing=0.9))
    [by_guard] = evaluate("refusing", "kind: guard_rate", 200, 241)
    assert by_guard.series == {"guard": "refusal"}
    [by_kind] = evaluate("refusing", "kind: refusal_rate\n  by: [service]", 200, 241)
    assert by_kind.value == by_guard.value
    assert by_kind.at == moment(241)


def test_a_worse_version_is_named_with_its_predecessor_and_its_measures(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    both = 30 * 24
    write_hours(
        embedded_store,
        "versions",
        Hours(0, 15 * 24),
        # As good as the one before it, in everything.
        Hours(15 * 24, both - 15 * 24, version="v2"),
        Hours(both, 40, calls=20, version="v2"),
        Hours(both, 40, calls=20, version="v3", cost=0.02, refusing=0.2),
    )
    assert evaluate("versions", "kind: regression", *range(20, both + 1, 24)) == []
    fired = evaluate("versions", "kind: regression", both + 40)
    assert {(one.subject, one.against, one.measure) for one in fired} == {
        ("v3", "v2", "cost"),
        ("v3", "v2", "refusals"),
    }
    assert all(one.evidence["side by side"] == 1 for one in fired)
    assert fired[0].series == {"service": "bot", "prompt.name": "reply"}


def test_a_budget_is_told_when_it_will_not_hold_before_it_is_spent(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    # Some 67 dollars a week.
    write_hours(embedded_store, "budget", Hours(0, 5 * WEEK_H))
    hours = range(4 * WEEK_H + 6, 5 * WEEK_H, 12)
    weekly = "kind: budget\n  period: week\n  limit: "
    assert evaluate("budget", weekly + "80", *hours) == []
    early = evaluate("budget", weekly + "60", *hours)
    assert 4 * WEEK_H < (early[0].at - moment(0)) / 3600 < 4 * WEEK_H + 36
    assert early[0].evidence["spent"] < 20
    assert early[0].value == pytest.approx(67, rel=0.05)
    [spent] = evaluate("budget", weekly + "5", 20)
    assert spent.value is not None
    assert spent.value > 5


def test_a_shift_to_another_model_is_drift_and_longer_inputs_are(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(
        embedded_store,
        "drift",
        Hours(0, 20 * 24),
        Hours(0, 20 * 24, calls=10, model="small"),
        Hours(20 * 24, 24, calls=10, tokens=900),
        Hours(20 * 24, 24, calls=40, model="small", tokens=900),
    )
    hours = range(16 * 24, 21 * 24 + 1, 24)
    [shares] = evaluate("drift", "kind: drift\n  on: model", *hours)
    assert (shares.at, shares.subject) in {(moment(21 * 24), "large"), (moment(21 * 24), "small")}
    [length] = evaluate("drift", "kind: drift\n  on: input_length", *hours)
    assert length.at == moment(21 * 24)
    assert evaluate("drift", "kind: drift\n  on: segment.plan", *hours) == []


def test_a_service_that_stopped_is_absent_and_one_that_sleeps_is_not(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    write_hours(
        embedded_store,
        "silent",
        Hours(0, 10 * 24),
        *(Hours(day * 24 + 8, 10, service="office") for day in range(13)),
    )
    fired = evaluate("silent", "kind: absence", *range(9 * 24, 12 * 24, 3))
    assert {one.series["service"] for one in fired} == {"bot"}
    assert min(one.at for one in fired) == moment(10 * 24 + 3)


def test_values_of_where_are_bound_and_find_what_is_spelled_so(
    embedded_store: Store, evaluate: Evaluate
) -> None:
    odd = "it's \\ a 'bot'); drop table watchpost.calls --"
    write_hours(embedded_store, "odd", Hours(0, 50, service=odd))
    rule = Rule("it", "absence", where=(("service", (odd,)),), by=("service",), window_h=2)
    statement = compile_rule(rule)
    assert "drop" not in statement.sql
    rows = embedded_store.query(statement.sql, statement.bind([moment(50)])).as_dicts()
    assert [row["series"] for row in rows] == [[odd]]
