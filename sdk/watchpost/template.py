"""A prompt's template: a text or chat messages with `{{name}}` where a variable goes.

Everything here is a value or a pure function. A variable's name is that of a Python argument; what
stands in double braces and is no such name stays as it is, and so does a filled-in value that looks
like a placeholder. It does not know prompts' names, versions or where they are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from watchpost.errors import ConfigError

TEXT: Literal["text"] = "text"
CHAT: Literal["chat"] = "chat"
Kind = Literal["text", "chat"]
MOST_CHARACTERS = 256 * 1024
"""A longer template is refused: no model of today reads it as an instruction."""

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_MOST_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read. `source` is the text, or the messages as canonical JSON."""

    kind: Kind
    source: str
    variables: tuple[str, ...] = field(default=(), compare=False)

    @property
    def content(self) -> Any:
        """The text, or a new list of the messages."""
        return self.source if self.kind == TEXT else json.loads(self.source)

    @property
    def sha(self) -> str:
        """SHA-256 of the source in hexadecimal; its first twelve digits are `hash_template`'s."""
        return _digest(self.source)


def read_template(given: object) -> Template:
    """The template a text or a sequence of messages is. Raises ConfigError for anything else."""
    if isinstance(given, str):
        return _bounded(Template(TEXT, given, _find_variables(given)))
    if not isinstance(given, Sequence) or isinstance(given, bytes) or not given:
        raise ConfigError("template", given, "give a text, or a list of chat messages")
    for message in given:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise ConfigError(
                "template", message, 'write messages like {"role": ..., "content": ...}'
            )
    try:
        plain = [dict(message) for message in given]
        source = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError("template", given, "use only what JSON can hold") from error
    found: list[str] = []
    _walk(json.loads(source), lambda text: _note(found, text))
    return _bounded(Template(CHAT, source, tuple(dict.fromkeys(found))))


def fill(template: Template, values: Mapping[str, str]) -> Any:
    """The text, or the messages, with every placeholder replaced by its value.

    Values are put in once and are not looked into. A placeholder without a value is a KeyError.
    """
    return _walk(template.content, lambda text: _PLACEHOLDER.sub(lambda m: values[m[1]], text))


def hash_template(template: str) -> str:
    """Twelve hexadecimal digits that stand for a prompt template nobody numbered."""
    return _digest(template)[:12]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _bounded(template: Template) -> Template:
    if len(template.source) > MOST_CHARACTERS:
        told = f"{len(template.source):,} characters"
        raise ConfigError("template", told, f"keep it below {MOST_CHARACTERS:,}")
    return template


def _find_variables(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def _note(found: list[str], text: str) -> str:
    found.extend(_PLACEHOLDER.findall(text))
    return text


def _walk(value: Any, visit: Callable[[str], str], depth: int = 0) -> Any:
    """A copy of nested lists and mappings with every text in them visited; keys stay."""
    if isinstance(value, str):
        return visit(value)
    if depth > _MOST_DEPTH:
        raise ConfigError("template", "...", f"nest it at most {_MOST_DEPTH} levels deep")
    if isinstance(value, list):
        return [_walk(item, visit, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _walk(item, visit, depth + 1) for key, item in value.items()}
    return value
