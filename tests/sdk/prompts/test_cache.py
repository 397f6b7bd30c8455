"""`get_prompt`: what is held, who waits and for how long, and what stands in."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gated_door import GatedDoor
from standin_library import StandInLibrary as Library

import watchpost
from watchpost.errors import ConfigError, PromptError
from watchpost.prompts import cache
from watchpost.prompts.prompt import Prompt
from watchpost.runtime import SHIELD, Collector

PATIENCE_S = 60.0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A server of prompts that this process asks; it holds none of them yet."""
    serving = Library()
    monkeypatch.setenv("WATCHPOST_ENDPOINT", serving.url)
    monkeypatch.setattr(cache, "CACHE", cache.PromptCache())
    yield serving
    serving.close()


def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; fail when it does not for long."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_a_prompt_is_fetched_by_label_and_held(library: Library) -> None:
    library.texts["answer"] = "Say {{x}}"

    found = watchpost.get_prompt("answer", label="staging", deadline_s=PATIENCE_S)

    assert found == Prompt("answer", "Say {{x}}", "9", "staging")
    assert watchpost.get_prompt("answer", label="staging") is found
    [asked] = library.asked
    assert (asked["path"], asked["key"]) == ("/api/v1/prompts/template", "")
    assert (asked["name"], asked["label"]) == ("answer", "staging")
    assert "version" not in asked


def test_messages_are_fetched_as_they_were_pushed(library: Library) -> None:
    library.texts["chat"] = [{"role": "user", "content": "{{q}}"}]
    found = watchpost.get_prompt("chat", deadline_s=PATIENCE_S)
    assert found.render(q="why?") == [{"role": "user", "content": "why?"}]


def test_a_version_is_fetched_once_and_never_again(library: Library) -> None:
    library.texts["answer"] = "one"
    for _ in range(3):
        watchpost.get_prompt("answer", version=3, deadline_s=PATIENCE_S, ttl_s=0)
    assert [asked["version"] for asked in library.asked] == ["3"]


def test_past_its_time_to_live_the_one_held_is_given_and_a_new_one_fetched(
    library: Library,
) -> None:
    library.texts["answer"] = "one"
    watchpost.get_prompt("answer", deadline_s=PATIENCE_S)
    library.texts["answer"] = "three"
    assert watchpost.get_prompt("answer").template == "one"

    with GatedDoor(library.url) as door:
        # Held for another address too, which then is shut: nobody waits for it.
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        watchpost.get_prompt("answer", deadline_s=PATIENCE_S)
        library.texts["answer"] = "other"
        door.shut()
        given = [watchpost.get_prompt("answer", ttl_s=0).template for _ in range(3)]
        door.wait_for(2)
        assert given == ["three"] * 3
        door.open()
        until(lambda: watchpost.get_prompt("answer").template == "other")
    assert door.waiting == 2


def test_a_refresh_without_news_asks_with_what_is_held(library: Library) -> None:
    library.texts["answer"] = "one"
    first = watchpost.get_prompt("answer", deadline_s=PATIENCE_S)
    until(lambda: watchpost.get_prompt("answer", ttl_s=0) is first and library.unchanged > 0)
    assert watchpost.get_prompt("answer") is first


