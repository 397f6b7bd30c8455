"""Running a policy's guards over texts: whatever a guard does, an answer comes back.

A guard that raises, answers nonsense or outlives its deadline becomes a failed verdict; what that
means is the policy's to say. This file does not know where texts come from or what is done with
the decision. Its calls may take as long as the guards do: a coroutine uses `screen_off_loop`.
"""

import hashlib
import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from watchpost.runtime import SHIELD
from watchpost.screening.decision import Decision, decide, merge
from watchpost.screening.disguise import find_through
from watchpost.screening.errand import Errand
from watchpost.screening.guard import Finding, Guard, Question, Verdict, fail, settle
from watchpost.screening.policy import Policy, Rule

REMEMBERED_VERDICTS = 4096
# Base64 in percent escapes is two disguises; nobody writes three by accident.
READING_DEPTH = 2


def screen(policy: Policy, question: Question) -> Decision:
    """Run the policy's guards on one text and decide. Never raises on a guard's account."""
    return screen_all(policy, (question,))


def screen_all(policy: Policy, questions: Sequence[Question]) -> Decision:
    """Run the policy's guards over the texts of one request, all going the same way.

    Guards that judge the whole are asked once, about the texts joined by line ends. The answer's
    `texts` stand in the order of the questions.
    """
    if not questions:
        return Decision("allow", (), ())
    rules = policy.rules_for(questions[0].direction)
    said = _ask_all(rules, questions)
    if len(questions) == 1:
        decisions = [decide(policy, questions[0], [verdicts[0] for verdicts in said])]
    else:
        decisions = _share_out(policy, rules, questions, said)
    decision = merge(decisions)
    if decision.action == "fallback":
        return replace(decision, fallback=_answer_instead(rules, questions, decisions))
    return decision


async def screen_off_loop(policy: Policy, questions: Sequence[Question]) -> Decision:
    """`screen_all` on a worker thread, so that no guard runs on the event loop's."""
    # Who awaits this has loaded it; who never does is spared 20 ms.
    from asyncio import to_thread

    return await to_thread(screen_all, policy, questions)


def warm(policy: Policy) -> None:
    """Load what the policy's guards need, on a thread of their own. Returns at once."""
    for rule in policy.rules:
        load = getattr(rule.guard, "warm", None)
        if load is not None:
            threading.Thread(
                target=_load_quietly, args=(load,), name="watchpost-warm", daemon=True
            ).start()


