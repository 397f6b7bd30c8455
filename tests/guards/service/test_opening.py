"""A service from what its operator chose: what cannot be had is told before it listens."""

import asyncio
import time
from pathlib import Path

import pytest
import yaml

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Question
from watchpost_guards.models.folder import SETTING
from watchpost_guards.service import opening
from watchpost_guards.service.catalogue import load_catalogue
from watchpost_guards.service.desk import Asked, Limits
from watchpost_guards.service.opening import Choice, open_desk, read_choice
from watchpost_guards.service.schedule import Bounds


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of the real folder belongs to the whole process."""
    monkeypatch.setenv(SETTING, str(tmp_path))


@pytest.mark.parametrize(
    ("choice", "setting"),
    [
        (Choice(models=("mind-reader",)), "--models"),
        (Choice(guards=("mind-reader",)), "--guards"),
        (Choice(bounds=Bounds(batch_tokens=511)), "--batch-tokens"),
        (Choice(limits=Limits(threads=0)), "--threads"),
        (Choice(dtype="float8"), "--dtype"),
        (Choice(device="tpu"), "--device"),
        (Choice(device="cuda:one"), "--device"),
        (Choice(models=("llama-guard",)), "--catalogue llama-guard"),
        (Choice(catalogue=Path("nowhere.yaml")), "--catalogue"),
    ],
)
def test_what_cannot_be_had_is_told_by_its_option(choice: Choice, setting: str) -> None:
    with pytest.raises(ConfigError) as error:
        open_desk(choice, lambda line: None)
    assert error.value.setting == setting


def test_a_model_of_the_hub_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        open_desk(Choice(models=("toxicity",)), lambda line: None)
    assert error.value.extra == "gpu"
    assert "toxicity" in str(error.value)


def test_guards_without_their_model_are_left_out_and_named() -> None:
    said: list[str] = []
    desk = open_desk(Choice(), said.append)
    desk.close()
    assert {"secrets", "length"} <= set(desk.roster.names)
    assert any(line.startswith("without unsafe:") for line in said)
    assert "unsafe" not in desk.roster.names


def test_a_guard_of_form_is_served_only_where_it_is_named() -> None:
    served = []
    for guards in ((), ("schema", "pii")):
        desk = open_desk(Choice(guards=guards), lambda line: None)
        desk.close()
        served.append(set(desk.roster.names))
    assert "pii" in served[0]
    assert "schema" not in served[0]
    assert served[1] == {"schema", "pii"}


def test_only_the_guards_asked_for_are_there() -> None:
    desk = open_desk(Choice(guards=("secrets",)), lambda line: None)
    desk.open()
    asked = Asked(Question("password=hunter2hunter2"), ("secrets",), time.monotonic() + 60)
    (verdict,) = asyncio.run(desk.answer(asked))
    desk.close()
    assert desk.roster.names == ("secrets",)
    assert not verdict.failed


def test_the_configuration_of_a_cluster_asks_for_what_there_is() -> None:
    root = Path(__file__).resolve().parents[3]
    (application,) = yaml.safe_load((root / "deploy" / "ray-guards.yaml").read_text())[
        "applications"
    ]
    module, _, function = application["import_path"].partition(":")
    source = (root / "guards" / (module.replace(".", "/") + ".py")).read_text()
    choice = read_choice(application["args"])
    known = load_catalogue()
    assert f"def {function}(" in source
    assert all(name in known and known[name].find_source() for name in choice.models[1:])
    assert (choice.models[0], choice.device) == ("embedded", "cuda")
    with pytest.raises(ConfigError):
        read_choice({"model": "embedded"})