def test_what_does_not_arrive_in_time_has_its_fallback_and_arrives_later(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library.texts["answer"] = "from the server"
    caplog.set_level(logging.WARNING, "watchpost")
    with GatedDoor(library.url) as door:
        monkeypatch.setenv("WATCHPOST_ENDPOINT", door.url)
        door.shut()
        found = [
            watchpost.get_prompt("answer", fallback="in code", deadline_s=0.02) for _ in range(3)
        ]
        # The door is still shut: the calls came back all the same.
        assert [prompt.template for prompt in found] == ["in code"] * 3
        assert found[0] == Prompt("answer", "in code")
        door.open()
        until(
            lambda: watchpost.get_prompt("answer", fallback="in code").template == "from the server"
        )
    assert door.waiting == 1
    [told] = caplog.records
    assert told.getMessage() == (
        "prompt 'answer' is its fallback: it did not arrive within the deadline"
    )


def test_with_a_fallback_only_the_first_call_waits(library: Library) -> None:
    library.texts["answer"] = "one"
    with GatedDoor(library.url) as door:
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        door.shut()
        watchpost.get_prompt("answer", fallback="in code", deadline_s=0.02)
        # It would wait for as long as the door is shut, which is until this returns.
        found = watchpost.get_prompt("answer", fallback="in code", deadline_s=PATIENCE_S * 10)
    assert found.template == "in code"


def test_without_a_fallback_what_is_not_there_in_time_is_an_error_that_says_why(
    library: Library,
) -> None:
    with pytest.raises(PromptError, match=r"prompt 'missing': no prompt missing: a fallback="):
        watchpost.get_prompt("missing", deadline_s=PATIENCE_S)
    with GatedDoor(library.url) as door:
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        door.shut()
        with pytest.raises(PromptError, match="did not arrive within the deadline"):
            watchpost.get_prompt("answer", deadline_s=0.02)


def test_a_refresh_that_fails_leaves_what_is_held(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "watchpost")
    library.texts["answer"] = "one"
    watchpost.get_prompt("answer", deadline_s=PATIENCE_S)
    library.status, library.body = 500, b"{}"

    until(lambda: bool(watchpost.get_prompt("answer", ttl_s=0) and caplog.records))

    assert watchpost.get_prompt("answer", ttl_s=0).template == "one"
    assert "is not refreshed, the one held is used: HTTP 500" in caplog.text


def test_a_server_that_is_away_leaves_the_fallback_until_it_is_back(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.texts["answer"] = "one"
    monkeypatch.setenv("WATCHPOST_ENDPOINT", "http://127.0.0.1:9")
    for _ in range(3):
        found = watchpost.get_prompt("answer", fallback="in code", deadline_s=PATIENCE_S)
        assert found.template == "in code"
    with pytest.raises(PromptError, match=r"does not answer .*refused"):
        watchpost.get_prompt("answer", deadline_s=PATIENCE_S)


def test_settings_that_cannot_be_used_leave_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHPOST_ENDPOINT", "nowhere")
    assert watchpost.get_prompt("answer", fallback="in code").template == "in code"
    with pytest.raises(PromptError, match="WATCHPOST_ENDPOINT"):
        watchpost.get_prompt("answer")


def test_a_mistake_of_ours_leaves_the_fallback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(SHIELD, "strict", False)
    monkeypatch.setattr(cache.PromptCache, "look", broken)
    assert watchpost.get_prompt("answer", fallback="in code").template == "in code"

    monkeypatch.undo()
    monkeypatch.setattr(SHIELD, "strict", False)
    monkeypatch.setattr(cache, "CACHE", cache.PromptCache(broken))
    found = watchpost.get_prompt("answer", fallback="in code", deadline_s=PATIENCE_S)
    assert found.template == "in code"


def test_a_fallback_is_a_prompt_or_a_template_and_nothing_else(library: Library) -> None:
    spare = Prompt("answer", "mine", "local-2")
    assert watchpost.get_prompt("answer", fallback=spare, deadline_s=PATIENCE_S) is spare
    with pytest.raises(ConfigError, match="template"):
        watchpost.get_prompt("answer", fallback=7)  # type: ignore[arg-type]


async def test_on_an_event_loop_others_go_on_while_it_waits(library: Library) -> None:
    library.texts["answer"] = "one"
    turns = 0

    async def turn(door: GatedDoor) -> None:
        nonlocal turns
        for _ in range(20):
            turns += 1
            await asyncio.sleep(0)
        # It is waited for, and only a loop that goes on comes here.
        await asyncio.to_thread(door.wait_for, 1)
        door.open()

    with GatedDoor(library.url) as door:
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        door.shut()
        found, _ = await asyncio.gather(
            watchpost.aget_prompt("answer", deadline_s=PATIENCE_S), turn(door)
        )
    assert (found.template, turns) == ("one", 20)


async def test_on_an_event_loop_the_deadline_holds_too_and_it_arrives_later(
    library: Library,
) -> None:
    library.texts["answer"] = "one"
    with GatedDoor(library.url) as door:
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        door.shut()
        found = await watchpost.aget_prompt("answer", fallback="in code", deadline_s=0.02)
        assert found.template == "in code"
        door.open()
        until(lambda: watchpost.get_prompt("answer", fallback="in code").template == "one")
        assert (await watchpost.aget_prompt("answer")).template == "one"


def test_many_calls_at_once_fetch_a_prompt_once(library: Library) -> None:
    library.texts["answer"] = "one"
    start = threading.Barrier(8)
    found: list[str] = []

    def ask() -> None:
        start.wait()
        found.append(watchpost.get_prompt("answer", deadline_s=PATIENCE_S).version)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["3"] * 8
    assert len(library.asked) == 1


def test_many_prompts_are_fetched_by_few_threads_that_end(library: Library) -> None:
    names = [f"prompt-{number}" for number in range(40)]
    library.texts.update(dict.fromkeys(names, "one"))
    with GatedDoor(library.url) as door:
        os.environ["WATCHPOST_ENDPOINT"] = door.url
        door.shut()
        for name in names:
            watchpost.get_prompt(name, fallback="in code", deadline_s=0)
        door.wait_for(4)
        assert sum(t.name == "watchpost-prompts" for t in threading.enumerate()) == 4
        door.open()
        until(
            lambda: all(watchpost.get_prompt(n, fallback="in code").version == "3" for n in names)
        )
    until(lambda: all(t.name != "watchpost-prompts" for t in threading.enumerate()))


def test_a_child_of_a_process_that_is_fetching_fetches_for_itself(library: Library) -> None:
    library.texts["answer"] = "one"
    program = """
import os, watchpost
given = watchpost.get_prompt("answer", fallback="in code", deadline_s=0).template
child = os.fork()
found = watchpost.get_prompt("answer", deadline_s=120).template
if child:
    os.waitpid(child, 0)
print(given, found, flush=True)
os._exit(0)
"""
    with GatedDoor(library.url) as door:
        door.shut()
        environment = {**os.environ, "WATCHPOST_ENDPOINT": door.url}
        running = subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
        )
        door.wait_for(2)
        door.open()
        told, _ = running.communicate(timeout=240)
    assert told.splitlines() == ["in code one"] * 2


def test_names_without_end_are_not_all_held(library: Library) -> None:
    for number in range(cache.MOST_HELD + 5):
        cache.CACHE.look(
            cache.Wanted(Collector("http://127.0.0.1:9"), str(number)),
            ttl_s=float("inf"),
            patient=False,
        )
    assert len(cache.CACHE._entries) == cache.MOST_HELD


def test_the_collector_key_and_project_of_configure_are_asked(
    library: Library, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.texts["answer"] = "one"
    monkeypatch.delenv("WATCHPOST_ENDPOINT")
    watchpost.configure(
        endpoint=f"{library.url}/behind/", key="k" * 20, project="shop", data_dir=tmp_path
    )
    try:
        watchpost.get_prompt("answer", deadline_s=PATIENCE_S)
    finally:
        watchpost.shutdown()
    [asked] = [asked for asked in library.asked if "name" in asked]
    assert asked["path"] == "/behind/api/v1/prompts/template"
    assert (asked["key"], asked["project"]) == (f"Bearer {'k' * 20}", "shop")


def test_prompts_are_there_where_nothing_is_recorded(library: Library) -> None:
    library.texts["answer"] = "one"
    watchpost.configure(endpoint=library.url, enabled=False)
    try:
        assert watchpost.get_prompt("answer", deadline_s=PATIENCE_S).template == "one"
    finally:
        watchpost.shutdown()
