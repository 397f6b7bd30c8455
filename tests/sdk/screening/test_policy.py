"""Policies are checked when they are made: a mistake names the value and the cure."""

from typing import Any

import pytest

from watchpost import Guard, Policy, Verdict
from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import DIRECTIONS, Question
from watchpost.screening.policy import REMOTE_DEADLINE_S, find_guard


class Polite:
    name = "polite"

    def check(self, question: Question) -> Verdict:
        return Verdict(self.name, tripped="damn" in question.text, probability=1.0)


def test_any_object_with_a_name_and_a_check_is_a_guard() -> None:
    assert isinstance(Polite(), Guard)
    assert Policy(flag=(Polite(),)).rules[0].action == "flag"


def test_an_unknown_guard_is_named_beside_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        Policy(block=("piii",))
    assert error.value.value == "piii"
    assert "pii" in error.value.cure
    assert "secrets" in error.value.cure


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"directions": {"polite": "sideways"}}, "sideways"),
        ({"on_failure": {"polite": "ajar"}}, "ajar"),
        ({"thresholds": {"polite": 1.5}}, 1.5),
        ({"thresholds": {"stranger": 0.5}}, "stranger"),
        ({"directions": {"stranger": "input"}}, "stranger"),
        ({"directions": {"polite": ["input", "sideways"]}}, ["input", "sideways"]),
        ({"directions": {"polite": []}}, []),
        ({"deadline_s": 0}, 0),
        ({"deadlines": {"polite": -1}}, -1),
        ({"deadlines": {"stranger": 1}}, "stranger"),
        ({"answers": {"stranger": "no"}}, "stranger"),
        ({"flag": (), "fallback": (Polite(),)}, None),
        ({"flag": (), "fallback": (Polite(),), "answer": 7}, 7),
        ({"block": "secrets"}, "secrets"),
    ],
)
def test_a_wrong_value_is_refused_by_name(settings: dict[str, object], value: object) -> None:
    with pytest.raises(ConfigError) as error:
        Policy(**{"flag": (Polite(),), **settings})  # type: ignore[arg-type]
    assert error.value.value == value


def test_a_guard_listed_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="once"):
        Policy(block=(Polite(),), flag=(Polite(),))


def test_a_class_in_place_of_an_object_is_refused() -> None:
    with pytest.raises(ConfigError):
        Policy(flag=(Polite,))  # type: ignore[arg-type]


def test_a_rule_applies_only_in_its_direction() -> None:
    policy = Policy(flag=(Polite(),), directions={"polite": "output"})
    assert policy.rules_for("input") == ()
    assert len(policy.rules_for("output")) == 1


def test_a_rule_applies_everywhere_until_the_policy_says_where() -> None:
    everywhere, both = (
        Policy(flag=(Polite(),)),
        Policy(flag=(Polite(),), directions={"polite": "both"}),
    )
    some = Policy(flag=(Polite(),), directions={"polite": ("document", "tool_result")})
    looked = {
        way: tuple(len(policy.rules_for(way)) for policy in (everywhere, both, some))
        for way in DIRECTIONS
    }
    assert looked == {
        "input": (1, 1, 0),
        "output": (1, 1, 0),
        "document": (1, 0, 1),
        "tool_argument": (1, 0, 0),
        "tool_result": (1, 0, 1),
    }


def test_deadlines_are_a_guards_own_then_the_policys_then_for_remote_ones_ours() -> None:
    class Far(Polite):
        name = "far"
        remote = True

    def seconds(**settings: Any) -> list[float | None]:
        return [rule.deadline_s for rule in Policy(flag=(Polite(), Far()), **settings).rules]

    assert seconds() == [None, REMOTE_DEADLINE_S]
    assert seconds(deadline_s=2) == [2, 2]
    assert seconds(deadline_s=2, deadlines={"far": 0.5}) == [2, 0.5]


def test_policies_that_name_a_guard_share_one_object_that_loads_once() -> None:
    (one,), (other,) = Policy(flag=["secrets"]).rules, Policy(block=["secrets"]).rules
    assert one.guard is other.guard


def test_a_fallback_counts_as_something_to_be_withheld() -> None:
    assert Policy(fallback=(Polite(),), answer="no").has_redaction
    assert not Policy(escalate=(Polite(),)).has_redaction


def test_a_guard_whose_packages_are_missing_names_the_pip_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watchpost_guards.pii.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "watchpost\[guards\]"'):
        find_guard("pii")


def test_what_a_call_carries_is_for_the_rules_of_its_stage_and_of_the_whole() -> None:
    class Knowing(Polite):
        name = "knowing"
        directions = ("output",)

    class Whole(Knowing):
        name = "whole"
        whole = True

    plain = Policy(flag=[Polite()], directions={"polite": "output"})
    knowing, whole = Policy(flag=[Knowing()]), Policy(flag=[Whole()])
    looked = [len(each.rules_for("tool_argument", "output")) for each in (plain, knowing, whole)]
    assert looked == [1, 0, 1]
    assert [len(each.rules_for("tool_argument")) for each in (plain, knowing, whole)] == [0, 0, 0]
    tools = Policy(flag=[Polite()], directions={"polite": "tool_result"})
    assert (len(tools.rules_within("input")), len(tools.rules_for("input"))) == (1, 0)


def test_a_share_is_a_guards_own_then_the_policys() -> None:
    (rule,) = Policy(flag=[Polite()], share=0.5).rules
    (own,) = Policy(flag=[Polite()], share=0.5, shares={"polite": 0.1}).rules
    assert (rule.share, own.share) == (0.5, 0.1)
    with pytest.raises(ConfigError, match="0 to 1"):
        Policy(flag=[Polite()], shares={"polite": 2})
