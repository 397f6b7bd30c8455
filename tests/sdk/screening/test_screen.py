"""Screening: every guard's answer becomes a verdict, whatever the guard does."""

import asyncio
import base64
import gc
import sys
import threading

import pytest

from watchpost import Blocked, Policy, Verdict
from watchpost.screening.decision import enforce
from watchpost.screening.guard import Finding, Question
from watchpost.screening.screen import examine, screen, screen_all, screen_off_loop, warm


class Word:
    """Trips on a word; counts how often it is asked and where."""

    def __init__(self, word: str, name: str = "word", **traits: bool) -> None:
        self.word, self.name = word, name
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.__dict__.update(traits)

    def check(self, question: Question) -> Verdict:
        self.asked.append(question.text)
        self.threads.add(threading.current_thread().name)
        start = question.text.find(self.word)
        if start < 0:
            return Verdict(self.name)
        place = Finding(start, start + len(self.word), "WORD", 1.0)
        return Verdict(self.name, "WORD", 1.0, tripped=True, findings=(place,))


class Broken:
    name = "broken"

    def check(self, question: Question) -> Verdict:
        raise RuntimeError(f"cannot read {question.text}")


class Odd:
    name = "odd"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def check(self, question: Question) -> Verdict:
        return self.answer  # type: ignore[return-value]


class Stuck:
    name = "stuck"
    remote = True

    def __init__(self) -> None:
        self.release = threading.Event()

    def check(self, question: Question) -> Verdict:
        self.release.wait(30)
        return Verdict(self.name)


def test_a_guard_that_raises_gives_a_failed_verdict_without_the_text() -> None:
    decision = screen(Policy(flag=(Broken(), Word("x"))), Question("secret x"))
    broken, word = decision.verdicts
    assert broken.failed
    assert broken.reason == "RuntimeError"
    assert not broken.tripped
    assert word.tripped


@pytest.mark.parametrize("answer", [None, True, Verdict("odd", probability=float("nan"))])
def test_nonsense_is_a_failed_verdict(answer: object) -> None:
    assert screen(Policy(flag=(Odd(answer),)), Question("x")).verdicts[0].failed


def test_a_guard_that_outlives_its_deadline_has_failed() -> None:
    guard = Stuck()
    decision = screen(Policy(block=(guard,), deadline_s=0.05), Question("x"))
    guard.release.set()
    assert decision.verdicts[0].failed
    assert "0.05 s" in decision.verdicts[0].reason


def test_remote_guards_wait_together_on_threads_of_their_own() -> None:
    meeting = threading.Barrier(2, timeout=20)

    class Meeting:
        remote = True

        def __init__(self, name: str) -> None:
            self.name = name

        def check(self, question: Question) -> Verdict:
            meeting.wait()
            return Verdict(self.name)

    decision = screen(Policy(flag=(Meeting("one"), Meeting("two"))), Question("x"))
    assert not any(verdict.failed for verdict in decision.verdicts)


def test_a_pure_guard_is_asked_once_about_the_same_text() -> None:
    guard = Word("x", pure=True)
    first = examine(guard, Question("x y"))
    again = examine(guard, Question("x y", direction="output"))
    assert guard.asked == ["x y"]
    assert first.findings == again.findings


def test_an_impure_guard_is_asked_every_time() -> None:
    guard = Word("x")
    examine(guard, Question("x"))
    examine(guard, Question("x"))
    assert len(guard.asked) == 2


def test_a_failure_is_not_remembered() -> None:
    class Recovering(Word):
        def check(self, question: Question) -> Verdict:
            if not self.asked:
                self.asked.append("")
                raise OSError
            return super().check(question)

    guard = Recovering("x", pure=True)
    assert examine(guard, Question("x")).failed
    assert examine(guard, Question("x")).tripped


def test_each_text_is_masked_and_the_order_is_kept() -> None:
    decision = screen_all(
        Policy(redact=(Word("x"),)), [Question("ax"), Question("b"), Question("x")]
    )
    assert decision.texts == ("a[WORD]", "b", "[WORD]")


def test_a_guard_of_the_whole_masks_across_texts() -> None:
    guard = Word("b\nc", whole=True)
    decision = screen_all(Policy(redact=(guard,)), [Question("ab"), Question("cd"), Question("e")])
    assert guard.asked == ["ab\ncd\ne"]
    assert decision.texts == ("a[WORD]", "[WORD]d", "e")
    assert decision.action == "redact"


