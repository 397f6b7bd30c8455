"""Policies are checked when they are made: a mistake names the value and the cure."""

import pytest

from watchpost import Guard, Policy, Verdict
from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Question
from watchpost.screening.policy import find_guard


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
        ({"deadline_s": 0}, 0),
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


def test_a_guard_whose_packages_are_missing_names_the_pip_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watchpost_guards.pii.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "watchpost\[guards\]"'):
        find_guard("pii")
