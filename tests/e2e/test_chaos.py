"""A handful of `make chaos`: seeds that between them hold every kind of blow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.run import play_run
from running_clickhouse import RunningClickHouse


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    with RunningClickHouse(tmp_path_factory.mktemp("chaos") / "clickhouse") as served:
        yield served


@pytest.mark.parametrize("seed", [14, 30])
def test_a_run_against_a_server_ends_with_what_was_acknowledged(
    seed: int, database: RunningClickHouse, tmp_path: Path
) -> None:
    assert play_run(seed, tmp_path / "run", database).differences == []


def test_a_run_with_the_engine_inside_ends_with_what_was_acknowledged(tmp_path: Path) -> None:
    assert play_run(36, tmp_path / "run", None).differences == []
