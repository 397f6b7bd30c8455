"""The known calls, sent once for all dialect tests: one flush takes longer than all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from known_calls import KnownCall, compare_call, list_calls, list_dialects, send_call
from running_server import RunningServer


@pytest.fixture(scope="session")
def differences(server: RunningServer) -> Callable[[KnownCall], list[str]]:
    """How a known call sent over OTLP differs when it is read back; [] when it is right."""
    sent = {
        (call.dialect, call.name): send_call(server, call)
        for dialect in list_dialects()
        for call in list_calls(dialect)
    }
    server.flush()
    return lambda call: compare_call(server, call, sent[call.dialect, call.name])
