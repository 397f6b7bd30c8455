"""Guards around one call: its request before it leaves, its answer before it is shown.

A stream that a guard may stop or change is held back whole until it was checked; one that guards
only flag flows, and is checked at its end. Async shells run guards on a worker thread. This file
knows calls and screening, no client and no format.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from watchpost.call import Call
from watchpost.screening.decision import Decision
from watchpost.screening.policy import Policy
from watchpost.screening.screen import screen_all, screen_off_loop
from watchpost.stream import AsyncFollowed, Followed


def check_input(call: Call) -> Mapping[str, Any]:
    """What may be sent. Raises Blocked or GuardUnavailable."""
    call.apply_input(screen_all(_policy(call), call.ask_input()))
    return call.body


async def check_input_off_loop(call: Call) -> Mapping[str, Any]:
    """`check_input`, its guards on a worker thread."""
    call.apply_input(await screen_off_loop(_policy(call), call.ask_input()))
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
    """A stream that guards look at: held back, or checked when it has passed."""

    __slots__ = ("_call", "_released")

    def __init__(self, inner: Iterator[Any], call: Call) -> None:
        super().__init__(inner, call)
        self._call = call
        self._released: Iterator[Any] | None = None

    def __next__(self) -> Any:
        if not self._call.holds:
            return super().__next__()
        if self._released is None:
            self._drain()
            self._released = iter(self._call.chunks)
        return next(self._released)

    def _drain(self) -> None:
        while True:
            try:
                super().__next__()
            except StopIteration:
                return

    def _exhaust(self) -> None:
        call = self._call
        call.apply_stream(screen_all(_policy(call), call.ask_stream()))
        call.end()


class AsyncCheckedStream(AsyncFollowed):
    """An async stream that guards look at: held back, or checked when it has passed."""

    __slots__ = ("_call", "_released")

    def __init__(self, inner: AsyncIterator[Any], call: Call) -> None:
        super().__init__(inner, call)
        self._call = call
        self._released: Iterator[Any] | None = None

    async def __anext__(self) -> Any:
        if not self._call.holds:
            return await super().__anext__()
        if self._released is None:
            await self._drain()
            self._released = iter(self._call.chunks)
        try:
            return next(self._released)
        except StopIteration:
            raise StopAsyncIteration from None

    async def _drain(self) -> None:
        while True:
            try:
                await super().__anext__()
            except StopAsyncIteration:
                return

    async def _exhaust(self) -> None:
        call = self._call
        call.apply_stream(await screen_off_loop(_policy(call), call.ask_stream()))
        call.end()


def _apply_result(call: Call, result: Any, decision: Decision, is_raw: bool) -> None:
    if is_raw and decision.action == "redact":
        call.refuse(decision)
    call.apply_result(result, decision)


def _policy(call: Call) -> Policy:
    if call.policy is None:
        raise RuntimeError("a call without a policy has nothing to check")
    return call.policy
