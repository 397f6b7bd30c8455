"""Live emitters: real instrumentations record real clients, and what lands is held to the truth.

An emitter runs in an environment of its own, asks the stand-in provider, and exports through a tap
to a real server. Every fact about every call is then one of three: it landed; it is *not
emitted*, proven by its absence from all the tap saw; or it is wrong. What an emitter does not
emit stands in its `emitters/NAME.json`, and a list that is too long is wrong too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emitter_venvs import EMITTERS, build_environment
from otlp_grpc_tap import GrpcTap
from otlp_tap import OtlpTap, Sent, read_sent
from running_server import RunningServer

from watchpost.testing.exchange import Answer, Failure, ProviderRequest, ToolCall, Usage
from watchpost.testing.provider import ProviderServer

_HERE = Path(__file__).parent / "interop"
sys.path.insert(0, str(_HERE))

from calls import CALLS, Call, find_call  # noqa: E402 - the same file that the emitters read

_RUN_TIMEOUT_S = 240.0
# These export over gRPC, the others over HTTP.
_GRPC = ("openinference",)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a call was made, by the emitter's own clock."""

    call: Call
    began_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Recording:
    """What an emitter was asked to record, and what left it."""

    emitter: str
    service: str
    moments: list[Moment]
    sent: list[Sent]
    refused: list[str]


def record(emitter: str, server: RunningServer) -> Recording:
    """Run an emitter against the stand-in, through a tap to `server`; raises when it fails."""
    python = build_environment(emitter)
    service = f"interop-{emitter}-{os.urandom(4).hex()}"
    with _open_tap(emitter, server) as tap, ProviderServer(_respond) as provider:
        ran = subprocess.run(
            [
                str(python),
                str(_HERE / "recorder.py"),
                str(EMITTERS / f"{emitter}.py"),
                provider.openai_url,
                provider.anthropic_url,
            ],
            env=_environ(tap.url, service),
            capture_output=True,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        assert ran.returncode == 0, f"{emitter} ended with {ran.returncode}:\n{ran.stderr}"
        relayed = list(tap.relayed)
    sent = [one for request in relayed for one in read_sent(request)]
    refused = [f"{one.path}: {one.status}" for one in relayed if one.status != 200]
    return Recording(emitter, service, list(_moments(ran.stdout)), sent, refused)


def _open_tap(emitter: str, server: RunningServer) -> OtlpTap | GrpcTap:
    if emitter in _GRPC:
        return GrpcTap(server.grpc_url.removeprefix("http://"))
    return OtlpTap(server.otlp_url)


def _environ(otlp_url: str, service: str) -> dict[str, str]:
    """What any OpenTelemetry emitter is told; the rest of our environment stays with us."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_url,
    }


def _respond(request: ProviderRequest) -> Answer:
    fields = dict(find_call(request.text).answer)
    if "usage" in fields:
        fields["usage"] = Usage(**fields["usage"])
    if "failure" in fields:
        fields["failure"] = Failure(**fields["failure"])
    fields["tool_calls"] = [ToolCall(**tool) for tool in fields.get("tool_calls", ())]
    return Answer(**fields)


def _moments(output: str) -> Iterator[Moment]:
    named = {call.name: call for call in CALLS}
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"call"')]
    assert [line["call"] for line in lines] == list(named), output
    for line in lines:
        assert bool(line["failure"]) == ("failure" in named[line["call"]].answer), line
        yield Moment(named[line["call"]], line["began_ns"], line["ended_ns"])
