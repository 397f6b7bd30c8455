"""`watchpost prompts` against a running server: what a person types, and what is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer
from store_segments import name_segment

from watchpost_collector.command import main


class Console:
    """Runs the command in a project of its own."""

    def __init__(self, server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
        self._server, self._capsys = server, capsys
        self.project = name_segment("prompts")

    def run(self, *words: str, exits: int = 0) -> list[str]:
        """The lines it printed, errors where it failed."""
        code = main(["prompts", *words, "--url", self._server.otlp_url, "--project", self.project])
        printed = self._capsys.readouterr()
        assert code == exits, printed
        return (printed.err if code else printed.out).splitlines()

    def read(self, *words: str) -> Any:
        return json.loads("\n".join(self.run(*words, "--json")))


@pytest.fixture
def console(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(server, capsys)


def test_a_prompt_is_pushed_labelled_compared_and_rolled_back(
    console: Console, tmp_path: Path
) -> None:
    file = tmp_path / "answer.md"
    file.write_text("Answer {{question}}.\n")
    assert console.run("push", str(file), "--label", "production", "--note", "first") == [
        "answer: version 1, new",
        "  production of answer stands at 1 (it stood nowhere)",
    ]
    assert console.run("push", str(file)) == ["answer: version 1, as it was pushed before"]

    file.write_text("Answer {{question}} for {{customer}}, briefly.\n")
    assert console.run("push", str(file))[0] == "answer: version 2, new"
    assert console.run("label", "answer", "production", "latest") == [
        "production of answer moved from 1 to 2",
        "variables: +customer (whoever renders it has to give what it has)",
    ]
    assert console.run("label", "answer", "production", "2") == [
        "production of answer stands at 2 already"
    ]

    told = console.run("diff", "answer", "1", "production")
    assert told[0] == "answer version 1 -> answer version 2 (production)"
    assert told[1].startswith("tokens: about ")
    assert "an estimate as gpt-4o counts" in told[1]
    assert told[2] == "variables: +customer (whoever renders it has to give what it has)"
    assert told[4:] == [
        "-Answer {{question}}.",
        "+Answer {{question}} for {{customer}}, briefly.",
    ]
    assert console.run("diff", "answer", "2", "production")[1:] == ["the same template"]

    assert console.run("label", "answer", "production", "1")[0] == (
        "production of answer moved from 2 to 1"
    )
    assert console.run("show", "answer", "production")[-1] == "Answer {{question}}."
    assert console.run("show", "answer")[-1] == "Answer {{question}} for {{customer}}, briefly."


def test_versions_and_moves_are_listed(console: Console, tmp_path: Path) -> None:
    (tmp_path / "support").mkdir()
    (tmp_path / "support" / "reply.txt").write_text("one")
    (tmp_path / "chat.yaml").write_text("messages: [{role: user, content: '{{q}}'}]\nnote: two\n")
    pushed = console.run("push", str(tmp_path), "--label", "staging")
    assert [line for line in pushed if "version" in line] == [
        "chat: version 1, new",
        "support/reply: version 1, new",
    ]
    console.run("label", "chat", "production", "staging")

    heading, chat, reply = console.run("list")
    assert heading.split() == ["name", "newest", "labels", "kind", "since", "note"]
    assert chat.startswith("chat           1       production 1, staging 1  chat  20")
    assert chat.endswith("two")
    assert reply.startswith("support/reply  1       staging 1")

    _, version, *moves = console.run("list", "chat")
    assert version.split()[:3] == ["1", "production,", "staging"]
    assert [move.split("  ")[1] for move in moves] == [
        "production moved to 1",
        "staging moved to 1",
    ]


def test_of_a_folder_nothing_is_pushed_where_its_label_is_refused(
    console: Console, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(name)

    told = console.run("push", str(tmp_path), "--label", "latest", exits=2)

    assert "newest version by itself" in told[0]
    assert console.read("list")["prompts"] == []


def test_json_says_the_same(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "answer.txt"
    file.write_text("one {{x}}")
    pushed = console.read("push", str(file), "--label", "a")
    moved = {"name": "answer", "label": "a", "before": 0, "after": 1}
    assert pushed["pushed"][0]["moved"] == moved
    file.write_text("three")
    console.read("push", str(file))
    assert console.read("show", "answer")["template"] == "three"
    assert console.read("list")["prompts"][0]["labels"] == {"a": 1}
    assert console.read("diff", "answer", "a", "2")["tokens"][1] == 1
    moved = console.read("label", "answer", "a", "2")
    assert (moved["before"], moved["after"]) == (1, 2)
    assert "-x" in moved["variables"][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "missing"), "no prompt 'missing' with label 'latest'"),
        (("list", "missing"), "no prompt 'missing'"),
        (("diff", "answer", "1", "9"), "no prompt 'answer' with version 9"),
        (("label", "answer", "production", "9"), "has no such version"),
        (("label", "answer", "latest", "1"), "newest version by itself"),
        (("label", "answer", "7", "1"), "not digits alone"),
    ],
)
def test_what_the_server_refuses_is_told(
    console: Console, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "answer.txt"
    file.write_text("one")
    console.run("push", str(file))
    assert told in console.run(*words, exits=2)[0]


def test_what_a_prompt_holds_cannot_write_to_the_terminal(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "answer.txt"
    file.write_text("clear \x1b[2J\tand on")
    console.run("push", str(file), "--note", "\x1b]0;title\x07 two\nlines")
    told = "\n".join([*console.run("show", "answer"), *console.run("list")])
    assert "\x1b" not in told
    assert "clear \N{REPLACEMENT CHARACTER}[2J\tand on" in told


def test_a_server_that_is_not_there_is_told_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prompts", "list", "--url", "http://127.0.0.1:9"]) == 2
    assert "start one with `watchpost up`" in capsys.readouterr().err


def test_listing_needs_no_package_of_the_servers() -> None:
    program = (
        "import sys\n"
        "for name in ('yaml', 'chdb', 'clickhouse_connect', 'starlette', 'uvicorn'):\n"
        "    sys.modules[name] = None\n"
        "from watchpost_collector.command import main\n"
        "sys.exit(main(['prompts', 'list', '--url', 'http://127.0.0.1:9']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert "no watchpost answers" in done.stderr
