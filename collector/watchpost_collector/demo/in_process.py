"""The real clients, answered inside the process on a clock that is set and not waited for.

Only the socket is missing: a plain answer becomes the client's own response object, and streams
and failures take the client's whole way through an in-memory transport. Time is moved by hand. It
knows no model: who answers is handed in.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai

from watchpost.testing.exchange import Answer, ProviderRequest, Respond
from watchpost.testing.provider import DIALECTS, HttpReply, http_reply, parse_request

TICK_NS = 1_000
NS_PER_S = 1_000_000_000
NOWHERE = "http://stand-in.invalid"


class ShiftedClock:
    """A clock in nanoseconds since 1970 that stands where it was set, but never stands still."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        # A call inside another must start after it.
        self.now_ns += TICK_NS
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Lets that much time pass."""
        self.now_ns += int(seconds * NS_PER_S)


def build_clients(
    respond: Respond, clock: ShiftedClock
) -> tuple[openai.OpenAI, anthropic.Anthropic]:
    """An OpenAI and an Anthropic client that `respond` answers; neither tries again."""
    mind = _Mind(respond, clock)
    return (
        _OpenAI(mind, base_url=f"{NOWHERE}/v1", make_http=openai.DefaultHttpxClient),
        _Anthropic(mind, base_url=NOWHERE, make_http=anthropic.DefaultHttpxClient),
    )


class _Mind:
    """Who answers, asked once a request, on whichever way the request comes."""

    def __init__(self, respond: Respond, clock: ShiftedClock) -> None:
        self._respond = respond
        self._clock = clock
        self._decided: Answer | None = None

    def answer_plainly(self, path: str, body: Any) -> dict[str, Any] | None:
        """The JSON of a plain answer; None when the answer has to take the whole way."""
        dialect, wire = DIALECTS[path]
        request = ProviderRequest(dialect, path, {}, body)
        answer = self._respond(request)
        if request.streaming or answer.failure is not None:
            self._decided = answer
            return None
        self._clock.advance(answer.delay_s)
        spelled: dict[str, Any] = wire.whole(request, answer)
        return spelled

    def answer_wholly(self, request: ProviderRequest) -> tuple[HttpReply, Iterator[bytes]]:
        """The reply as it comes over the wire, time passing while it is read."""
        decided, self._decided = self._decided, None
        reply = http_reply(request, (lambda _: decided) if decided else self._respond)
        self._clock.advance(reply.delay_s)
        return reply, self._play(reply)

    def _play(self, reply: HttpReply) -> Iterator[bytes]:
        for piece in reply.body:
            yield piece
            self._clock.advance(reply.piece_delay_s)


class _InProcess:
    """What both clients have in common: a request that needs no socket for a plain answer."""

    def __init__(self, mind: _Mind, *, base_url: str, make_http: Any) -> None:
        self._mind = mind
        super().__init__(
            api_key="none",
            base_url=base_url,
            max_retries=0,
            http_client=make_http(transport=_transport(make_http, mind)),
        )  # type: ignore[call-arg]

    def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
        """The client's one way out."""
        path = "/v1/" + options.url.removeprefix("/v1").lstrip("/")
        # What was sent is what JSON can say, as on a wire.
        said = self._mind.answer_plainly(path, options.json_data)
        if said is None:
            return super().request(cast_to, options, **more)  # type: ignore[misc]
        return cast_to.construct(**said)


class _OpenAI(_InProcess, openai.OpenAI):
    """OpenAI's client, in process."""


class _Anthropic(_InProcess, anthropic.Anthropic):
    """Anthropic's client, in process."""


def _transport(make_http: Any, mind: _Mind) -> Any:
    # Each client brings its own HTTP library, httpx or the one that follows it.
    library = importlib.import_module(make_http.__mro__[1].__module__.partition(".")[0])

    def answer(request: Any) -> Any:
        parsed = parse_request(request.url.path, dict(request.headers), request.content)
        if parsed is None:
            return library.Response(404, content=json.dumps({"error": "unknown path"}))
        reply, body = mind.answer_wholly(parsed)
        return library.Response(reply.status, headers=dict(reply.headers), content=body)

    return library.MockTransport(answer)
