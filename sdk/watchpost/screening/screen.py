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
from dataclasses import dataclass, replace

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
    """Run the policy's guards over the texts of one request or answer, each as its stage has it.

    Guards that judge the whole are asked once, about the texts joined by line ends. The answer's
    `texts` stand in the order of the questions.
    """
    if not questions:
        return Decision("allow", (), ())
    tasks = _lay_out(policy, questions)
    _ask_all(tasks)
    decisions = _share_out(policy, tasks, questions)
    decision = merge(decisions)
    if decision.action == "fallback":
        return replace(decision, fallback=_answer_instead(policy.rules, questions, decisions))
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


@dataclass(slots=True)
class _Task:
    """One rule, the places of the texts it looks at, and these as its guard is asked about them."""

    rule: Rule
    places: Sequence[int]
    asked: Sequence[Question]
    is_whole: bool
    said: Sequence[Verdict] = ()


def _lay_out(policy: Policy, questions: Sequence[Question]) -> list[_Task]:
    tasks = []
    for rule in policy.rules:
        of_others = getattr(rule.guard, "of_others", False)
        places = [
            place
            for place, q in enumerate(questions)
            if rule.looks_at(q.direction, q.within) and not (of_others and q.is_system)
        ]
        if places:
            asked: Sequence[Question] = [questions[place] for place in places]
            is_whole = bool(getattr(rule.guard, "whole", False))
            tasks.append(_Task(rule, places, _join(rule, asked) if is_whole else asked, is_whole))
    return tasks


def _join(rule: Rule, questions: Sequence[Question]) -> Sequence[Question]:
    """The texts as one, which is the request or answer itself where the rule is for that."""
    first = questions[0]
    direction = first.direction
    if first.within is not None and first.within in rule.directions:
        direction = first.within
    if len(questions) == 1:
        return (replace(first, direction=direction),)
    text = "\n".join(question.text for question in questions)
    # How sure the model was of one text says nothing of where it stands among the others.
    return (replace(first, text=text, direction=direction, tokens=(), samples=()),)


def _ask_all(tasks: Sequence[_Task]) -> None:
    """Fill in what every rule's guard says, in the order of what it is asked.

    Guards that have a deadline work together, each on threads of its own, and meanwhile those that
    have none on this one: more threads would only share its processor.
    """
    errands = [
        (task, Errand(task.rule.guard, task.asked, task.rule.deadline_s, look_through))
        for task in tasks
        if task.rule.deadline_s is not None
    ]
    for task in tasks:
        if task.rule.deadline_s is None:
            task.said = [look_through(task.rule.guard, item) for item in task.asked]
    for task, errand in errands:
        task.said = errand.collect()


def _share_out(
    policy: Policy, tasks: Sequence[_Task], questions: Sequence[Question]
) -> list[Decision]:
    """A decision on each text; of a verdict on the whole, each gets what concerns it."""
    said: list[list[Verdict]] = [[] for _ in questions]
    stages = {task.rule.guard.name: task.asked[0].direction for task in tasks if task.is_whole}
    for task in tasks:
        start = 0
        for index, place in enumerate(task.places):
            end = start + len(questions[place].text)
            is_part = task.is_whole and len(task.places) > 1
            verdict = task.said[0 if task.is_whole else index]
            said[place].append(_cut(verdict, start, end) if is_part else verdict)
            start = end + 1
    decisions = []
    for question, verdicts in zip(questions, said, strict=True):
        decision = decide(policy, question, verdicts)
        # What was said of the whole is said once, and not of every stage in it.
        rulings = (
            replace(r, direction=stages.get(r.verdict.guard, r.direction)) for r in decision.rulings
        )
        decisions.append(replace(decision, rulings=tuple(rulings)))
    return decisions


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
