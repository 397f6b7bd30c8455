"""Rules as statements that stand alone, asked through the gate as Grafana's plugin asks them: they
say what an evaluation with bound values says, in the columns that Grafana's alerting reads."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from rolled_hours import Hours, moment, write_hours

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.evaluation import check_rule
from watchpost_collector.alerts.rule import KINDS, Rule
from watchpost_collector.alerts.rule_file import load_rules, read_rules
from watchpost_collector.alerts.standing import write_standing
from watchpost_collector.query.reader import Reader
from watchpost_collector.store.client import Store

HOSTILE = "o'b\\r$__fromTime\n{{x}} ${HOME}"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "alerts.yaml"


def ask(store: Store, rule: Rule, now: int) -> list[dict[str, object]]:
    """The rows, macros expanded as the plugin does."""
    sql = write_standing(rule).sql.replace("$__toTime", f"toDateTime({now})")
    assert "$" not in sql
    assert "{" not in sql
    answer = Reader(store.dsn).ask(sql, "JSON")
    told = json.loads(answer.body)
    types = {column["name"]: column["type"] for column in told["meta"]}
    assert types.pop("value") == "Float64"
    assert set(types.values()) == {"String"}
    return [
        {**row, "value": math.nan if row["value"] is None else row["value"]} for row in told["data"]
    ]


@pytest.fixture(scope="module")
def weeks(embedded_store: Store) -> Store:
    """Six weeks of traffic, the last ten days with a second version of the prompt beside it."""
    write_hours(
        embedded_store,
        "weeks",
        Hours(0, 42 * 24, calls=200),
        Hours(32 * 24, 10 * 24, calls=200, version="v2"),
    )
    return embedded_store


@pytest.mark.parametrize("rule", load_rules(EXAMPLES), ids=lambda rule: rule.kind)
def test_every_shipped_rule_stands_alone_and_is_read_as_numbers_with_labels(
    weeks: Store, rule: Rule
) -> None:
    rows = ask(weeks, rule, moment(42 * 24) + 600)
    assert rows
    assert all({"measure", *write_standing(rule).labels} < set(row) for row in rows)
    assert {one.kind for one in load_rules(EXAMPLES)} == set(KINDS)


def test_what_fires_is_what_an_evaluation_with_bound_values_finds(embedded_store: Store) -> None:
    names = {"service": HOSTILE}
    write_hours(
        embedded_store,
        "standing",
        Hours(0, 20 * 24, **names),
        Hours(20 * 24, 1, cost=0.05, **names),
        Hours(0, 20 * 24 + 1, service="calm"),
    )
    text = (
        "- {name: it, kind: cost_spike, by: [service, prompt.name], where: {project: standing, "
        f"service: [calm, {json.dumps(HOSTILE)}]}}}}"
    )
    [rule] = read_rules(text, "rules.yaml")
    now = moment(20 * 24) + 1800

    rows = ask(embedded_store, rule, now)
    outcome = check_rule(rule, lambda sql, bound: embedded_store.query(sql, bound).as_dicts(), now)

    found = [
        {**{name.replace(".", "_"): value for name, value in finding.series.items()}}
        | {"measure": finding.measure, "value": pytest.approx(finding.value)}
        for alert in outcome.alerts
        for finding in alert.findings
    ]
    assert [row for row in rows if not math.isnan(row["value"])] == found
    assert [one["service"] for one in found] == [HOSTILE]
    assert [row["service"] for row in rows if math.isnan(row["value"])] == ["calm"]


def test_a_regression_is_labelled_with_the_version_and_its_predecessor() -> None:
    [rule] = read_rules("- {name: it, kind: regression, by: [segment.tier]}", "rules.yaml")
    standing = write_standing(rule)
    assert standing.labels == {
        "service": "service",
        "prompt_name": "prompt.name",
        "segment_tier": "segment.tier",
    }
    assert "subject as version, against as predecessor, measure" in standing.sql


def test_labels_are_there_once_and_the_reach_is_the_statements_own() -> None:
    by = "[segment.a.b, segment.a_b, segment.a-b]"
    [rule] = read_rules(f"- {{name: it, kind: volume, by: {by}}}", "rules.yaml")
    standing = write_standing(rule)
    assert list(standing.labels) == ["segment_a_b", "segment_a_b_1", "segment_a_b_2"]
    assert f"- {compile_rule(rule).reach_h * 3600}" in standing.sql
