"""Traces that arrive in pieces: each span in a request and a segment of its own, in every order,
from two processes; what is counted must not depend on it.
"""

from __future__ import annotations

import secrets
import time
from itertools import permutations
from typing import Any

import pytest
from known_calls import PlainSpan, build_request
from running_server import RunningServer

APP = {"service.name": "shop", "process.pid": 11}
GATEWAY = {"service.name": "gateway", "process.pid": 22}
LLM = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}
ROOT, WRAPPER, CALL, SILENT = "a1" * 8, "b2" * 8, "c3" * 8, "d4" * 8


def describe_pieces() -> list[tuple[str, str, int, dict[str, Any], dict[str, Any]]]:
    """Span, parent, start (ms), attributes, resource: an agent run of the app, its LLM span, the
    same call in the gateway's process with usage beside the cache, and a call nobody counted.
    """
    return [
        (ROOT, "", 0, {"gen_ai.operation.name": "invoke_agent", **USED_IN_SUM}, APP),
        (WRAPPER, ROOT, 1, {**LLM, "session.id": "s-3", "gen_ai.prompt.name": "greet"}, APP),
        (
            CALL,
            WRAPPER,
            2,
            {
                **LLM,
                "gen_ai.response.model": "claude-sonnet-4-5-20250929",
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 1920,
                "gen_ai.usage.cache_creation.input_tokens": 81,
                "gen_ai.usage.output_tokens": 300,
            },
            GATEWAY,
        ),
        (SILENT, ROOT, 3, {**LLM, "gen_ai.request.model": "claude-sonnet-4-5"}, GATEWAY),
    ]


# What an agent's span says of all its calls together is no call.
USED_IN_SUM = {"gen_ai.usage.input_tokens": 2006, "gen_ai.usage.output_tokens": 300}


def build_spans(trace_id: str, now_ns: int) -> list[PlainSpan]:
    """The spans of `describe_pieces`, in its order."""
    return [
        PlainSpan(
            "step",
            attributes,
            span,
            parent,
            trace_id,
            now_ns + start_ms * 10**6,
            now_ns + (start_ms + 100) * 10**6,
            resource=resource,
        )
        for span, parent, start_ms, attributes, resource in describe_pieces()
    ]


def send(server: RunningServer, spans: list[PlainSpan], project: str) -> None:
    answer = server.send(build_request(spans).SerializeToString(), **server.project(project))
    assert (answer.status, answer.body) == (200, b""), answer.body


ORDERS = list(permutations(range(4)))


@pytest.fixture(scope="module")
def projects(server: RunningServer) -> dict[tuple[int, ...], str]:
    """A project for each order; a flush ends a segment, so every span comes in one of its own."""
    named = {order: f"pieces-{secrets.token_hex(4)}" for order in ORDERS}
    now_ns = time.time_ns() - 60 * 10**9
    traces = {order: build_spans(secrets.token_hex(16), now_ns) for order in ORDERS}
    for place in range(4):
        for order, project in named.items():
            send(server, [traces[order][order[place]]], project)
        server.flush()
    return named


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_trace_in_pieces_is_counted_alike_in_every_order(
    server: RunningServer, projects: dict[tuple[int, ...], str], order: tuple[int, ...]
) -> None:
    where = f"where project = '{projects[order]}'"
    calls = server.query(
        "select span_id, service, input_tokens, output_tokens, cache_read_tokens, usage_source, "
        f"session_id, prompt_name from watchpost.generations {where} order by span_id"
    )
    spans = server.query(
        "select span_id, parent_span_id, kind, service "
        f"from watchpost.spans {where} order by span_id"
    )

    assert calls == [
        (CALL, "gateway", 2006, 300, 1920, "provider", "s-3", "greet"),
        (SILENT, "gateway", 0, 0, 0, "none", "", ""),
    ]
    assert spans == [
        (ROOT, "", "agent", "shop"),
        (WRAPPER, ROOT, "generation", "shop"),
        (CALL, WRAPPER, "generation", "gateway"),
        (SILENT, ROOT, "generation", "gateway"),
    ]


def test_pieces_that_come_again_in_another_batch_are_counted_once(server: RunningServer) -> None:
    project = f"again-{secrets.token_hex(4)}"
    spans = build_spans(secrets.token_hex(16), time.time_ns() - 60 * 10**9)
    for batch in (spans[:2], spans[2:], spans):
        send(server, batch, project)
        server.flush()

    found = server.query(
        "select count(), sum(input_tokens), sum(cache_read_tokens) from watchpost.generations "
        f"where project = '{project}'"
    )
    assert found == [(2, 2006, 1920)]