def examine(guard: Guard, question: Question) -> Verdict:
    """One guard's verdict on one text; remembered when the guard is pure. Never raises."""
    if not getattr(guard, "pure", False):
        return _ask(guard, question)
    held = _memory_of(guard)
    if held is None:
        return _ask(guard, question)
    key = hashlib.blake2b(question.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    verdict = held.get(key)
    if verdict is None:
        verdict = _ask(guard, question)
        if not verdict.failed:
            held.put(key, verdict)
    return verdict


def examine_in_time(rule: Rule, question: Question) -> Verdict:
    """`examine`, and for a remote guard under the rule's deadline and its circuit breaker."""
    if rule.deadline_s is None or not getattr(rule.guard, "remote", False):
        return examine(rule.guard, question)
    return Errand(rule.guard, (question,), rule.deadline_s, examine).collect()[0]


def look_through(guard: Guard, question: Question) -> Verdict:
    """`examine`, and for a guard that says where it finds things, also through disguises.

    A card number in base64 is still a card number, and is masked where it stands.
    """
    verdict = examine(guard, question)
    if verdict.failed or getattr(guard, "remote", False) or not getattr(guard, "locates", False):
        return verdict
    trouble: list[Verdict] = []

    def find(text: str) -> Sequence[Finding]:
        if text is question.text:
            return verdict.findings
        inner = examine(guard, replace(question, text=text))
        if inner.failed:
            trouble.append(inner)
        return inner.findings

    findings = tuple(find_through(find, question.text, READING_DEPTH))
    if trouble:
        return trouble[0]
    if len(findings) == len(verdict.findings):
        return verdict
    return settle(
        verdict.guard,
        findings,
        threshold=verdict.threshold,
        revision=verdict.revision,
        duration_ms=verdict.duration_ms,
        reason="found in disguise" if not verdict.findings else verdict.reason,
    )


class _Memory:
    """The last verdicts of one guard, keyed by a digest so that no text is kept."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Verdict | None:
        with self._lock:
            verdict = self._verdicts.get(key)
            if verdict is None:
                return None
            self._verdicts.move_to_end(key)
        return replace(verdict, duration_ms=0.0)

    def put(self, key: bytes, verdict: Verdict) -> None:
        with self._lock:
            self._verdicts[key] = verdict
            if len(self._verdicts) > REMEMBERED_VERDICTS:
                self._verdicts.popitem(last=False)


_memories: "weakref.WeakKeyDictionary[Guard, _Memory]" = weakref.WeakKeyDictionary()
if hasattr(os, "register_at_fork"):
    # Another thread of the parent may hold a lock of theirs at this moment, for ever in the child.
    os.register_at_fork(after_in_child=_memories.clear)


def _memory_of(guard: Guard) -> _Memory | None:
    try:
        held = _memories.get(guard)
        return held if held is not None else _memories.setdefault(guard, _Memory())
    except TypeError:  # A guard that cannot be hashed or referred to weakly is asked every time.
        return None


def _ask(guard: Guard, question: Question) -> Verdict:
    began = time.perf_counter()
    try:
        verdict = guard.check(question)
        trouble = _find_fault(verdict)
    except Exception as error:
        # The type only: an exception's message may quote the text.
        trouble = type(error).__name__
    spent_ms = (time.perf_counter() - began) * 1000
    if trouble:
        return fail(guard, trouble, spent_ms)
    changes: dict[str, object] = {}
    if verdict.guard != guard.name:
        changes["guard"] = guard.name
    if not verdict.duration_ms:
        changes["duration_ms"] = spent_ms
    return replace(verdict, **changes) if changes else verdict  # type: ignore[arg-type]


def _find_fault(verdict: object) -> str:
    if not isinstance(verdict, Verdict):
        return f"answered {type(verdict).__name__}, not a Verdict"
    if not math.isfinite(verdict.probability) or not 0 <= verdict.probability <= 1:
        return "answered a probability outside 0 to 1"
    return ""


def _ask_all(rules: Sequence[Rule], questions: Sequence[Question]) -> list[list[Verdict]]:
    """Every rule's verdicts in the order of the questions; of the whole there is one.

    Guards that have a deadline work together, each on threads of its own, and meanwhile those that
    have none on this one: more threads would only share its processor.
    """
    whole = questions
    if len(questions) > 1 and any(map(_is_whole, rules)):
        joined = "\n".join(question.text for question in questions)
        # How sure the model was of one text says nothing of where it stands among the others.
        whole = (replace(questions[0], text=joined, tokens=(), samples=()),)
    asked = [whole if _is_whole(rule) else questions for rule in rules]
    errands = {
        index: Errand(rule.guard, asked[index], rule.deadline_s, look_through)
        for index, rule in enumerate(rules)
        if rule.deadline_s is not None
    }
    said = [
        [] if index in errands else [look_through(rule.guard, item) for item in asked[index]]
        for index, rule in enumerate(rules)
    ]
    for index, errand in errands.items():
        said[index] = errand.collect()
    return said


def _share_out(
    policy: Policy,
    rules: Sequence[Rule],
    questions: Sequence[Question],
    said: Sequence[Sequence[Verdict]],
) -> list[Decision]:
    """A decision on each text; of a verdict on the whole, each gets what concerns it."""
    decisions = []
    start = 0
    for index, question in enumerate(questions):
        end = start + len(question.text)
        verdicts = [
            _cut(verdicts[0], start, end) if _is_whole(rule) else verdicts[index]
            for rule, verdicts in zip(rules, said, strict=True)
        ]
        decisions.append(decide(policy, question, verdicts))
        start = end + 1
    return decisions


def _is_whole(rule: Rule) -> bool:
    return bool(getattr(rule.guard, "whole", False))


def _answer_instead(
    rules: Sequence[Rule], questions: Sequence[Question], decisions: Sequence[Decision]
) -> str | None:
    """What the first fallback among the texts answers; None where its function fails."""
    for question, decision in zip(questions, decisions, strict=True):
        if (ruling := decision.blocking) is None:
            continue
        name = ruling.verdict.guard
        answer = next(rule.answer for rule in rules if rule.guard.name == name)
        try:
            said = answer(question, ruling.verdict) if callable(answer) else answer
        except Exception as error:
            trouble = type(error).__name__
        else:
            if isinstance(said, str):
                return said
            trouble = f"it returned {type(said).__name__}, not a text"
        SHIELD.tell_once(
            f"answer:{name}",
            "the fallback of guard '%s' gave no answer (%s): the call is stopped without one",
            name,
            trouble,
        )
        return None
    return None


def _cut(verdict: Verdict, start: int, end: int) -> Verdict:
    """The part of a verdict on joined texts that concerns the text from `start` to `end`."""
    # One judgement was waited for once, so only the first text carries what it took.
    spent_ms = verdict.duration_ms if start == 0 else 0.0
    if not verdict.findings:
        return replace(verdict, duration_ms=spent_ms)
    inside = tuple(
        replace(item, start=max(item.start, start) - start, end=min(item.end, end) - start)
        for item in verdict.findings
        if item.start < end and item.end > start
    )
    tripped = verdict.tripped and bool(inside)
    return replace(verdict, duration_ms=spent_ms, findings=inside, tripped=tripped)


def _load_quietly(load: object) -> None:
    try:
        if callable(load):
            load()
    except Exception:
        # The first check meets the same trouble and turns it into a failed verdict.
        return
