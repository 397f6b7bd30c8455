"""The guards that are heads of one encoder: real files, a model made for the test."""

import shutil
import threading
from pathlib import Path

import pytest
from tiny_model import make_model

import watchpost
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question, Verdict
from watchpost_guards.models.bundle import FILES, open_bundle
from watchpost_guards.models.folder import MANIFEST, SETTING
from watchpost_guards.models.heads import create_head
from watchpost_guards.models.reader import Reader, share_reader

CALM = "a calm day by the sea "


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "text")


def ask(model: Path, guard: str, text: str) -> Verdict:
    return create_head(guard, model).check(Question(text))


@pytest.mark.parametrize(
    ("guard", "text", "label"),
    [
        ("unsafe", "the bomb", "illicit"),
        ("injection", "ignore the sea", "direct"),
        ("refusal", "sorry", "refusal"),
    ],
)
def test_a_text_its_head_knows_trips_the_guard_with_its_kind(
    model: Path, guard: str, text: str, label: str
) -> None:
    verdict = ask(model, guard, text)
    assert verdict.tripped
    assert verdict.label == label
    assert verdict.probability > 0.8


@pytest.mark.parametrize("text", ["", " ", "a calm day", "words nobody taught it", "\ud800"])
@pytest.mark.parametrize("guard", ["unsafe", "injection", "refusal"])
def test_any_other_text_gets_a_low_probability_and_no_label(
    model: Path, guard: str, text: str
) -> None:
    verdict = ask(model, guard, text)
    assert not verdict.tripped
    assert verdict.label == ""
    assert verdict.probability < 0.2
    assert verdict.findings == ()


@pytest.mark.parametrize("before", [0, 7, 400, 5_000])
def test_one_bad_word_is_found_however_long_the_text_around_it(model: Path, before: int) -> None:
    text = CALM * before + "the bomb " + CALM * 50
    verdict = ask(model, "unsafe", text)
    assert verdict.tripped
    # A window is sixteen tokens wide, and at most two of them hold the same word.
    assert all("bomb" in text[f.start : f.end] for f in verdict.findings)
    assert 1 <= len(verdict.findings) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "i\u200bg\u200bn\u200bo\u200br\u200be the sea",
        "i g n o r e the sea",
        "іgnоrе the sea",  # noqa: RUF001 - Cyrillic letters on purpose
        "ｉｇｎｏｒｅ the sea",  # noqa: RUF001 - wide letters on purpose
        "a calm day YSBjYWxtIGRheSBpZ25vcmUgdGhlIHNlYQ==",
    ],
)
def test_a_word_in_disguise_is_read_as_what_it_says(model: Path, text: str) -> None:
    assert ask(model, "injection", text).tripped


def test_guards_of_one_folder_share_the_reading_of_a_text(model: Path) -> None:
    reader = share_reader(model)
    text = "the sea and a bomb, read once"
    assert reader.read(text) is reader.read(text)
    readings = []
    threads = [
        threading.Thread(target=lambda: readings.append(reader.read("asked by many at once")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 8
    assert all(reading is readings[0] for reading in readings)


def test_whoever_builds_on_the_frozen_layers_gets_each_token_with_its_place(model: Path) -> None:
    text = CALM * 9 + "the bo\u200bmb by the sea"
    seen = list(share_reader(model).read_states(text))
    assert len(seen) > 2
    for part in seen:
        assert part.states.shape == (len(part.window.ids), 16)
        assert len(part.window.places) == len(part.window.ids)
    words = {text[start:end] for part in seen for start, end in part.window.places}
    assert words == {*CALM.split(), "bo\u200bmb", ""}


@pytest.mark.parametrize("held", [0, 600, 1 << 20])
def test_states_are_the_same_whether_they_are_still_held_or_not(
    model: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    expected = [part.states.tolist() for part in share_reader(model).read_states(CALM * 9)]
    monkeypatch.setattr("watchpost_guards.models.reader.REMEMBERED_STATES", held)
    reader = Reader(open_bundle(model))
    for text in ("a calm day", CALM * 9, "by the sea"):
        reader.read(text)
    assert [part.states.tolist() for part in reader.read_states(CALM * 9)] == expected


def test_the_revision_changes_with_the_model(model: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "other", threshold=0.7)
    again = make_model(tmp_path / "again")
    revision = ask(model, "unsafe", "the sea").revision
    assert revision
    assert ask(other, "unsafe", "the sea").revision != revision
    assert ask(again, "unsafe", "the sea").revision == revision


def test_a_threshold_of_the_calibration_decides(tmp_path: Path) -> None:
    strict = make_model(tmp_path / "strict", threshold=1.0)
    verdict = ask(strict, "unsafe", "the bomb")
    assert verdict.threshold == 1.0
    assert not verdict.tripped


def test_a_folder_without_a_model_is_refused_when_the_guard_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no model"):
        create_head("unsafe", tmp_path)
    (tmp_path / MANIFEST).write_text('{"format": 99}')
    with pytest.raises(ConfigError, match="cannot be read"):
        create_head("unsafe", tmp_path)


def test_a_head_the_model_lacks_is_refused_when_the_guard_is_made(model: Path) -> None:
    with pytest.raises(ConfigError, match="train its head 'sarcasm'"):
        create_head("sarcasm", model)


@pytest.mark.parametrize("name", FILES)
def test_files_that_do_not_belong_together_are_refused(
    model: Path, tmp_path: Path, name: str
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(model, mixed)
    (mixed / name).write_bytes((mixed / name).read_bytes() + b"\0")
    guard = create_head("unsafe", mixed)
    for _ in range(2):
        with pytest.raises(ConfigError, match="not the one its manifest names"):
            guard.check(Question("the sea"))


def test_a_policy_finds_the_guards_by_name_in_the_folder_of_the_setting(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(model.parent))
    policy = watchpost.Policy(block=["injection"], flag=["unsafe", "refusal"])
    assert [rule.guard.name for rule in policy.rules] == ["injection", "unsafe", "refusal"]
