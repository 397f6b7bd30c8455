"""Live frameworks: what a page of `docs/frameworks` says is run, and what lands is held to it.

The page's program runs as it stands, in an environment of its own, with the page's variables; only
the addresses are of this test. A stand-in provider asks for the tool, then answers. Knows no
framework.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emitter_venvs import FRAMEWORKS, build_from
from running_server import RunningServer

from watchpost.testing import Answer, ProviderServer, ToolCall, Usage

PAGES = Path(__file__).resolve().parents[1] / "docs" / "frameworks"
ANSWERS = (
    Answer(tool_calls=[ToolCall("get_weather", {"town": "Porto"})], usage=Usage(20011, 311)),
    Answer(text="It rains in Porto.", usage=Usage(20021, 313)),
)
_RUN_TIMEOUT_S = 280.0


@dataclass(slots=True)
class Landed:
    """What became of one run; `wrong` is empty when all of it is there, once."""

    framework: str
    spans: int
    wrong: list[str] = field(default_factory=list)


def record(framework: str, server: RunningServer) -> str:
    """Run the page's program; returns the service it called itself. Raises when it fails."""
    python = build_from(FRAMEWORKS / f"{framework}.txt")
    page = (PAGES / f"{framework.replace('_', '-')}.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    said = dict(re.findall(r"^export (\w+)=(.*)$", page, re.MULTILINE))
    service = f"framework-{framework}-{os.urandom(4).hex()}"
    with tempfile.TemporaryDirectory() as home, ProviderServer() as provider:
        provider.answer(*ANSWERS)
        ran = subprocess.run(
            [str(python), "-c", program],
            env={
                "PATH": os.environ["PATH"],
                "HOME": home,
                "OPENAI_API_KEY": "none",
                "OPENAI_BASE_URL": provider.openai_url,
                "OPENAI_API_BASE": provider.openai_url,
                **said,
                "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_url,
                "OTEL_SERVICE_NAME": service,
            },
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        asked = len(provider.requests)
    assert ran.returncode == 0, f"{framework} ended with {ran.returncode}:\n{ran.stderr}"
    assert "It rains in Porto." in ran.stdout, ran.stdout
    assert asked == len(ANSWERS), f"{framework} asked {asked} times"
    return service


def check(framework: str, service: str, server: RunningServer) -> Landed:
    """Hold what is stored of a run to what happened."""
    spans = server.query(
        "SELECT kind, trace_id, span_id, parent_span_id, tool_name, tool_arguments, tool_result "
        f"FROM watchpost.spans WHERE service = '{service}'"
    )
    landed = Landed(framework, len(spans))
    if not spans:
        landed.wrong.append("nothing arrived")
        return landed
    landed.wrong += [*_check_calls(service, server), *_check_tree(spans), *_check_tool(spans)]
    return landed


def _check_calls(service: str, server: RunningServer) -> list[str]:
    calls = server.query(
        "SELECT model, input_tokens, output_tokens FROM watchpost.generations "
        f"WHERE service = '{service}' ORDER BY input_tokens"
    )
    usages = [answer.usage for answer in ANSWERS]
    truth = [("gpt-4o", usage.input, usage.output) for usage in usages if usage is not None]
    return [] if calls == truth else [f"the calls are {calls}, not {truth}"]


def _check_tree(spans: list[Any]) -> list[str]:
    wrong = []
    traces = {span[1] for span in spans}
    if len(traces) != 1:
        wrong.append(f"one run makes {len(traces)} traces")
    ids = {span[2] for span in spans}
    roots = [span[0] for span in spans if span[3] not in ids]
    if len(roots) != 1 or roots[0] not in ("agent", "chain"):
        wrong.append(f"the roots are {roots}")
    return wrong


def _check_tool(spans: list[Any]) -> list[str]:
    tools = [span[4:] for span in spans if span[0] == "tool"]
    if len(tools) != 1:
        return [f"one tool ran, {len(tools)} are recorded"]
    ((name, arguments, result),) = tools
    facts = {"name": "get_weather" in name, "arguments": "Porto" in arguments}
    facts["result"] = "Rain in Porto." in result
    said = f"{name}({arguments}) -> {result}"
    return [
        f"the tool's {fact} is not in {said}" for fact, is_there in facts.items() if not is_there
    ]
