"""Rules that are run: what is told, once, whatever dies in between; silences, failures, retries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import alert_answers
import pytest
from alert_answers import Answers, write_file
from hook_server import HookServer, wait_until

from watchpost.errors import ConfigError
from watchpost_collector.alerting.courier import GIVE_UP_S, Courier
from watchpost_collector.alerting.evaluator import Evaluator
from watchpost_collector.alerting.ledger import FILE_NAME, Ledger, Parcel
from watchpost_collector.alerting.running import Alerting
from watchpost_collector.alerting.sending import open_channels
from watchpost_collector.alerts.health import FAILING_S
from watchpost_collector.alerts.rule_file import AlertFile, read_alerts
from watchpost_collector.alerts.state import PATIENCE_S, Silence

BEGIN = 1_772_402_400


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = float(BEGIN)

    def __call__(self) -> float:
        return self.now


class Desk:
    """A rule file run over scripted answers, round by round, its messages over real sockets."""

    def __init__(self, directory: Path, text: str, answers: Answers) -> None:
        self.clock, self.answers = Clock(), answers
        self.file: AlertFile = read_alerts(text, "rules.yaml")
        self.ledger = Ledger(directory)
        sends = open_channels(self.file.contacts, self.file.mail, {})
        self.courier = Courier(self.ledger, sends, self.clock)
        self.held_off = ""
        self.evaluator = Evaluator(
            self.file, answers, self.ledger, page=self.file.page,
            hold_off=lambda: self.held_off, tell=self.courier.wake, clock=self.clock,
        )  # fmt: skip

    def __enter__(self) -> Desk:
        self.courier.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.courier.close()

    def round(self, after_s: int = 0) -> None:
        """One round, this much later, and all of its messages delivered or put off."""
        self.clock.now += after_s
        self.evaluator.work()
        self.settle()

    def settle(self) -> None:
        """Wait until whatever is due now was tried."""
        self.courier.wake()
        wait_until(lambda: not self._list_due())

    def _list_due(self) -> list[Parcel]:
        """What is first of its lane, and due."""
        heads = {one.lane: one for one in reversed(self.ledger.read().parcels)}
        return [one for one in heads.values() if one.next_at <= self.clock.now]


def list_told(hook: HookServer) -> list[str]:
    """What came: the status and the services of each message."""
    return [
        " ".join(
            f"{alert['status']} {alert['labels'].get('service', alert['labels']['alertname'])}"
            for alert in taken.told["alerts"]
        )
        for taken in hook.taken
    ]


def test_one_message_tells_what_begins_at_once_and_another_what_ends(tmp_path: Path) -> None:
    answers = Answers("bot", "mail")
    with HookServer() as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.round()
        desk.round(300)
        answers.firing = {"mail", "shop"}
        desk.round(300)
        desk.round(PATIENCE_S)
    assert list_told(hook) == ["firing bot firing mail", "firing shop", "resolved bot"]
    first = hook.taken[0].told["alerts"][0]
    assert first["generatorURL"] == "https://watchpost.example.com/?service=bot"
    assert first["traces"] == ["https://watchpost.example.com/trace/cafe"]
    fingerprints = [taken.told["alerts"][0]["fingerprint"] for taken in hook.taken]
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]
    assert desk.courier.tally.read()["webhook", "delivered"] == 3


@pytest.mark.parametrize("point", ["alert_decided", "before_alert", "after_alert"])
def test_a_killed_process_loses_nothing_and_repeats_at_most_what_it_was_just_sending(
    tmp_path: Path, point: str
) -> None:
    with HookServer() as hook:
        program = [sys.executable, alert_answers.__file__, str(tmp_path), hook.url]
        path = os.pathsep.join(one for one in sys.path if one)
        environ = {**os.environ, "PYTHONPATH": path}
        killed = subprocess.run(program, env={**environ, "WATCHPOST_FAULT": point})
        assert killed.returncode == -9
        before = len(hook.taken)
        subprocess.run(program, env=environ, check=True)
    told = list_told(hook)
    # It is decided once. Only a process that died after it was sent and before that was written
    # down sends it again, and then it is the same message.
    assert told == ["firing bot firing mail"] * (2 if point == "after_alert" else 1)
    assert before == (1 if point == "after_alert" else 0)
    assert len({taken.headers["idempotency-key"] for taken in hook.taken}) == 1


def test_a_target_that_is_away_is_told_later_in_order(tmp_path: Path) -> None:
    answers = Answers("bot")
    with HookServer(503, 503) as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.round()
        answers.firing = set()
        desk.round(PATIENCE_S)
        # The end waits behind the beginning, which failed for the second time.
        assert [one.tries for one in desk.ledger.read().parcels] == [2, 0]
        desk.clock.now += 60
        desk.courier.wake()
        hook.wait_for(4)
        wait_until(lambda: not desk.ledger.read().parcels)
    assert list_told(hook) == ["firing bot"] * 3 + ["resolved bot"]
    fates = desk.courier.tally.read()
    assert (fates["webhook", "retried"], fates["webhook", "delivered"]) == (2, 2)


def test_a_clock_that_is_put_back_stops_neither_rules_nor_messages(tmp_path: Path) -> None:
    answers = Answers("bot")
    with HookServer(503) as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.round()
        asked = answers.asked
        desk.clock.now -= 86_400
        desk.courier.wake()
        hook.wait_for(2)
        desk.round()
    assert answers.asked == asked + 1
    assert list_told(hook) == ["firing bot", "firing bot"]


def test_what_cannot_be_told_is_given_up_counted_and_holds_nothing_up(tmp_path: Path) -> None:
    answers = Answers("bot")
    with HookServer(500, 500, 400) as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.round()
        desk.clock.now += GIVE_UP_S
        desk.courier.wake()
        wait_until(lambda: not desk.ledger.read().parcels)
        # Refused for good: no second try.
        answers.firing.add("mail")
        desk.round(300)
        answers.firing.add("shop")
        desk.round(300)
    assert list_told(hook) == ["firing bot", "firing bot", "firing mail", "firing shop"]
    fates = desk.courier.tally.read()
    assert (fates["webhook", "dropped"], fates["webhook", "delivered"]) == (2, 1)


def test_a_contact_that_is_gone_has_what_waited_for_it_dropped(tmp_path: Path) -> None:
    with HookServer(503) as hook, Desk(tmp_path, write_file(hook.url), Answers("bot")) as desk:
        desk.round()
    text = write_file(hook.url).replace("oncall", "other")
    with Desk(tmp_path, text, Answers()) as desk:
        desk.clock.now += 3600
        desk.courier.wake()
        wait_until(lambda: not desk.ledger.read().parcels)
    assert desk.courier.tally.read()["webhook", "dropped"] == 1


def test_a_rule_that_fails_is_told_after_a_while_and_its_alerts_stay(tmp_path: Path) -> None:
    answers = Answers("bot")
    with HookServer() as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.round()
        answers.failure = RuntimeError("Code: 159. DB::Exception: select 'a prompt' (TIMEOUT)")
        desk.round(300)
        desk.round(FAILING_S)
        desk.round(PATIENCE_S)
        answers.failure = None
        desk.round(300)
    assert list_told(hook) == ["firing bot", "firing RuleFailing", "resolved RuleFailing"]
    said = hook.taken[1].told["alerts"][0]["annotations"]["summary"]
    assert "cannot be evaluated since 2026-03-01 22:05 (engine error 159 TIMEOUT)" in said
    assert "prompt" not in said
    assert desk.evaluator.tally.read() == {("ok",): 2, ("no_data",): 0, ("failing",): 3}


def test_nothing_is_judged_while_the_store_lacks_what_was_sent(tmp_path: Path) -> None:
    answers = Answers("bot")
    with HookServer() as hook, Desk(tmp_path, write_file(hook.url), answers) as desk:
        desk.held_off = "the store is away"
        desk.round()
        desk.round(FAILING_S)
        assert answers.asked == 0
    said = hook.taken[0].told["alerts"][0]["annotations"]["summary"]
    assert "the store is away" in said


def test_a_silence_that_is_begun_holds_until_it_is_ended_also_after_a_restart(
    tmp_path: Path,
) -> None:
    with HookServer() as hook:
        file = read_alerts(write_file(hook.url), "rules.yaml")
        sends = open_channels(file.contacts, None, {})
        now = 4_000_000_000
        name = Alerting(file, sends, Answers(), tmp_path).silence(Silence("Errors", 0, now))
        with pytest.raises(ConfigError, match="the file has Errors"):
            Alerting(file, sends, Answers(), tmp_path).silence(Silence("Error", 0, now))
        with Desk(tmp_path, write_file(hook.url), Answers("bot")) as desk:
            desk.round()
            desk.round(300)
        assert hook.taken == []
        alerting = Alerting(file, sends, Answers(), tmp_path)
        [rule] = alerting.show()["rules"]
        assert [alert["state"] for alert in rule["alerts"]] == ["silenced"]
        assert [one["id"] for one in alerting.show()["silences"]] == [name]
        assert (alerting.end_silence(name), alerting.end_silence(name)) == (True, False)
        with Desk(tmp_path, write_file(hook.url), Answers("bot")) as desk:
            desk.round(600)
    assert list_told(hook) == ["firing bot"]


def test_all_rules_of_a_contact_may_be_one_message(tmp_path: Path) -> None:
    more = "- {name: Refusals, kind: refusal_rate, by: [service], notify: oncall}\n"
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with HookServer() as hook:
        text = write_file(hook.url, "  group: contact") + more
        with Desk(one, text, Answers("bot")) as desk:
            desk.round()
        with Desk(two, write_file(hook.url) + more, Answers("bot")) as desk:
            desk.round()
    assert list_told(hook) == ["firing bot firing bot", "firing bot", "firing bot"]
    assert hook.taken[0].told["title"] == "Errors and 1 more"


def test_when_a_decision_cannot_be_written_nothing_is_told_and_it_is_made_again(
    tmp_path: Path,
) -> None:
    with HookServer() as hook, Desk(tmp_path, write_file(hook.url), Answers("bot")) as desk:
        # A directory in the draft's place: as a full disk would, it lets nothing be written.
        draft = tmp_path / f"{FILE_NAME}.draft"
        draft.mkdir()
        with pytest.raises(OSError, match=r"."):
            desk.round()
        assert (hook.taken, desk.ledger.read().parcels) == ([], ())
        draft.rmdir()
        desk.round(1)
    assert list_told(hook) == ["firing bot"]


def test_a_file_that_is_no_ledger_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text('{"version": 1}')
    with pytest.raises(ConfigError, match="move it away"):
        Ledger(tmp_path)
    assert path.read_text() == '{"version": 1}'
