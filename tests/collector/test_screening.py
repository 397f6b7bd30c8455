"""Screening in the background: what arrived is judged once, afterwards, and by its share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost.errors import ConfigError
from watchpost_collector.screening.background import Screening
from watchpost_collector.screening.judging import StoredCall, judge
from watchpost_collector.screening.observing import Observing, load_observing
from watchpost_collector.screening.process import Worker, WorkerLost
from watchpost_collector.store.client import Store
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.settle import settle
from watchpost_collector.store.unscreened import MOST_CHARACTERS, Unscreened

# What other tests left in the store is before it.
LATER = "2100-01-01 00:00:00.000000"
SPAN, OTHER = "a1" * 8, "b2" * 8
KEY = "AKIA" + "IOSFODNN7QYRTX2W"
POLICY = """
guards:
  pii: redact
  secrets: {action: block, directions: [input, tool_argument]}
  length: escalate
"""


class Here:
    """Asks the guards in this process."""

    def __init__(self, observing: Observing) -> None:
        self.observing = observing
        self.asked: list[StoredCall] = []

    def ask(self, calls: Sequence[StoredCall]) -> list[Any]:
        self.asked += calls
        return [judge(self.observing.policy, call) for call in calls]

    def close(self) -> None:
        return


def say(role: str, *parts: dict[str, Any]) -> str:
    return json.dumps([{"role": role, "parts": list(parts)}])


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def spoken(asked: str = "Write to ada@example.com.", *said: dict[str, Any]) -> dict[str, str]:
    return {
        "gen_ai__input__messages": say("user", text(asked)),
        "gen_ai__output__messages": say("assistant", *(said or (text("Gladly."),))),
    }


def land(store: Store, *spans: Any) -> str:
    """The segment these came in, which is their project too."""
    segment = name_segment("screen")
    store.insert_segment(pack_segment(segment, spans, segment), segment)
    settle(store, segment)
    return segment


def read(store: Store, project: str, columns: str = "guard, direction, action") -> list[Any]:
    return store.query(
        f"select {columns} from watchpost.verdicts where project = {{p:String}} "
        "order by guard, direction",
        {"p": project},
    ).rows


@pytest.fixture
def store(embedded_store: Store) -> Store:
    """One engine: the SQL is asked of both where it is written down whole."""
    return embedded_store


@pytest.fixture
def observe(tmp_path: Path) -> Callable[[str], Observing]:
    def make(policy: str) -> Observing:
        path = tmp_path / "policy.yaml"
        path.write_text(policy)
        return load_observing(path)

    return make


@pytest.fixture
def begin(observe: Any) -> Callable[..., Screening]:
    """Makes a collector's screening of the segments it is told of, or from `mark` on."""

    def make(
        store: Store, policy: str = POLICY, *, mark: str = LATER, judge: Any = None, **options: Any
    ) -> Screening:
        observing = observe(policy)
        unscreened = Unscreened(store, mark, settled_s=0)
        return Screening(unscreened, observing, judge or Here(observing), **options)

    return make


def run(screening: Screening, *segments: str) -> None:
    for segment in segments:
        screening.unscreened.add(segment)
    while screening.work():
        pass


@pytest.mark.parametrize("engine", ["embedded_store", "served_store"])
def test_every_verdict_on_an_arrived_call_is_a_row_with_all_that_a_verdict_has(
    engine: str, begin: Any, request: pytest.FixtureRequest
) -> None:
    store: Store = request.getfixturevalue(engine)
    # A text that was judged before costs no milliseconds.
    given = {"type": "tool_call", "id": "c", "name": "x", "arguments": {"key": f"{engine} {KEY}"}}
    project = land(store, make_call(SPAN, **spoken(f"Mail {engine}: ada@example.com", given)))
    run(begin(store), project)

    assert read(store, project) == [
        ("length", "input", "allow"),
        ("length", "output", "allow"),
        ("pii", "input", "flag"),
        ("pii", "tool_argument", "allow"),
        ("secrets", "input", "allow"),
        ("secrets", "tool_argument", "flag"),
    ]
    assert KEY not in str(read(store, project, "*"))
    told = "label, tripped, failed, threshold, probability > 0, duration_ms > 0, revision != ''"
    rows = {row[:2]: row[2:] for row in read(store, project, f"guard, direction, {told}")}
    assert rows["pii", "input"] == ("EMAIL_ADDRESS", True, False, 0.5, True, True, True)
    assert rows["secrets", "tool_argument"][1:] == (True, False, 0.5, True, True, True)
    assert rows["length", "input"][:3] == ("", False, False)
    of_call = "span_id, service, model, prompt_name, weight, in_background"
    assert read(store, project, f"distinct {of_call}")[0][0] == SPAN
    assert {row[-1] for row in read(store, project, of_call)} == {True}


def test_neither_another_run_nor_a_restart_doubles_a_verdict(store: Store, begin: Any) -> None:
    project = land(store, make_call(SPAN, **spoken()))
    first = begin(store)
    run(first, project)
    before = read(store, project)
    run(first, project)

    run(begin(store, mark="2020-01-01 00:00:00.000000"))

    assert read(store, project) == before
    assert len(before) == len(set(before)) > 0


def test_a_process_that_died_left_its_calls_to_the_next(store: Store, begin: Any) -> None:
    mark = Unscreened(store).mark
    project = land(store, make_call(SPAN, **spoken()))
    restarted = begin(store, mark=mark)
    run(restarted)

    assert ("pii", "input", "flag") in read(store, project)
    assert restarted.unscreened.mark > mark


