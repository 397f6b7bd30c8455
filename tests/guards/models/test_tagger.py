"""From each word's probabilities to findings, and a tagger's folder."""

import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from watchpost.errors import ConfigError
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.models.reader import SeenWindow
from watchpost_guards.models.tagger import GRAPH, Kind, Tagger, Word, join_words
from watchpost_guards.models.windows import Window

PERSON = Kind("PERSON", 0.3, 0.5, 1.0)
PLACE = Kind("LOCATION", 0.3, 0.7, 1.0)


def words(text: str, *shares: tuple[float, float] | tuple[float, float, float]) -> list[Word]:
    made, position = [], 0
    for part, (person, place, *begins) in zip(text.split(" "), shares, strict=True):
        begin = begins[0] if begins else 0.0
        made.append(Word(position, position + len(part), (person, place), (begin, begin)))
        position += len(part) + 1
    return made


def join(text: str, *shares: Any) -> list[tuple[str, str, bool]]:
    found = join_words(text, words(text, *shares), (PERSON, PLACE))
    return [(text[f.start : f.end], f.label, f.score >= 0.5) for f in found]


def test_neighbours_of_one_kind_are_one_finding() -> None:
    shares = ((0.0, 0.1), (0.9, 0.0), (0.7, 0.1), (0.1, 0.2))
    assert join("met Ada Lovelace today", *shares) == [("Ada Lovelace", "PERSON", True)]


def test_a_word_that_begins_anew_begins_another_finding() -> None:
    shares = ((0.9, 0.0), (0.9, 0.0, 0.8))
    assert [found for found, *_ in join("Ada Bob", *shares)] == ["Ada", "Bob"]


def test_each_kind_has_a_threshold_of_its_own() -> None:
    assert join("Rose", (0.6, 0.0)) == [("Rose", "PERSON", True)]
    assert join("Rose", (0.0, 0.6)) == [("Rose", "LOCATION", False)]


def test_marks_at_the_ends_are_no_part_of_a_finding() -> None:
    shares = ((0.8, 0.0), (0.9, 0.0), (0.8, 0.0))
    assert join('" Ada .', *shares) == [("Ada", "PERSON", True)]
    assert join('" .', (0.8, 0.0), (0.8, 0.0)) == []


def test_a_score_is_one_half_at_the_threshold_and_rises_with_the_probability() -> None:
    assert PLACE.score(0.7) == pytest.approx(0.5)
    steps = [PLACE.score(number / 20) for number in range(21)]
    assert steps == sorted(steps)
    assert 0 <= steps[0] < steps[-1] <= 1


class OneWordReader:
    """Windows of one token a word; its states say which word begins with a capital."""

    def __init__(self, width: int) -> None:
        self.width = width

    def read_states(self, text: str) -> list[SeenWindow]:
        places, position = [], 0
        for part in text.split(" "):
            places.append((position, position + len(part)))
            position += len(part) + 1
        step = self.width // 2
        return [
            self._see(text, places[begin : begin + self.width])
            for begin in range(0, max(1, len(places) - step), step)
        ]

    def _see(self, text: str, places: list[tuple[int, int]]) -> SeenWindow:
        ends = ((places[0][0],) * 2, (places[-1][1],) * 2)
        seen = [text[start:end][:1].isupper() for start, end in places]
        states = numpy.array([[0, 0], *([1, 0] if up else [0, 1] for up in seen), [0, 0]])
        window = Window((0,) * (len(places) + 2), (ends[0], *places, ends[1]))
        return SeenWindow(window, states.astype(numpy.float32))


def write_tagger(folder: Path) -> Path:
    """A graph that calls a capitalised word a person."""
    folder.mkdir()
    weights = numpy.array([[-4, 4, -4], [4, -4, -4]], dtype=numpy.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["states", "weights"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["tags"], axis=2),
        ],
        "tagger",
        [
            helper.make_tensor_value_info("states", TensorProto.FLOAT, [1, "tokens", 2]),
            helper.make_tensor_value_info("shapes", TensorProto.INT64, [1, "tokens", 4]),
        ],
        [helper.make_tensor_value_info("tags", TensorProto.FLOAT, [1, "tokens", 3])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(model, str(folder / GRAPH))
    manifest = {
        "format": 1,
        "digests": {GRAPH: sha256((folder / GRAPH).read_bytes()).hexdigest()},
        "kinds": {"PERSON": {"joins": 0.3, "threshold": 0.5, "scale": 1.0}},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def make_tagger(folder: Path, width: int = 8) -> Tagger:
    reader: Any = OneWordReader(width)
    return Tagger(folder, reader)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tagger(tmp_path_factory.mktemp("models") / "tagger")


@pytest.mark.parametrize("before", [0, 3, 11, 200])
def test_a_name_is_found_once_wherever_windows_and_segments_end(folder: Path, before: int) -> None:
    text = "a calm day " * before + "with Ada Lovelace there" + " by the sea" * before
    found = [text[f.start : f.end] for f in make_tagger(folder).find(text)]
    assert found in (["Ada Lovelace"], ["Ada", "Lovelace"])


def test_a_text_without_letters_is_not_read(folder: Path) -> None:
    tagger = Tagger(folder, SimpleNamespace())  # type: ignore[arg-type]
    assert list(tagger.find(" ... \n -- ")) == []


@pytest.mark.parametrize("name", [GRAPH, MANIFEST])
def test_a_folder_that_lacks_a_file_is_refused_by_the_settings_name(
    tmp_path: Path, name: str
) -> None:
    folder = write_tagger(tmp_path / "tagger")
    (folder / name).unlink()
    with pytest.raises(ConfigError, match="WATCHPOST_GUARD_MODELS"):
        list(make_tagger(folder).find("with Ada there"))


def test_a_graph_that_is_not_the_manifests_is_refused(tmp_path: Path) -> None:
    folder = write_tagger(tmp_path / "tagger")
    (folder / GRAPH).write_bytes(b"another")
    with pytest.raises(ConfigError, match="not the one its manifest names"):
        list(make_tagger(folder).find("with Ada there"))
