"""`continue_from`: a stretch of this process that belongs to a trace of another one.

It opens no span. Spans that start inside nest under the one the headers tell of.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

from watchpost.origin import ORIGIN
from watchpost.propagation import read_headers
from watchpost.runtime import SHIELD
from watchpost.scope import POLICY, SCOPE, detach, find_policy


class continue_from:  # noqa: N801 - a verb where it is used
    """What runs in the `with` block belongs to the trace that some headers tell of.

    `headers` are those of `watchpost.current().headers()`, or any mapping with W3C's `traceparent`
    (of a request, a message, a job), in any case of letters. Headers that cannot be read change
    nothing. Plain or async; whoever sends the headers says whose the calls are, so take them from
    your own processes.
    """

    def __init__(self, headers: Mapping[str, Any]) -> None:
        self._headers = headers
        self._tokens: list[Token[Context]] = []

    def __enter__(self) -> None:
        context = otel.get_current()
        with SHIELD:
            context = _read_headers(self._headers, context)
        self._tokens.append(otel.attach(context))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        detach(self._tokens.pop())

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace_back)


def _read_headers(headers: Mapping[str, Any], context: Context) -> Context:
    read = read_headers(headers, context)
    if read is None:
        return context
    found, origin = read
    # What this process was doing around is not what the headers tell of.
    found = otel.set_value(SCOPE, None, found)
    # What may not pass here may not pass for anybody's headers.
    found = otel.set_value(POLICY, find_policy(context), found)
    return otel.set_value(ORIGIN, origin, found)
