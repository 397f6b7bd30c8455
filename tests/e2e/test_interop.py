"""Two real instrumentations, recorded live: one over gRPC, one with its messages in log events.

`make interop` has them all. An environment that cannot be built is a failure.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from emitter_venvs import build_environment
from live_emitters import Recording, record
from live_truth import check, compare_metrics, find_lost
from running_server import RunningServer

# The two that are installed quickest.
EMITTERS = ("openinference", "otel_events")


@pytest.fixture(scope="module")
def recordings(server: RunningServer) -> dict[str, Recording]:
    with ThreadPoolExecutor(len(EMITTERS)) as pool:
        list(pool.map(build_environment, EMITTERS))
    made = {emitter: record(emitter, server) for emitter in EMITTERS}
    server.flush()
    return made


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_an_emitter_sends_of_a_call_lands_and_the_rest_was_not_sent(
    server: RunningServer, recordings: dict[str, Recording], emitter: str
) -> None:
    found = check(server, recordings[emitter])

    assert recordings[emitter].refused == []
    assert {name: landed.wrong for name, landed in found.items() if landed.wrong} == {}
    assert all(landed.right for landed in found.values())


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_an_emitter_sends_and_has_no_column_can_be_queried(
    server: RunningServer, recordings: dict[str, Recording], emitter: str
) -> None:
    assert find_lost(server, recordings[emitter]) == []


def test_the_token_metrics_of_an_emitter_add_up_to_its_calls(
    server: RunningServer, recordings: dict[str, Recording]
) -> None:
    assert compare_metrics(server, recordings["otel_events"]) == []


def test_the_check_knows_what_was_sent_and_landed_wrong_from_what_was_not_sent(
    server: RunningServer, recordings: dict[str, Recording]
) -> None:
    recording = recordings["otel_events"]
    chat = recording.moments[0]
    # The same recording held to another truth: one that was sent, of another fact, and one that
    # nobody sent.
    other = {**chat.call.columns, "provider": "gpt-4o", "response_id": "nowhere"}
    moment = replace(chat, call=replace(chat.call, columns=other))

    found = check(server, replace(recording, moments=[moment]))

    assert found["chat"].wrong == [
        "provider is 'openai', not 'gpt-4o'",
        "response_id is 'chatcmpl-chat', which nobody sent",
        "response_id is not emitted",
    ]
