"""Prompts from the library to the span: labels that move, servers that are away or slow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gated_door import GatedDoor
from openai import OpenAI
from running_server import RunningServer

import watchpost
from watchpost.template import hash_template
from watchpost.testing.provider import ProviderServer

PATIENCE_S = 60.0
TEXT = "Answer {{question}} for {{customer}}."


class Desk:
    """Where a person writes prompts."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def ask(self, path: str, **body: Any) -> Any:
        kind = {"content-type": "application/json"}
        answer = self._server.request(
            "POST", f"/api/v1/prompts/{path}", json.dumps(body).encode(), kind
        )
        assert answer.status == 200, answer.body
        return answer.json()

    def publish(self, name: str, template: Any, label: str = "production") -> int:
        """Push a template and have the label stand at it; its version."""
        version: int = self.ask("push", name=name, template=template)["version"]
        self.ask("label", name=name, label=label, version=version)
        return version


@pytest.fixture
def desk(server: RunningServer) -> Desk:
    return Desk(server)


@pytest.fixture
def configured(server: RunningServer, tmp_path: Path) -> Iterator[None]:
    watchpost.configure(endpoint=server.otlp_url, service="prompted", data_dir=tmp_path)
    yield
    watchpost.shutdown()


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_label_that_is_moved_reaches_a_running_process_and_back(
    desk: Desk, configured: None
) -> None:
    desk.publish("moving", "one")
    held = watchpost.get_prompt("moving", deadline_s=PATIENCE_S)
    assert (held.template, held.version, held.label) == ("one", "1", "production")

    desk.publish("moving", "two")
    until(lambda: watchpost.get_prompt("moving", ttl_s=0).template == "two")
    desk.ask("label", name="moving", label="production", version=1)
    until(lambda: watchpost.get_prompt("moving", ttl_s=0) == held)
    pinned = watchpost.get_prompt("moving", version=2, deadline_s=PATIENCE_S)
    assert pinned.template == "two"


def test_a_call_says_prompt_version_hash_and_sizes_and_the_collector_keeps_them(
    desk: Desk, configured: None, provider: ProviderServer, server: RunningServer
) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]
    version = desk.publish("said", chat)
    with OpenAI(base_url=provider.openai_url, api_key="test") as client:
        watchpost.patch(client)

        @watchpost.observe
        def answer(question: str, customer: str) -> str:
            prompt = watchpost.get_prompt("said", deadline_s=PATIENCE_S)
            client.chat.completions.create(
                model="gpt-4o", messages=prompt.render(question=question, customer=customer)
            )
            return watchpost.current().trace_id

        trace = answer("why is it late?", "Bob")
    assert watchpost.flush(PATIENCE_S)
    server.flush()

    sha = watchpost.get_prompt("said").template_hash
    [found] = server.query(
        "SELECT prompt_name, prompt_version, template_hash FROM watchpost.generations "
        f"WHERE trace_id = '{trace}'"
    )
    assert found == ("said", str(version), sha)
    sizes = server.query(
        "SELECT kind, attributes['watchpost.prompt.variable.question.size'], "
        "attributes['watchpost.prompt.variable.customer.size'] FROM watchpost.spans "
        f"WHERE trace_id = '{trace}' ORDER BY kind"
    )
    assert sizes == [("chain", "15", "3"), ("generation", "15", "3")]
    # The library and the calls meet in a query.
    [joined] = server.query(
        "SELECT p.version, p.labels, count() FROM watchpost.generations AS g "
        "JOIN watchpost.prompts AS p ON p.name = g.prompt_name AND left(p.sha, 12) = "
        f"g.template_hash WHERE g.trace_id = '{trace}' GROUP BY p.version, p.labels"
    )
    assert joined[:2] == (version, ["production"])


def test_a_text_in_code_and_in_the_library_have_the_same_hash(desk: Desk, configured: None) -> None:
    desk.publish("hashed", TEXT)
    found = watchpost.get_prompt("hashed", deadline_s=PATIENCE_S)
    assert found.template_hash == watchpost.Prompt("hashed", TEXT).version == hash_template(TEXT)


def test_a_server_that_is_down_leaves_the_fallback(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WATCHPOST_ENDPOINT", "http://127.0.0.1:9")
    found = watchpost.get_prompt("anything", fallback="in code", deadline_s=PATIENCE_S)
    assert found == watchpost.Prompt("anything", "in code")


def test_a_slow_server_costs_a_deadline_and_its_answer_is_there_later(
    desk: Desk, server: RunningServer, monkeypatch: Any
) -> None:
    desk.publish("slow", "from the library")
    with GatedDoor(server.otlp_url) as door:
        monkeypatch.setenv("WATCHPOST_ENDPOINT", door.url)
        door.shut()
        # The door opens only after the call came back.
        found = watchpost.get_prompt("slow", fallback="in code", deadline_s=0.05)
        assert found.template == "in code"
        door.open()
        until(
            lambda: watchpost.get_prompt("slow", fallback="in code").template == "from the library"
        )


def test_what_is_not_there_is_told_with_the_project(configured: None) -> None:
    told = "no prompt 'nowhere' with label 'production' in project default"
    with pytest.raises(watchpost.WatchpostError, match=told):
        watchpost.get_prompt("nowhere", deadline_s=PATIENCE_S)