def test_what_a_guard_in_the_application_said_is_not_said_again(store: Store, begin: Any) -> None:
    verdict = {"watchpost.guard.name": "pii", "watchpost.guard.direction": "input"}
    call = make_call(SPAN, **spoken())
    call.events.append({"name": "watchpost.guard.verdict", "attributes": verdict})
    project = land(store, call)
    run(begin(store), project)

    rows = read(store, project, "guard, in_background")
    assert dict(rows) == {"pii": False, "secrets": True, "length": True}


def test_a_share_is_one_of_traces_and_each_guard_has_its_own(store: Store, begin: Any) -> None:
    calls = [make_call(trace_id=f"{i:032x}", **spoken()) for i in range(1, 41)]
    project = land(store, *calls)
    screening = begin(
        store, "guards: {secrets: {action: flag, share: 0.5}, length: {action: flag, share: 0.2}}"
    )
    run(screening, project)

    seen = {
        guard: {row[1] for row in read(store, project, "guard, trace_id") if row[0] == guard}
        for guard in ("secrets", "length")
    }
    assert seen["length"] < seen["secrets"]
    assert 10 <= len(seen["secrets"]) <= 30
    state = screening.state
    assert state.sampled_out + len(seen["secrets"]) == 40
    assert state.screened == len(seen["secrets"])


def test_checks_are_counted_once_by_the_hour_also_when_it_was_closed(
    store: Store, begin: Any
) -> None:
    project = land(store, make_call(SPAN, **spoken()))
    close_hours(store, quiet_s=0)
    run(begin(store, "guards: {secrets: flag}"), project)
    count = (
        "select sum(checks) from watchpost.guards_hourly where project = {p:String} "
        "and guard = 'secrets' and direction = 'input'"
    )
    assert store.query(count, {"p": project}).rows == [(1,)]
    close_hours(store, quiet_s=0)
    assert store.query(count, {"p": project}).rows == [(1,)]


def test_a_call_without_texts_and_one_with_too_many_are_told(store: Store, begin: Any) -> None:
    bare = make_call(SPAN)
    long = make_call(OTHER, **spoken("ada@example.com " * (MOST_CHARACTERS // 16)))
    project = land(store, bare, long)
    screening = begin(store, "guards: {pii: flag}")
    run(screening, project)

    assert read(store, project, "span_id, guard, label, failed") == [
        (OTHER, "pii", "too_long", True)
    ]
    assert (screening.state.without_text, screening.state.failed) == (1, 1)


def test_the_call_that_costs_the_worker_is_told_and_the_others_are_judged(
    store: Store, begin: Any, observe: Any
) -> None:
    class Fragile(Here):
        def ask(self, calls: Sequence[StoredCall]) -> list[Any]:
            if any("crash" in text for call in calls for text, _ in call.asked):
                raise WorkerLost("OSError")
            return super().ask(calls)

    project = land(store, make_call(SPAN, **spoken("crash")), make_call(OTHER, **spoken("fine")))
    fragile = Fragile(observe("guards: {secrets: {action: flag, directions: input}}"))
    run(
        begin(store, "guards: {secrets: {action: flag, directions: input}}", judge=fragile), project
    )

    rows = read(store, project, "span_id, label, failed")
    assert sorted(rows) == [(SPAN, "late", True), (OTHER, "", False)]


def test_a_call_that_was_erased_meanwhile_gets_no_verdict(store: Store, begin: Any) -> None:
    project = land(store, make_call(SPAN, **spoken()))
    screening = begin(store, "guards: {secrets: flag}")
    screening.unscreened.add(project)
    taken = screening.unscreened.take(10, 1.0)
    while not any(call.place[0] == project for call in taken):
        taken = screening.unscreened.take(10, 1.0)
    store.command(
        f"alter table watchpost.calls delete where project = '{project}'",
        settings={"mutations_sync": 2},
    )
    (call,) = [call for call in taken if call.place[0] == project]
    asked = StoredCall("", [("hello", "input")], [], ["secrets"])
    (ruling,) = judge(load_secrets(), asked)
    screening.unscreened.write([(call.place, ruling)])

    assert read(store, project) == []


def load_secrets() -> Any:
    from watchpost.screening.policy import Policy

    return Policy(flag=["secrets"])


def test_the_mark_is_kept_for_the_next_start(store: Store, begin: Any, tmp_path: Path) -> None:
    path = tmp_path / "screened"
    screening = begin(store, mark_file=path)
    run(screening)
    screening.close()
    assert path.read_text() == screening.unscreened.mark


def test_a_worker_of_its_own_answers_and_the_next_stands_in_for_one_that_died(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("guards: {secrets: flag, length: flag}")
    worker = Worker(path)
    call = StoredCall("gpt-4o", [(f"key {KEY}", "input")], [("ok", "output")], ["secrets"])
    try:
        ((first, second),) = worker.ask([call])
        assert (first.verdict.tripped, second.verdict.tripped) == (True, False)
        assert (first.action, first.direction, second.direction) == ("flag", "input", "output")
        worker.close()
        assert len(worker.ask([call, call])) == 2
    finally:
        worker.close()


def test_a_worker_that_does_not_start_is_no_fault_of_the_calls(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "missing.yaml")
    with pytest.raises(OSError, match="does not start"):
        worker.ask([StoredCall("", [("hello", "input")], [], ["secrets"])])


def test_a_policy_without_guards_is_refused(observe: Any) -> None:
    with pytest.raises(ConfigError, match="--policy"):
        observe("guards: {}")