def test_a_long_text_is_shown_to_a_guard_whole() -> None:
    guard = Word("end")
    decision = screen(Policy(redact=(guard,)), Question("word " * 50_000 + "end"))
    assert len(guard.asked[0]) == 250_003
    assert decision.text.endswith("word [WORD]")


def test_a_fallback_answers_with_a_text_or_with_what_a_function_says() -> None:
    def explain(question: Question, verdict: Verdict) -> str:
        return f"no {verdict.label.lower()} in a {question.direction} of {len(question.text)}"

    asked = [Question("fine", "document"), Question("xyz", "document")]
    plain = screen_all(Policy(fallback=(Word("x"),), answer="sorry"), asked)
    told = screen_all(Policy(fallback=(Word("x"),), answers={"word": explain}), asked)
    assert (plain.action, plain.fallback, plain.text) == ("fallback", "sorry", "sorry")
    assert told.text == "no word in a document of 3"


@pytest.mark.parametrize("says", [None, 7])
def test_a_fallback_that_answers_nothing_stops_the_text(
    says: object, caplog: pytest.LogCaptureFixture
) -> None:
    decision = screen(Policy(fallback=(Word("x"),), answer=lambda *_: says), Question("x"))  # type: ignore[arg-type, return-value]
    assert decision.fallback is None
    with pytest.raises(Blocked) as error:
        _ = decision.text
    assert error.value.fallback is None
    assert "no answer" in caplog.text


def test_a_fallback_that_raises_stops_the_text_without_quoting_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def break_down(question: Question, verdict: Verdict) -> str:
        raise ValueError(question.text)

    decision = screen(Policy(fallback=(Word("x"),), answer=break_down), Question("secret x"))
    assert (decision.action, decision.fallback) == ("fallback", None)
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_block_beside_a_fallback_is_a_block() -> None:
    policy = Policy(block=(Word("x", "b"),), fallback=(Word("x", "f"),), answer="sorry")
    decision = screen(policy, Question("x"))
    with pytest.raises(Blocked) as error:
        enforce(decision)
    assert (decision.action, error.value.fallback) == ("block", None)


def test_checks_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchpost.screening.screen.REMEMBERED_VERDICTS", 64)
    near, far = Word("x", pure=True), Word("x", "far", remote=True)
    policy, waiting = Policy(redact=(near,)), Policy(flag=(far,))

    def count_after_checks(first: int) -> int:
        for number in range(first, first + 500):
            screen(policy, Question(f"x {number}"))
        for number in range(first, first + 5):
            screen(waiting, Question(f"x {number}"))
        for guard in (near, far):
            guard.asked.clear()
            guard.threads.clear()
        gc.collect()
        return sys.getallocatedblocks()

    count_after_checks(1000)
    before = count_after_checks(2000)
    # Five hundred verdicts with what they hold are some thousand blocks.
    assert count_after_checks(3000) - before < 300


def test_no_texts_need_no_guards() -> None:
    guard = Word("x")
    assert screen_all(Policy(flag=(guard,)), []).action == "allow"
    assert guard.asked == []


async def test_a_coroutine_never_runs_a_guard_on_the_loops_thread() -> None:
    guard = Word("x")
    await screen_off_loop(Policy(flag=(guard,)), [Question("x")])
    assert threading.current_thread().name not in guard.threads
    await asyncio.sleep(0)


def test_warming_loads_off_the_callers_thread() -> None:
    loaded = threading.Event()
    where: list[str] = []

    class Heavy(Word):
        def warm(self) -> None:
            where.append(threading.current_thread().name)
            loaded.set()

    warm(Policy(flag=(Heavy("x"),)))
    assert loaded.wait(20)
    assert where == ["watchpost-warm"]


def test_a_guard_that_says_where_also_reads_disguises() -> None:
    hidden = base64.b64encode(b"a password of x").decode()
    plain, locating = Word("password"), Word("password", locates=True)
    assert screen(Policy(redact=(plain,)), Question(f"see {hidden}")).action == "allow"
    decision = screen(Policy(redact=(locating,)), Question(f"see {hidden} and pass%77ord"))
    assert decision.text == "see [WORD] and [WORD]"
