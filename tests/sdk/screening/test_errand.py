"""Guards under a deadline: nobody waits longer, and who keeps failing is not asked."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from watchpost import Policy, Verdict
from watchpost.errors import GuardUnavailable
from watchpost.screening import breaker, errand
from watchpost.screening.breaker import OPENS_AFTER
from watchpost.screening.decision import enforce
from watchpost.screening.errand import Errand
from watchpost.screening.guard import Question
from watchpost.screening.screen import examine, screen, screen_all, screen_off_loop

ASKED = Question("x")


class Host:
    """A remote guard that answers, refuses, or keeps what it is asked waiting."""

    remote = True

    def __init__(self, name: str = "host", *, dead: bool = False) -> None:
        self.name = name
        self.dead = dead
        self.stuck_on: set[str] = set()
        self.release = threading.Event()
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def check(self, question: Question) -> Verdict:
        with self._lock:
            self.asked.append(question.text)
            self.threads.add(threading.get_ident())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if question.text in self.stuck_on:
                self.release.wait(30)
            if self.dead:
                raise ConnectionRefusedError
            return Verdict(self.name)
        finally:
            with self._lock:
                self.at_once -= 1


def be_late(guard: Host, *texts: str) -> list[Verdict]:
    """What is collected when a guard answered all texts but those it is stuck on."""
    questions = [Question(text) for text in texts or ("x",)]
    stuck = len(guard.stuck_on & {question.text for question in questions})
    wait_for_threads(guard, 0)
    sent = Errand(guard, questions, 0.001, examine)
    while len(guard.asked) < len(questions):
        time.sleep(0.001)
    wait_for_threads(guard, stuck)
    guard.asked.clear()
    verdicts = sent.collect()
    guard.release.set()
    wait_for_threads(guard, 0)
    guard.release.clear()
    return verdicts


def wait_for_threads(guard: Host, count: int) -> None:
    """Wait until so many threads are at a guard."""
    while sum(t.name == f"watchpost-{guard.name}" for t in threading.enumerate()) > count:
        time.sleep(0.001)


def test_every_guard_has_a_deadline_of_its_own() -> None:
    quick, slow = Host("quick"), Host("slow")
    quick.stuck_on = slow.stuck_on = {"x"}
    policy = Policy(flag=(quick, slow), deadline_s=0.04, deadlines={"slow": 0.08})
    verdicts = screen(policy, ASKED).verdicts
    quick.release.set()
    slow.release.set()
    assert [verdict.failed for verdict in verdicts] == [True, True]
    assert [verdict.label for verdict in verdicts] == ["late", "late"]
    assert [verdict.reason for verdict in verdicts] == [
        "no answer within 0.04 s",
        "no answer within 0.08 s",
    ]


def test_a_slow_guard_costs_another_ones_verdict_nothing() -> None:
    stuck, well = Host("stuck"), Host("well")
    stuck.stuck_on = {"x"}
    policy = Policy(flag=(stuck, well), deadlines={"stuck": 0.05, "well": 60})
    decision = screen(policy, ASKED)
    stuck.release.set()
    assert [verdict.failed for verdict in decision.verdicts] == [True, False]


def test_what_was_answered_in_time_counts_and_the_rest_has_failed() -> None:
    guard = Host("patient")
    guard.stuck_on = {"slow"}
    verdicts = be_late(guard, "bad", "slow", "well")
    assert [verdict.label for verdict in verdicts] == ["", "late", ""]


def test_a_request_shows_that_a_guard_both_tripped_and_failed() -> None:
    class Touchy(Host):
        def check(self, question: Question) -> Verdict:
            if question.text == "bad":
                return Verdict(self.name, tripped=True)
            raise OSError

    policy = Policy(escalate=(Touchy(),), deadline_s=60)
    decision = screen_all(policy, [Question("bad"), Question("worse")])
    assert decision.action == "escalate"
    assert (decision.verdicts[0].tripped, decision.verdicts[0].failed) == (True, True)


def test_a_local_guard_is_held_to_its_deadline_too_and_not_asked_further() -> None:
    class Local(Host):
        remote = False

    guard = Local("local")
    guard.stuck_on = {"slow"}
    policy = Policy(flag=(guard,), deadlines={"local": 0.05})
    decision = screen_all(policy, [Question("slow"), Question("next")])
    guard.release.set()
    wait_for_threads(guard, 0)
    assert decision.verdicts[0].label == "late"
    assert "next" not in guard.asked


def test_a_long_conversation_is_asked_about_whole_a_few_texts_at_a_time() -> None:
    guard = Host()
    texts = [f"message {number}" for number in range(200)]
    decision = screen_all(Policy(flag=(guard,), deadline_s=60), [Question(text) for text in texts])
    assert not decision.verdicts[0].failed
    assert sorted(guard.asked) == sorted(texts)
    assert guard.most_at_once <= errand.THREADS_A_GUARD


def test_a_dead_host_is_left_alone_and_the_verdict_says_so() -> None:
    guard = Host(dead=True)
    policy = Policy(flag=(guard,), deadline_s=60)
    labels = [screen(policy, ASKED).verdicts[0].label for _ in range(OPENS_AFTER + 3)]
    assert labels == ["error"] * OPENS_AFTER + ["circuit_open"] * 3
    assert len(guard.asked) == OPENS_AFTER
    verdict = screen(policy, ASKED).verdicts[0]
    assert (verdict.failed, verdict.tripped, verdict.reason) == (True, False, "circuit open")


def test_an_open_circuit_is_what_the_policy_says_of_failures() -> None:
    guard = Host(dead=True)
    lenient = Policy(block=(guard,), deadline_s=60)
    strict = Policy(block=(guard,), on_failure={"host": "closed"})
    for _ in range(OPENS_AFTER):
        screen(lenient, ASKED)
    assert screen(lenient, ASKED).action == "allow"
    with pytest.raises(GuardUnavailable, match="circuit open"):
        enforce(screen(strict, ASKED))


def test_a_host_that_is_always_late_opens_its_circuit_though_it_answers_in_the_end() -> None:
    guard = Host("tardy")
    guard.stuck_on = {"x"}
    labels = [be_late(guard)[0].label for _ in range(OPENS_AFTER)]
    assert labels == ["late"] * OPENS_AFTER
    assert screen(Policy(flag=(guard,)), ASKED).verdicts[0].label == "circuit_open"
    assert guard.asked == []


def test_a_host_that_came_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN_S", 0.0)
    guard = Host(dead=True)
    policy = Policy(flag=(guard,), deadline_s=60)
    for _ in range(OPENS_AFTER):
        screen(policy, ASKED)
    guard.dead = False
    assert not screen(policy, ASKED).verdicts[0].failed


def test_a_local_guard_that_raises_is_asked_about_every_text() -> None:
    class Local(Host):
        remote = False

    guard = Local(dead=True)
    policy = Policy(flag=(guard,), deadline_s=20)
    for _ in range(OPENS_AFTER + 2):
        screen(policy, ASKED)
    assert len(guard.asked) == OPENS_AFTER + 2


def test_a_guard_nobody_can_hash_has_a_circuit_too() -> None:
    @dataclass
    class Unhashable:
        name: str = "unhashable host"
        remote: bool = True
        asked: list[str] = field(default_factory=list)

        def check(self, question: Question) -> Verdict:
            self.asked.append(question.text)
            raise OSError

    guard = Unhashable()
    for _ in range(OPENS_AFTER + 2):
        decision = screen(Policy(flag=(guard,), deadline_s=60), ASKED)
    assert decision.verdicts[0].label == "circuit_open"
    assert len(guard.asked) == OPENS_AFTER


def test_threads_that_never_come_back_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errand, "STUCK_THREADS", 2)
    guard = Host("swamp")
    guard.stuck_on = {"x"}
    for count in (1, 2):
        sent = Errand(guard, (ASKED,), 0.001, examine)
        while len(guard.asked) < count:
            time.sleep(0.001)
        assert sent.collect()[0].label == "late"
    policy = Policy(flag=(guard,), deadline_s=60)
    assert screen(policy, ASKED).verdicts[0].label == "busy"
    assert len(guard.asked) == 2

    guard.release.set()
    wait_for_threads(guard, 0)
    assert not screen(policy, ASKED).verdicts[0].failed


def test_a_guard_that_leaves_by_system_exit_has_failed() -> None:
    class Leaving(Host):
        def check(self, question: Question) -> Verdict:
            raise SystemExit(3)

    assert (
        screen(Policy(flag=(Leaving(),), deadline_s=60), ASKED).verdicts[0].reason == "SystemExit"
    )


async def test_no_remote_guard_runs_on_the_event_loops_thread() -> None:
    guard = Host()
    decision = await screen_off_loop(Policy(flag=(guard,), deadline_s=60), [ASKED])
    assert not decision.verdicts[0].failed
    assert threading.get_ident() not in guard.threads
