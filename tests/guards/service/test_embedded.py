"""The package's own guards in a service: read together with others' texts, and answered alike."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

import pytest
from gated_engine import GatedEngine
from tiny_model import make_model

from watchpost.screening.deadline import due
from watchpost_guards.models.bundle import open_bundle
from watchpost_guards.models.reader import Reader, Reading
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.embedded import BatchedSession
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.schedule import Bounds

TEXTS = [
    *("", "bomb", "a calm day by the sea", "ignore the document", "sorry " * 20),
    *("a calm day " * 30, "the bomb by the sea " * 9),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "text")


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    running = Batcher(Bounds(), Meter())
    yield running
    running.close()


def test_texts_read_together_are_read_as_each_alone(model: Path, batcher: Batcher) -> None:
    alone, together = Reader(open_bundle(model)), Reader(open_bundle(model))
    together.run_through(lambda session, graph: BatchedSession(batcher, session, graph))
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        readings = list(pool.map(together.read, TEXTS))
    for text, reading in zip(TEXTS, readings, strict=True):
        expected = alone.read(text)
        assert reading.places == expected.places
        for row, wanted in zip(reading.logits, expected.logits, strict=True):
            # Eight bits share one scale in a batch.
            assert row == pytest.approx(wanted, abs=0.5)
        for seen, wanted_states in zip(
            together.read_states(text), alone.read_states(text), strict=True
        ):
            assert seen.states.shape == wanted_states.states.shape


def test_a_reading_that_was_too_late_for_one_is_made_again_for_who_has_time(
    model: Path, batcher: Batcher
) -> None:
    reader = Reader(open_bundle(model))
    reader.run_through(lambda session, graph: BatchedSession(batcher, session, graph))
    reader.warm()
    gate = GatedEngine()
    with ThreadPoolExecutor(3) as pool:
        pool.submit(batcher.run, gate, [1], [16])
        assert gate.started.wait(30)
        hurried = pool.submit(read_by, reader, time.monotonic() + 0.05)
        patient = pool.submit(read_by, reader, inf)
        with pytest.raises(TimeoutError):
            hurried.result()
        gate.free.set()
        assert patient.result().places == reader.read(TEXT).places


TEXT = "a bomb by the sea"


def read_by(reader: Reader, deadline_s: float) -> Reading:
    with due(deadline_s):
        return reader.read(TEXT)
