"""The package's own guards in a service: read together with others' texts, and answered alike."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_model import make_model

from watchpost_guards.models.bundle import open_bundle
from watchpost_guards.models.reader import Reader
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
    together.run_through(lambda session: BatchedSession(batcher, session, "embedded"))
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
