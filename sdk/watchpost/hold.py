"""Guards around one call: its request before it leaves, its answer before it is shown.

A stream that a guard may stop or change waits as long as `HeldStream` says; one that guards only
flag flows, and is checked at its end. Async shells run guards on a worker thread. This file knows
calls and screening, no client and no format.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from watchpost.call import Call, hand_out
from watchpost.held_stream import HeldStream
from watchpost.inquiry import find_quoted, requote
from watchpost.providers.stages import Visit
from watchpost.screening.decision import Decision
from watchpost.screening.guard import Question
from watchpost.screening.policy import Policy
from watchpost.screening.screen import screen_all, screen_off_loop
from watchpost.sealing import find_changed, seal
from watchpost.stream import AsyncFollowed, Followed


def check_input(call: Call) -> Mapping[str, Any]:
    """What may be sent. Raises Blocked or GuardUnavailable."""
    policy = _policy(call)
    for ask, put_in in _STEPS:
        questions = ask(call)
        if not questions:
            continue
        decision = screen_all(policy, questions)
        if call.vault is not None:
            apart = {
                index: screen_all(policy, (questions[index],))
                for index in find_changed(questions, decision)
            }
            decision = seal(call.vault, questions, decision, apart)
        call.apply_input(decision, put_in(questions, decision))
    return call.body


async def check_input_off_loop(call: Call) -> Mapping[str, Any]:
    """`check_input`, its guards on a worker thread."""
    policy = _policy(call)
    for ask, put_in in _STEPS:
        questions = ask(call)
        if not questions:
            continue
        decision = await screen_off_loop(policy, questions)
        if call.vault is not None:
            apart = {
                index: await screen_off_loop(policy, (questions[index],))
                for index in find_changed(questions, decision)
            }
            decision = seal(call.vault, questions, decision, apart)
        call.apply_input(decision, put_in(questions, decision))
    return call.body


def check_result(call: Call, result: Any, *, is_raw: bool) -> None:
    """Make a result fit to be shown. Raises Blocked or GuardUnavailable.

    A raw response cannot be rewritten: what would be redacted in it is blocked.
    """
    _apply_result(call, result, screen_all(_policy(call), call.ask_result(result)), is_raw)


async def check_result_off_loop(call: Call, result: Any, *, is_raw: bool) -> None:
    """`check_result`, its guards on a worker thread."""
    decision = await screen_off_loop(_policy(call), call.ask_result(result))
    _apply_result(call, result, decision, is_raw)


class CheckedStream(Followed):
    """A stream that guards look at before it is shown, or when it has passed."""

    __slots__ = ("_held",)

    def __init__(self, inner: Iterator[Any], call: Call) -> None:
        super().__init__(inner, call)
        self._held = HeldStream(call)

    def __next__(self) -> Any:
        held = self._held
        while True:
            if (shown := held.take()) is not None:
                return shown.chunk
            if held.is_over:
                raise StopIteration
            if questions := held.ask():
                self._answer(screen_all(held.policy, questions))
            elif not held.is_over:
                with suppress(StopIteration):
                    super().__next__()

    def _answer(self, decision: Decision) -> None:
        try:
            self._held.answer(decision)
        except BaseException:
            # What is not to be shown need not be made either.
            self.close()
            raise

    def _see(self, chunk: Any) -> None:
        self._held.add(chunk)

    def _exhaust(self) -> None:
        self._held.close()


class AsyncCheckedStream(AsyncFollowed):
    """An async stream that guards look at before it is shown, or when it has passed."""

    __slots__ = ("_held",)

    def __init__(self, inner: AsyncIterator[Any], call: Call) -> None:
        super().__init__(inner, call)
        self._held = HeldStream(call)

    async def __anext__(self) -> Any:
        held = self._held
        while True:
            if (shown := held.take()) is not None:
                return shown.chunk
            if held.is_over:
                raise StopAsyncIteration
            if questions := held.ask():
                await self._answer(await screen_off_loop(held.policy, questions))
            elif not held.is_over:
                with suppress(StopAsyncIteration):
                    await super().__anext__()

    async def _answer(self, decision: Decision) -> None:
        try:
            self._held.answer(decision)
        except BaseException:
            await self.aclose()
            raise

    def _see(self, chunk: Any) -> None:
        self._held.add(chunk)

    async def _exhaust(self) -> None:
        self._held.close()


def _ask_documents(call: Call) -> Sequence[Question]:
    """What was retrieved here and is about to be sent, wherever it stands in the texts."""
    if call.scope is None or not _policy(call).rules_for("document"):
        return ()
    sources = call.scope.sources_here()
    asked = call.ask_input() if sources else ()
    quoted = find_quoted(sources, [question.text for question in asked])
    return [replace(asked[0], text=text, direction="document", within=None) for text in quoted]


def _change_quotes(questions: Sequence[Question], decision: Decision) -> Visit:
    pairs = zip(questions, decision.texts, strict=True)
    return partial(requote, {question.text: text for question, text in pairs})


def _change_texts(questions: Sequence[Question], decision: Decision) -> Visit:
    return hand_out(decision)


# Documents first: what is hidden in one is hidden where a text quotes it.
_STEPS = ((_ask_documents, _change_quotes), (Call.ask_input, _change_texts))


def _apply_result(call: Call, result: Any, decision: Decision, is_raw: bool) -> None:
    if is_raw and decision.action == "redact":
        call.refuse(decision)
    call.apply_result(result, decision)


def _policy(call: Call) -> Policy:
    if call.policy is None:
        raise RuntimeError("a call without a policy has nothing to check")
    return call.policy
