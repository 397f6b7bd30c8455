"""The catalogue: which models a service knows by name, and what their answers mean.

Entries are read strictly from YAML, the shipped file and one of the operator's own. Nothing is
loaded here, and no entry names code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from watchpost.errors import ConfigError
from watchpost.yaml_page import Node, YamlPage, read_text_file

SETTING = "--catalogue"
Task = Literal["classify", "tag", "entail", "generate"]
Style = Literal["llama_guard", "granite_guardian"]
MOST_BYTES = 256 * 1024
_REVISION_MARK = "{revision}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One model: where it comes from and what its labels mean.

    `model` is its id on the hub; `path` a folder in the hub's format instead, in which
    `{revision}` may stand; `url` the OpenAI-compatible endpoint of a `generate` entry, asked with
    the key in the environment variable `key_variable`. `several` says that labels do not exclude
    each other, `beside` what is read beside the text ("context"), `refused` why it is not loaded.
    """

    name: str
    task: Task
    model: str = ""
    revision: str = ""
    licence: str = ""
    path: str = ""
    url: str = ""
    key_variable: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    harmless: tuple[str, ...] = ()
    several: bool = False
    threshold: float = 0.5
    width: int = 512
    beside: str = ""
    style: Style = "llama_guard"
    criterion: str = "harm"
    timeout_s: float = 10.0
    refused: str = ""

    def find_source(self) -> str:
        """What `transformers` is asked to load. Raises ConfigError where nothing may be."""
        where = f"{SETTING} {self.name}"
        if self.refused:
            raise ConfigError(where, self.model, f"choose another model: {self.refused}")
        if self.path:
            if _REVISION_MARK in self.path and not self.revision:
                raise ConfigError(where, self.path, "write its `revision` too")
            return self.path.replace(_REVISION_MARK, self.revision)
        if not self.revision:
            cure = "write the commit you looked at as its `revision` in a --catalogue of your own"
            raise ConfigError(where, self.model, cure)
        return self.model

    def at(self, revision: str) -> "Entry":
        """The same model at another revision."""
        return replace(self, revision=revision)


def load_catalogue(path: Path | None = None) -> dict[str, Entry]:
    """The shipped entries, and those of a file over them. Raises ConfigError with file and line."""
    shipped = files(__package__) / "catalogue.yaml"
    entries = _read_page("catalogue.yaml", shipped.read_text(encoding="utf-8"))
    if path is not None:
        entries |= _read_page(path.name, read_text_file(SETTING, path, MOST_BYTES))
    return entries


def _read_page(name: str, text: str) -> dict[str, Entry]:
    page = YamlPage(SETTING, name)
    top = page.compose(text, MOST_BYTES, "write a name and its entry")
    return {key.value: _read_entry(page, key, node) for key, node in page.read_pairs(top, None)}


def _read_entry(page: YamlPage, key: Node, node: Node) -> Entry:
    readers = _list_readers(page)
    fields = page.read_fields(node, tuple(readers))
    if "task" not in fields:
        raise page.refuse(key, f"say its `task`: one of {', '.join(get_args(Task))}")
    if not fields.keys() & {"model", "path"}:
        raise page.refuse(key, "say its `model` (an id on the hub) or its `path` (a folder)")
    entry = Entry(key.value, **{name: readers[name](value) for name, value in fields.items()})
    if entry.task != "generate" and not (entry.labels or entry.refused):
        raise page.refuse(key, "say what its `labels` mean: {THEIRS: ours}")
    return entry


def _list_readers(page: YamlPage) -> dict[str, Any]:
    text, number = page.read_text, partial(_read_number, page)
    return {
        **dict.fromkeys(("model", "revision", "licence", "path", "url", "key_variable"), text),
        **dict.fromkeys(("criterion", "refused"), text),
        "task": partial(_choose, page, get_args(Task)),
        "style": partial(_choose, page, get_args(Style)),
        "beside": partial(_choose, page, ("context",)),
        "labels": partial(_read_labels, page),
        "harmless": lambda node: tuple(page.read_texts(node)),
        "several": partial(_read_truth, page),
        "threshold": partial(number, 0.0, 1.0),
        "timeout_s": partial(number, 0.001, 600.0),
        "width": lambda node: int(number(8, 1 << 20, node)),
    }


def _choose(page: YamlPage, offered: tuple[str, ...], node: Node) -> str:
    word = page.read_text(node)
    if word not in offered:
        raise page.refuse(node, f"use one of {', '.join(offered)}")
    return word


def _read_labels(page: YamlPage, node: Node) -> dict[str, str]:
    return {name: page.read_text(value) for name, value in page.read_fields(node, None).items()}


def _read_truth(page: YamlPage, node: Node) -> bool:
    value = page.read_plain(node)
    if not isinstance(value, bool):
        raise page.refuse(node, "write true or false")
    return value


def _read_number(page: YamlPage, least: float, most: float, node: Node) -> float:
    value = page.read_plain(node)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise page.refuse(node, f"write a number from {least:g} to {most:g}")
    return float(value)
