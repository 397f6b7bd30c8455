"""Decisions are pure: verdicts and a policy in, what happens to the text out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchpost import Blocked, Policy, Verdict
from watchpost.errors import GuardUnavailable
from watchpost.screening.decision import (
    decide,
    enforce,
    mask,
    merge,
    merge_spans,
    verdict_attributes,
)
from watchpost.screening.guard import Finding, Question, abstain


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, question: Question) -> Verdict:
        raise NotImplementedError


POLICY = Policy(block=(Named("b"),), redact=(Named("r"),), flag=(Named("f"),))
ASKED = Question("write to a@b.com")
MAIL = Finding(9, 16, "EMAIL_ADDRESS", 1.0)


def tripped(name: str, *findings: Finding, probability: float = 1.0) -> Verdict:
    return Verdict(name, "LABEL", probability, tripped=True, findings=findings)


def test_nothing_tripped_leaves_the_text() -> None:
    decision = decide(POLICY, ASKED, [Verdict("b"), Verdict("r"), Verdict("f")])
    assert (decision.action, decision.text) == ("allow", ASKED.text)


def test_a_redacting_guard_masks_what_it_found() -> None:
    decision = decide(POLICY, ASKED, [tripped("r", MAIL)])
    assert (decision.action, decision.text) == ("redact", "write to [EMAIL_ADDRESS]")


def test_a_redacting_guard_that_cannot_say_where_hides_everything() -> None:
    assert decide(POLICY, ASKED, [tripped("r")]).text == "[LABEL]"


def test_the_worst_action_wins_and_every_verdict_is_kept() -> None:
    decision = decide(POLICY, ASKED, [tripped("f"), tripped("r", MAIL), tripped("b")])
    assert decision.action == "block"
    assert [ruling.action for ruling in decision.rulings] == ["flag", "redact", "block"]
    with pytest.raises(Blocked) as error:
        enforce(decision)
    assert error.value.verdict is not None
    assert error.value.verdict.guard == "b"


def test_a_failed_guard_is_open_until_the_policy_says_closed() -> None:
    dead = Verdict("b", failed=True, reason="OSError")
    assert decide(POLICY, ASKED, [dead]).action == "allow"
    closed = Policy(block=(Named("b"),), on_failure={"b": "closed"})
    decision = decide(closed, ASKED, [dead])
    assert (decision.action, decision.unavailable) == ("block", ("b",))
    with pytest.raises(GuardUnavailable, match="OSError"):
        enforce(decision)


def test_a_closed_guard_that_only_flags_flags() -> None:
    policy = Policy(flag=(Named("f"),), on_failure={"f": "closed"})
    decision = decide(policy, ASKED, [Verdict("f", failed=True)])
    assert (decision.action, decision.unavailable) == ("flag", ())


@pytest.mark.parametrize("on_failure", ["open", "closed"])
@pytest.mark.parametrize(
    ("wanted", "closed"),
    [
        ("flag", "flag"),
        ("escalate", "escalate"),
        ("redact", "block"),
        ("fallback", "fallback"),
        ("block", "block"),
    ],
)
def test_a_guard_that_failed_passes_nothing_in_silence(
    wanted: str, closed: str, on_failure: str
) -> None:
    settings: dict[str, Any] = {wanted: (Named("g"),), "on_failure": {"g": on_failure}}
    decision = decide(Policy(**settings, answer="no"), ASKED, [Verdict("g", failed=True)])
    assert decision.action == ("allow" if on_failure == "open" else closed)
    assert decision.verdicts[0].failed
    is_stopped = on_failure == "closed" and closed in ("fallback", "block")
    assert decision.unavailable == (("g",) if is_stopped else ())


def test_actions_are_ordered_by_how_much_they_withhold() -> None:
    policy = Policy(
        block=(Named("b"),),
        fallback=(Named("a"),),
        redact=(Named("r"),),
        escalate=(Named("e"),),
        flag=(Named("f"),),
        answer="no",
    )
    names = ["f", "e", "r", "a", "b"]
    worst = [
        decide(policy, ASKED, [tripped(name) for name in names[:count]]).action
        for count in range(len(names) + 1)
    ]
    assert worst == ["allow", "flag", "escalate", "redact", "fallback", "block"]


def test_an_escalated_text_passes_and_is_marked() -> None:
    decision = decide(Policy(escalate=(Named("e"),)), ASKED, [tripped("e")])
    assert (decision.action, decision.text) == ("escalate", ASKED.text)
    assert verdict_attributes(decision.rulings[0])["watchpost.guard.action"] == "escalate"


def test_a_stopped_text_cannot_be_read_by_mistake() -> None:
    with pytest.raises(Blocked):
        _ = decide(POLICY, ASKED, [tripped("b")]).text


def test_a_verdict_on_a_span_says_all_there_is_to_count() -> None:
    verdict = Verdict("r", "LABEL", 0.75, 0.5, True, duration_ms=2.5, revision="7")
    assert verdict_attributes(decide(POLICY, ASKED, [verdict]).rulings[0]) == {
        "watchpost.guard.name": "r",
        "watchpost.guard.label": "LABEL",
        "watchpost.guard.direction": "input",
        "watchpost.guard.action": "redact",
        "watchpost.guard.tripped": True,
        "watchpost.guard.failed": False,
        "watchpost.guard.probability": 0.75,
        "watchpost.guard.threshold": 0.5,
        "watchpost.guard.duration_ms": 2.5,
        "watchpost.guard.revision": "7",
    }


def test_the_policys_threshold_overrides_the_guards() -> None:
    unsure = Finding(0, 5, "WORD", 0.6)
    verdict = tripped("r", unsure, MAIL)
    strict = Policy(redact=(Named("r"),), thresholds={"r": 0.9})
    assert decide(strict, ASKED, [verdict]).text == "write to [EMAIL_ADDRESS]"
    untripped = Verdict("r", "WORD", 0.6, threshold=0.9, findings=(unsure,))
    loose = Policy(redact=(Named("r"),), thresholds={"r": 0.5})
    assert decide(loose, ASKED, [untripped]).action == "redact"


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_what_cannot_be_checked_passes_and_is_recorded_as_such(on_failure: str) -> None:
    policy = Policy(block=(Named("b"),), on_failure={"b": on_failure}, thresholds={"b": 0.0})
    verdict = abstain("b", "no sources", threshold=0.5, revision="3", duration_ms=1.0)
    decision = decide(policy, ASKED, [verdict])
    assert decision.action == "allow"
    found = verdict_attributes(decision.rulings[0])
    assert found["watchpost.guard.label"] == "not_checkable"
    assert (found["watchpost.guard.tripped"], found["watchpost.guard.failed"]) == (False, False)


def test_the_texts_of_a_request_share_one_ruling_a_guard() -> None:
    one = decide(POLICY, ASKED, [tripped("r", MAIL), Verdict("b", duration_ms=1)])
    two = decide(POLICY, Question("fine"), [Verdict("r"), Verdict("b", duration_ms=2)])
    merged = merge([one, two])
    assert merged.texts == ("write to [EMAIL_ADDRESS]", "fine")
    assert [(r.verdict.guard, r.action) for r in merged.rulings] == [
        ("r", "redact"),
        ("b", "allow"),
    ]
    assert merged.rulings[1].verdict.duration_ms == 3


def test_a_verdict_on_a_span_holds_no_text() -> None:
    decision = decide(POLICY, ASKED, [tripped("r", MAIL)])
    written = verdict_attributes(decision.rulings[0])
    assert written["watchpost.guard.action"] == "redact"
    assert not any("a@b.com" in str(value) for value in written.values())


findings = st.builds(
    Finding,
    start=st.integers(-5, 60),
    end=st.integers(-5, 60),
    label=st.sampled_from(["A", "B"]),
    score=st.floats(0, 1),
)


@given(st.text(max_size=40), st.lists(findings, max_size=8))
def test_masking_hides_exactly_what_was_found(text: str, found: list[Finding]) -> None:
    spans = merge_spans(found, len(text))
    covered = {i for f in found for i in range(max(0, f.start), min(f.end, len(text)))}
    assert {i for start, end, _ in spans for i in range(start, end)} == covered
    kept = "".join(char for i, char in enumerate(text) if i not in covered)
    expected_length = len(kept) + sum(len(f"[{label}]") for _, _, label in spans)
    assert len(mask(text, found)) == expected_length
