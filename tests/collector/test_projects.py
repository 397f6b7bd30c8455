"""Rules of projects: read, changed, inherited, refused; and the commands that write them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.access.projects import (
    DEFAULT_DAYS,
    DEFAULT_SAMPLING,
    FILE_NAME,
    Projects,
    Rules,
    change_rules,
    set_days,
    set_sampling,
    watch_projects,
)
from watchpost_collector.command import main


def test_a_project_that_says_nothing_has_the_rules_of_all_and_then_the_defaults() -> None:
    projects = Projects(
        {
            "*": Rules(spans_per_second=100, days={"content": 14}),
            "shop": Rules(bytes_per_second=5, days={"spans": 7}),
        }
    )
    shop = projects.rules_of("shop")
    assert (shop.spans_per_second, shop.bytes_per_second) == (100, 5)
    assert shop.days == {**DEFAULT_DAYS, "content": 14, "spans": 7}
    assert projects.rules_of("other").bytes_per_second is None
    assert projects.days_of("spans") == {"*": DEFAULT_DAYS["spans"], "shop": 7}
    assert projects.days_of("content") == {"*": 14}


def test_rules_survive_being_written_and_read(tmp_path: Path) -> None:
    change_rules(tmp_path, "shop", lambda rules: replace(rules, spans_per_second=2.5, burst_s=3))
    change_rules(tmp_path, "shop", lambda rules: set_days(rules, "content", 9))
    rules = watch_projects(tmp_path).read().rules["shop"]
    assert rules == Rules(spans_per_second=2.5, burst_s=3, days={"content": 9})
    change_rules(tmp_path, "shop", lambda rules: set_days(rules, "content", None))
    assert watch_projects(tmp_path).read().rules_of("shop").days == DEFAULT_DAYS


@pytest.mark.parametrize(
    "told",
    [
        {"shop": {"spans_per_second": 0}},
        {"shop": {"spans_per_second": True}},
        {"shop": {"bytes_per_second": "many"}},
        {"shop": {"colour": 1}},
        {"shop": {"days": {"pictures": 3}}},
        {"shop": {"days": {"content": 0}}},
        {"shop": {"days": {"content": 1.5}}},
        {"a b": {}},
        {"shop": {"days": {"rollups": 30}}},
        {"*": {"days": {"spans": 9000}}},
        {"shop": {"sampling": {"keep": 0}}},
        {"shop": {"sampling": {"keep": 1.5}}},
        {"shop": {"sampling": {"content": -0.1}}},
        {"shop": {"sampling": {"slow_ms": True}}},
        {"shop": {"sampling": {"share": 0.5}}},
        ["shop"],
    ],
)
def test_rules_that_are_wrong_or_contradict_each_other_are_refused(
    tmp_path: Path, told: object
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"version": 1, "projects": told}))
    with pytest.raises(ConfigError):
        watch_projects(tmp_path)


def test_a_limit_is_set_shown_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path))
    assert main(["projects", "set", "shop", "--spans-per-second", "50", *data]) == 0
    assert main(["projects", "set", "shop", "--bytes-per-second", "1e6", *data]) == 0
    capsys.readouterr()
    assert main(["projects", "list", "--json", *data]) == 0
    every, shop = json.loads(capsys.readouterr().out)
    assert (every["project"], every["spans_per_second"]) == ("*", None)
    assert (shop["spans_per_second"], shop["bytes_per_second"], shop["keys"]) == (50, 1e6, 0)
    assert main(["projects", "set", "shop", "--spans-per-second", "none", *data]) == 0
    assert watch_projects(tmp_path).read().rules_of("shop").spans_per_second is None


def test_days_are_set_for_one_project_or_all_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path))
    assert main(["retention", "set", "--kind", "content", "--days", "14", *data]) == 0
    shop = ("--project", "shop", "--kind", "content")
    assert main(["retention", "set", *shop, "--days", "3", *data]) == 0
    assert watch_projects(tmp_path).read().days_of("content") == {"*": 14, "shop": 3}
    assert main(["retention", "set", *shop, "--days", "default", *data]) == 0
    capsys.readouterr()
    assert main(["retention", "list", *data]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["*", "14"]


def test_a_share_is_set_for_one_project_or_all_inherited_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path))
    assert main(["sampling", "set", "--keep", "0.1", "--slow-ms", "5000", *data]) == 0
    shop = ("sampling", "set", "--project", "shop", *data)
    assert main([*shop, "--keep", "0.5", "--content", "0"]) == 0
    assert watch_projects(tmp_path).read().list_sampling() == {
        "*": {**DEFAULT_SAMPLING, "keep": 0.1, "slow_ms": 5000},
        "shop": {"keep": 0.5, "content": 0, "slow_ms": 5000},
    }
    assert main([*shop, "--keep", "default"]) == 0
    capsys.readouterr()
    assert main(["sampling", "list", *data]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [["*", "0.1", "1", "5000"], ["shop", "0.1", "0", "5000"]]
    change_rules(tmp_path, "shop", lambda rules: set_sampling(rules, content=None))
    assert set(watch_projects(tmp_path).read().list_sampling()) == {"*"}


@pytest.mark.parametrize(
    "words",
    [
        ["sampling", "set", "--keep", "0"],
        ["sampling", "set", "--keep", "nan"],
        ["sampling", "set", "--content", "most"],
        ["sampling", "set", "--slow-ms", "-1"],
        ["projects", "set", "shop", "--spans-per-second", "-1"],
        ["projects", "set", "shop", "--bytes-per-second", "nan"],
        ["projects", "set", "a b"],
        ["retention", "set", "--kind", "content", "--days", "0"],
        ["retention", "set", "--kind", "content", "--days", "soon"],
        ["retention", "set", "--kind", "rollups", "--days", "10"],
    ],
)
def test_what_cannot_be_used_writes_nothing(tmp_path: Path, words: list[str]) -> None:
    assert main([*words, "--data", str(tmp_path)]) == 2
    assert watch_projects(tmp_path).read() == Projects()
