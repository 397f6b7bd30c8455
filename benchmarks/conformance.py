"""Which calls come out right: every dialect's known-truth calls, sent and read back over sockets.

Starts `watchpost up`, sends each call of `tests/fixtures/known-calls` as OTLP, has watchpost's own
SDK record real `openai` and `anthropic` clients against a stand-in provider, waits until all can be
queried, and compares what the query port answers with the truth, which stands in the fixtures only.

    python benchmarks/conformance.py [--quick] [--json] [--store DSN]

`--store` runs it against a store of yours (`chdb:///path`, `http://...`) instead of a fresh one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import openai

import watchpost
from watchpost.testing.exchange import Answer, Failure, ToolCall, Usage
from watchpost.testing.provider import ProviderServer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from known_calls import (  # noqa: E402 - the tests' folder has to be on the path first
    FIXTURES,
    KnownCall,
    compare_call,
    list_calls,
    list_dialects,
    send_call,
)
from running_server import RunningServer  # noqa: E402

SDK = "watchpost-sdk"
# --quick: the dialects that are recorded, not written by hand, and our own.
QUICK = ("otel", "openinference", "openllmetry", "vercel", "watchpost")


def list_sdk_calls() -> list[KnownCall]:
    """The calls that our own SDK is to record."""
    cases = json.loads((FIXTURES / "known-sdk-calls.json").read_text())["cases"]
    return [KnownCall(SDK, name, case) for name, case in cases.items()]


def record_call(server: RunningServer, provider: ProviderServer, call: KnownCall) -> str:
    """Make one call with a real client under our SDK; the condition that finds its rows."""
    service = f"conformance-{call.name}-{secrets.token_hex(4)}"
    watchpost.configure(
        endpoint=server.otlp_url, service=service, data_dir=server.data / "spill" / service
    )
    provider.answer(_answer(call.case["answer"]))
    with (
        watchpost.span("conformance", prompt="weather", version="4", session="s-20", user="u-20"),
        contextlib.suppress(openai.APIError, anthropic.APIError),
    ):
        _ask(provider, call.case)
    watchpost.flush()
    return f"trace_id in (select trace_id from watchpost.spans where service = '{service}')"


def _ask(provider: ProviderServer, case: Mapping[str, Any]) -> None:
    request = dict(case["request"])
    if case["client"] == "messages":
        claude = watchpost.patch(
            anthropic.Anthropic(base_url=provider.anthropic_url, api_key="none", max_retries=0)
        )
        answer = claude.messages.create(**request)
    else:
        client = watchpost.patch(
            openai.OpenAI(base_url=provider.openai_url, api_key="none", max_retries=0)
        )
        if case["client"] == "responses":
            answer = client.responses.create(**request)
        else:
            answer = client.chat.completions.create(**request)
    if request.get("stream"):
        for _ in answer:
            pass


def _answer(given: Mapping[str, Any]) -> Answer:
    fields = dict(given)
    if "usage" in fields:
        fields["usage"] = Usage(**fields["usage"])
    if "failure" in fields:
        fields["failure"] = Failure(**fields["failure"])
    fields["tool_calls"] = [ToolCall(**tool) for tool in fields.get("tool_calls", [])]
    return Answer(**fields)


@contextlib.contextmanager
def start_server(store: str | None) -> Iterator[RunningServer]:
    """A `watchpost up` of its own, with a store of its own unless one is given."""
    arguments = ["--store", store] if store else []
    with (
        tempfile.TemporaryDirectory(prefix="watchpost-conformance-") as place,
        RunningServer(Path(place) / "data", *arguments) as server,
    ):
        yield server


def run(store: str | None, quick: bool) -> dict[str, dict[str, str]]:
    """Every cell of the table: "ok", or what is wrong."""
    dialects = [name for name in list_dialects() if name in QUICK or not quick]
    cells: dict[str, dict[str, str]] = {}
    with start_server(store) as server, ProviderServer() as provider:
        sent = [
            (call, send_call(server, call)) for dialect in dialects for call in list_calls(dialect)
        ]
        sent += [(call, record_call(server, provider, call)) for call in list_sdk_calls()]
        watchpost.shutdown()
        server.flush()
        for call, where in sent:
            wrong = compare_call(server, call, where)
            cells.setdefault(call.dialect, {})[call.name] = "; ".join(wrong) or "ok"
    return cells


def print_table(cells: Mapping[str, Mapping[str, str]]) -> None:
    """One line a call, and what is wrong with it; then one line a dialect."""
    for dialect, cases in cells.items():
        for name, cell in cases.items():
            print(f"{dialect:<15} {name:<38} {cell}")
    print()
    for dialect, cases in cells.items():
        right = sum(cell == "ok" for cell in cases.values())
        print(f"{dialect:<15} {right:>3} of {len(cases):>3} calls right")


def main() -> int:
    """Parse, run, print; 1 when a cell is wrong."""
    parser = argparse.ArgumentParser(description="Which known-truth calls come out right.")
    parser.add_argument("--quick", action="store_true", help="recorded dialects and our own only")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--store", help="run against this store instead of a fresh one")
    given = parser.parse_args()
    cells = run(given.store, given.quick)
    print_table(cells)
    if given.json:
        print(json.dumps({"dialects": cells}))
    return int(any(cell != "ok" for cases in cells.values() for cell in cases.values()))


if __name__ == "__main__":
    sys.exit(main())
