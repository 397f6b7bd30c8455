"""Running a policy's guards over texts: whatever a guard does, an answer comes back.

A guard that raises, answers nonsense or outlives its deadline becomes a failed verdict; what that
means is the policy's to say. This file does not know where texts come from or what is done with
the decision. Its calls may take as long as the guards do: a coroutine uses `screen_off_loop`.
"""

import hashlib
import math
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from watchpost.screening.decision import Decision, decide, merge
from watchpost.screening.disguise import find_through
from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle
from watchpost.screening.policy import Policy, Rule

REMEMBERED_VERDICTS = 4096
# Base64 in percent escapes is two disguises; nobody writes three by accident.
READING_DEPTH = 2
# A remote guard that never answers costs one thread a call; past this many it is not asked again.
WAITING_THREADS = 64


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
    whole = replace(questions[0], text="\n".join(question.text for question in questions))
    single = [rule for rule in rules if not getattr(rule.guard, "whole", False)]
    joint = [rule for rule in rules if getattr(rule.guard, "whole", False)]
    asked = [(rule, question) for question in questions for rule in single]
    verdicts = _ask_all([*asked, *((rule, whole) for rule in joint)], policy.deadline_s)
    on_whole = verdicts[len(asked) :]
    decisions = []
    start = 0
    for index, question in enumerate(questions):
        on_text = verdicts[index * len(single) : (index + 1) * len(single)]
        end = start + len(question.text)
        on_text += [_cut(verdict, start, end) for verdict in on_whole]
        decisions.append(decide(policy, question, on_text))
        start = end + 1
    return merge(decisions)


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
_waiting = threading.BoundedSemaphore(WAITING_THREADS)


def _memory_of(guard: Guard) -> _Memory | None:
    try:
        return _memories.setdefault(guard, _Memory())
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


def fail(guard: Guard, reason: str, duration_ms: float) -> Verdict:
    """The verdict of a guard that gave none."""
    return Verdict(
        guard=guard.name,
        failed=True,
        duration_ms=duration_ms,
        revision=str(getattr(guard, "revision", "")),
        reason=reason,
    )


def _find_fault(verdict: object) -> str:
    if not isinstance(verdict, Verdict):
        return f"answered {type(verdict).__name__}, not a Verdict"
    if not math.isfinite(verdict.probability) or not 0 <= verdict.probability <= 1:
        return "answered a probability outside 0 to 1"
    return ""


def _ask_all(asked: Sequence[tuple[Rule, Question]], deadline_s: float | None) -> list[Verdict]:
    """Every verdict in order; the ones that wait on something wait together."""
    pending: dict[int, _Pending] = {}
    for index, (rule, question) in enumerate(asked):
        if deadline_s is not None or getattr(rule.guard, "remote", False):
            pending[index] = _Pending(rule.guard, question)
    verdicts = []
    for index, (rule, question) in enumerate(asked):
        waiting = pending.get(index)
        if waiting is None:
            verdicts.append(look_through(rule.guard, question))
        else:
            verdicts.append(waiting.collect(deadline_s))
    return verdicts


class _Pending:
    """One guard at work on a thread of its own, for as long as one is willing to wait."""

    def __init__(self, guard: Guard, question: Question) -> None:
        self._guard = guard
        self._question = question
        self._began = time.perf_counter()
        self._done = threading.Event()
        self._verdict: Verdict | None = None
        if not _waiting.acquire(blocking=False):
            self._verdict = fail(guard, "too many of its checks are still waiting", 0.0)
            self._done.set()
            return
        threading.Thread(target=self._run, name=f"watchpost-{guard.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._verdict = look_through(self._guard, self._question)
        finally:
            self._done.set()
            _waiting.release()

    def collect(self, deadline_s: float | None) -> Verdict:
        """The verdict, or a failed one when the deadline passes first."""
        left_s = None
        if deadline_s is not None:
            left_s = max(0.0, deadline_s - (time.perf_counter() - self._began))
        self._done.wait(left_s)
        if self._verdict is not None:
            return self._verdict
        spent_ms = (time.perf_counter() - self._began) * 1000
        return fail(self._guard, f"no answer within {deadline_s} s", spent_ms)


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
