"""A guard that says what a test wrote down, inside real calls."""

from __future__ import annotations

from typing import Any

import pytest

import watchpost
from watchpost.screening.guard import Verdict
from watchpost.testing import FakeGuard, ProviderServer, capture


def test_a_script_blocks_the_call_it_says_and_passes_the_others(
    provider: ProviderServer, ask: Any
) -> None:
    guard = FakeGuard("gate", [False, True, 0.4, 0.9])
    policy = watchpost.Policy(block=[guard], directions={"gate": "input"})
    with capture(policy=policy) as seen:
        passed = []
        for number in range(5):
            try:
                ask(f"question {number}")
                passed.append(number)
            except watchpost.Blocked:
                pass
    assert passed == [0, 2, 4]
    assert len(provider.requests) == 3
    assert [question.text for question in guard.asked] == [f"question {n}" for n in range(5)]
    assert [call.blocked for call in seen.generations] == [False, True, False, True, False]


def test_words_are_found_where_they_stand_and_masked(provider: ProviderServer, ask: Any) -> None:
    guard = FakeGuard("names", words=["Jane", "J. Doe"], label="NAME")
    with capture(policy=watchpost.Policy(redact=[guard])):
        ask("Jane is J. Doe, not JXDoe")
    assert "[NAME] is [NAME], not JXDoe" in provider.requests[0].text


def test_a_guard_that_fails_is_unavailable_only_where_the_policy_says_so(ask: Any) -> None:
    script: list[Any] = [TimeoutError(), TimeoutError()]
    guard = FakeGuard("judge", script)
    inputs = {"judge": "input"}
    with capture(policy=watchpost.Policy(block=[guard], directions=inputs)) as seen:
        ask("open")
    assert seen.verdicts[0]["watchpost.guard.failed"] is True
    closed = watchpost.Policy(block=[guard], directions=inputs, on_failure={"judge": "closed"})
    with capture(policy=closed), pytest.raises(watchpost.WatchpostError, match="judge"):
        ask("closed")


def test_a_verdict_of_the_script_is_given_as_it_is(ask: Any) -> None:
    verdict = Verdict("judge", "off-topic", 0.75, tripped=True, revision="7")
    guard = FakeGuard("judge", [verdict])
    with capture(policy=watchpost.Policy(flag=[guard])) as seen:
        ask("hello")
    said = seen.verdicts[0]
    assert (said["watchpost.guard.label"], said["watchpost.guard.probability"]) == (
        "off-topic",
        0.75,
    )
    assert said["watchpost.guard.revision"] == "7"
