"""A YAML file under its reader's eyes: read strictly, and every complaint names it and the line.

Nodes are read, never objects made: no tag of a file's own means anything, and a scalar stays the
text that was written unless its reader asks for plain values. Aliases, keys written twice or not
known, files too large or nested too deeply are refused. It does not know what a file is about.
PyYAML comes with the extras, so import this only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from watchpost.errors import ConfigError

_MOST_DEPTH = 8
_SHOWN_CHARACTERS = 60

# The C loader takes a tenth of the time, and is not everywhere.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_PLAIN: Mapping[str, Callable[[str], Any]] = {
    f"{_TAG}str": str,
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}bool": lambda text: {"true": True, "false": False}[text.lower()],
    f"{_TAG}null": lambda _: None,
}
"""What a scalar without quotes is read as. What only YAML calls a number or a truth is refused."""

Node = yaml.Node
Fields = Mapping[str, yaml.Node]


def read_text_file(setting: str, path: Path, most_bytes: int) -> str:
    """The file's text; a byte more than `most_bytes` where it is longer.

    Raises ConfigError about `setting` when it cannot be read.
    """
    try:
        with path.open("rb") as opened:
            found = opened.read(most_bytes + 1)
        return found.decode("utf-8")
    except OSError as error:
        cure = f"name a file that can be read ({error.strerror})"
        raise ConfigError(setting, str(path), cure) from error
    except UnicodeDecodeError as error:
        raise ConfigError(setting, str(path), "write it in UTF-8") from error


class YamlPage:
    """One file: `setting` is what it was given for, `name` what it is called in complaints."""

    def __init__(self, setting: str, name: str) -> None:
        self._setting = setting
        self._name = name

    def compose(self, text: str, most_bytes: int, cure: str) -> yaml.Node:
        """The document as nodes. `cure` says what to write into an empty one."""
        if len(text.encode("utf-8", "surrogatepass")) > most_bytes:
            raise ConfigError(self._setting, self._name, f"keep it below {most_bytes:,} bytes")
        try:
            # Looked through first: composing goes as deep as the file does.
            self._check_events(yaml.parse(text, Loader=_LOADER))
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            where = f"{self._name}:{line}"
            raise ConfigError(self._setting, where, f"it is no YAML ({error.problem})") from error
        except yaml.YAMLError as error:
            raise ConfigError(self._setting, self._name, "it is no YAML text") from error
        if node is None:
            raise ConfigError(self._setting, self._name, f"it is empty: {cure}")
        return node

    def _check_events(self, events: Iterable[yaml.Event]) -> None:
        depth = 0
        for event in events:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            cure = "write it out: no aliases" if isinstance(event, yaml.AliasEvent) else ""
            if depth > _MOST_DEPTH:
                cure = "it is nested too deeply"
            if cure:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigError(self._setting, f"{self._name}:{line}", cure)

    def refuse(self, node: yaml.Node, cure: str) -> ConfigError:
        """The error about a place in the file."""
        told = node.value if isinstance(node, yaml.ScalarNode) else ""
        place = f"{self._name}:{node.start_mark.line + 1}"
        shown = f"{place} {str(told)[:_SHOWN_CHARACTERS]!r}" if told else place
        return ConfigError(self._setting, shown, cure)

    def read_fields(self, node: yaml.Node, allowed: Sequence[str] | None) -> dict[str, yaml.Node]:
        """A mapping's values by key; each key once, and only `allowed` ones where that is given."""
        return {key.value: value for key, value in self.read_pairs(node, allowed)}

    def read_pairs(
        self, node: yaml.Node, allowed: Sequence[str] | None
    ) -> list[tuple[yaml.Node, yaml.Node]]:
        """A mapping's keys and values, as `read_fields` has them, the keys with their places."""
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(node, "write keys and values here")
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.refuse(key, "a key is a word")
            if key.value in seen:
                raise self.refuse(key, "the key is here twice: leave one out")
            if allowed is not None and key.value not in allowed:
                raise self.refuse(key, f"no such key here: use {', '.join(allowed)}")
            seen.add(key.value)
        return list(node.value)

    def read_list(self, node: yaml.Node) -> list[yaml.Node]:
        """A list's items."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(node, "write a list here: every item begins with '- '")
        return list(node.value)

    def read_text(self, node: yaml.Node) -> str:
        """A word or a line."""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.refuse(node, "write a text here")
        return str(node.value).strip()

    def read_texts(self, node: yaml.Node) -> list[str]:
        """One text or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return [self.read_text(one) for one in nodes]

    def read_plain(self, node: yaml.Node) -> Any:
        """Whatever is written, as texts, numbers, truths, None, lists and mappings."""
        if isinstance(node, yaml.MappingNode):
            return {key.value: self.read_plain(value) for key, value in self.read_pairs(node, None)}
        if isinstance(node, yaml.SequenceNode):
            return [self.read_plain(item) for item in node.value]
        read = _PLAIN.get(node.tag)
        if read is None:
            raise self.refuse(node, "write a text, a number, true, false or null here")
        try:
            return read(node.value)
        except (ValueError, KeyError) as error:
            raise self.refuse(node, "write a plain number, or a text in quotes") from error
