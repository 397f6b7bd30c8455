"""Rule files: what a person may write, and what is said of what he may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.rule import KINDS
from watchpost_collector.alerts.rule_file import MOST_BYTES, load_rules, read_rules

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "alerts.yaml"
SPIKE = """
- name: Support bot cost spike
  kind: cost_spike
  where: {service: support-bot, environment: [prod, staging], segment.plan: team}
  by: [model, prompt.name]
  sensitivity: low
  notify: [oncall]
  for: 2h
  window: 6h
"""


def complain(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_rules(text, "rules.yaml")
    return str(caught.value)


def test_a_rule_is_what_was_written() -> None:
    [rule] = read_rules(SPIKE, "rules.yaml")
    assert (rule.name, rule.kind, rule.sensitivity) == (
        "Support bot cost spike",
        "cost_spike",
        "low",
    )
    assert rule.where == (
        ("service", ("support-bot",)),
        ("environment", ("prod", "staging")),
        ("segment.plan", ("team",)),
    )
    assert (rule.by, rule.notify) == (("model", "prompt.name"), ("oncall",))
    assert (rule.hold_s, rule.window_h, rule.line) == (7200, 6, 2)


def test_the_example_has_a_rule_of_every_kind_and_each_compiles() -> None:
    rules = load_rules(EXAMPLE)
    assert {rule.kind for rule in rules} == set(KINDS)
    for rule in rules:
        statement = compile_rule(rule)
        assert "{at:Array(UInt32)}" in statement.sql
        assert "$" not in statement.sql


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- name: a\n  kind: cost_spikes", ["rules.yaml:2 'cost_spikes'", "cost_spike, volume"]),
        ("- name: a\n  kind: volume\n  limit: 3", ["rules.yaml:3 'limit'", "window, min_calls"]),
        ("- name: a", ["rules.yaml:1", "a rule has a `kind`"]),
        (
            "- name: a\n  kind: volume\n  by: [modle]",
            ["rules.yaml:3 'modle'", "prompt.version", "segment.KEY"],
        ),
        (
            "- name: a\n  kind: volume\n  where:\n    segment.'x: y",
            ["rules.yaml:4", "segment.KEY"],
        ),
        ("- name: a\n  kind: guard_rate\n  by: [release]", ["rules.yaml:3", "guard, direction"]),
        ("- name: a\n  kind: budget", ["rules.yaml:1", "`limit`"]),
        ("- name: a\n  kind: budget\n  limit: nan", ["rules.yaml:3 'nan'", "write a number"]),
        ("- name: a\n  kind: volume\n  window: 90m", ["rules.yaml:3 '90m'", "whole hours"]),
        ("- name: a\n  kind: volume\n  for: 8d", ["rules.yaml:3 '8d'", "up to 7d"]),
        (
            "- name: a\n  kind: regression\n  measures: [speed]",
            ["rules.yaml:3 'speed'", "latency", "score:NAME"],
        ),
        (
            "- name: a\n  kind: regression\n  of: release\n  measures: [refusals]",
            ["rules.yaml:3 'release'", "refusals is not counted by this"],
        ),
        ("- name: a\n  kind: absence\n- name: a\n  kind: volume", ["rules.yaml:3", "this name"]),
        ("- name: &x a\n  kind: volume\n  notify: *x", ["rules.yaml:3", "no aliases"]),
        ("rules: []", ["rules.yaml", "write 1 to 200 rules"]),
        ("contacts: []", ["rules.yaml:1", "a list of rules, or keys of which `rules` is one"]),
        ("[]", ["rules.yaml", "write 1 to 200 rules"]),
        ("#" * (MOST_BYTES + 1), ["rules.yaml", "keep it below"]),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_may_stand_there(
    text: str, told: list[str]
) -> None:
    complaint = complain(text)
    for part in told:
        assert part in complaint


def test_a_regression_by_release_leaves_out_what_guards_do_not_know() -> None:
    by_release, by_version = read_rules(
        "- {name: a, kind: regression, of: release}\n- {name: b, kind: regression}", "rules.yaml"
    )
    assert "refusals" not in by_release.measures
    assert "refusals" in by_version.measures
