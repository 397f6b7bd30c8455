from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector.store.client import Store
from watchpost_collector.store.migrate import Layout, migrate, read_migrations

PACKAGED = Path(__file__).parents[2] / "collector/watchpost_collector/store/migrations"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGED, tmp_path / "migrations"))


def test_applying_again_applies_nothing(store: Store) -> None:
    assert migrate(store) == []


def test_a_new_file_is_applied_once_and_remembered(store: Store, folder: Path) -> None:
    (folder / "9001_note.sql").write_text(
        "create table if not exists {database}.notes (note String) engine = Memory;\n"
        "-- a comment; with a semicolon\n"
        "insert into {database}.notes values ('once');\n"
    )
    try:
        assert migrate(store, folder) == ["9001_note.sql"]
        assert migrate(store, folder) == []
        assert store.query("select note from watchpost.notes").rows == [("once",)]
    finally:
        store.command("alter table watchpost.migrations delete where number = 9001", settings=SYNC)


def test_an_altered_file_that_was_applied_is_an_error_that_names_it(
    store: Store, folder: Path
) -> None:
    (folder / "0003_work.sql").write_text("-- something else\n")

    with pytest.raises(ConfigError, match=r"0003_work\.sql.*altered after it was applied"):
        migrate(store, folder)


def test_a_database_from_a_newer_program_is_an_error(store: Store, folder: Path) -> None:
    (folder / "0007_rollup.sql").unlink()

    with pytest.raises(ConfigError, match="newer watchpost"):
        migrate(store, folder)


def test_a_cluster_changes_engines_and_scope_and_nothing_else() -> None:
    text = "\n".join(
        statement
        for migration in read_migrations()
        for statement in migration.statements(Layout(cluster="prod"))
    )

    assert "engine = ReplicatedReplacingMergeTree(version)" in text
    assert "on cluster 'prod'" in text
    assert "non_replicated_deduplication_window" not in text
    assert re.findall(r"\{[a-z_]+\}", text) == []


def test_dictionaries_read_their_prices_as_the_user_of_the_address() -> None:
    prices = next(found for found in read_migrations() if "price_list" in found.text)
    layout = Layout(user="app", password="it's")

    text = "\n".join(prices.statements(layout))

    assert text.count("clickhouse(user 'app' password 'it\\'s' query") == 2
    assert "it's" not in repr(layout)


SYNC = {"mutations_sync": 2}
