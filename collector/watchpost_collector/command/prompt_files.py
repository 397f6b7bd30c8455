"""Prompts as files: a text is a text, YAML and JSON hold chat messages or say more of themselves.

A file's name is its prompt's: `prompts/support/reply.md` pushed as `prompts` is `support/reply`. It
reads and checks; it does not know where prompts go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError, MissingExtra
from watchpost.template import Template, read_template

TEXTS = (".md", ".txt")
STRUCTURED = (".yaml", ".yml", ".json")
_KEYS = ("name", "note", "template", "messages")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt as a file has it; `note` is '' where the file says none."""

    path: Path
    name: str
    template: Template
    note: str = ""


def read_prompt_files(path: Path, name: str = "") -> list[PromptFile]:
    """The prompts of a file, or of every file below a folder, in the order of their names.

    `name` takes the place of a single file's own. Raises ConfigError that names the file.
    """
    if not path.is_dir():
        return [_read(path, name or path.stem, is_named=bool(name))]
    if name:
        raise ConfigError("--name", name, "a folder's prompts are named by their files")
    found = [_read(file, _name_of(file, path)) for file in _list_files(path)]
    if not found:
        endings = ", ".join((*TEXTS, *STRUCTURED))
        raise ConfigError("FILE|DIR", str(path), f"it holds no prompt ({endings})")
    seen: dict[str, PromptFile] = {}
    for prompt in sorted(found, key=lambda prompt: prompt.name):
        if prompt.name in seen:
            cure = f"{seen[prompt.name].path} is a prompt of the same name: rename one of them"
            raise ConfigError("FILE|DIR", str(prompt.path), cure)
        seen[prompt.name] = prompt
    return list(seen.values())


def _list_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in (*TEXTS, *STRUCTURED) and path.is_file():
            yield path


def _name_of(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _read(path: Path, name: str, *, is_named: bool = False) -> PromptFile:
    try:
        # Line ends are those of the machine that wrote the file, not of the template.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        cure = f"name a file or folder that can be read ({error.strerror})"
        raise ConfigError("FILE|DIR", str(path), cure) from error
    except UnicodeDecodeError as error:
        raise ConfigError("FILE|DIR", str(path), f"byte {error.start} is no UTF-8 text") from error
    try:
        if path.suffix.lower() not in STRUCTURED:
            # The last line break ends the file; the same text in code has none.
            return PromptFile(path, name, read_template(text.removesuffix("\n")))
        return _read_structured(path, name, _parse(path, text), is_named=is_named)
    except ConfigError as error:
        if error.setting == "FILE|DIR":
            raise
        raise ConfigError("FILE|DIR", str(path), f"its {error}") from error


def _read_structured(path: Path, name: str, found: Any, *, is_named: bool) -> PromptFile:
    if isinstance(found, list):
        return PromptFile(path, name, read_template(found))
    one = isinstance(found, Mapping) and ("template" in found) != ("messages" in found)
    unknown = sorted(str(key) for key in found if key not in _KEYS) if one else []
    if not one or unknown:
        what = f"{unknown[0]!r} is none of its keys: " if unknown else ""
        cure = f"{what}write template: or messages:, and name: and note: if you like"
        raise ConfigError("FILE|DIR", str(path), cure)
    said = str(found.get("name") or "")
    template = read_template(found.get("template", found.get("messages")))
    note = str(found.get("note") or "")
    return PromptFile(path, name if is_named or not said else said, template, note)


def _parse(path: Path, text: str) -> Any:
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError("FILE|DIR", str(path), f"it is no JSON ({error})") from error
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtra("server", f"reading {path.name} (it needs yaml)") from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ConfigError("FILE|DIR", str(path), f"it is no YAML ({told})") from error
