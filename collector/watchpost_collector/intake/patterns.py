"""A person's own patterns as guards: a YAML file of names and regular expressions.

    patterns:
      - {name: ticket, pattern: "TCK-[0-9]{6}"}
      - {name: staff, pattern: "\\bE[0-9]{5}\\b", ignore_case: true}

A pattern that takes too long on a text has failed on it, and what failed is masked. This file
knows YAML and patterns; it does not know what is done with a finding.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import regex
import yaml

from watchpost.errors import ConfigError
from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle

_FILE_BYTES = 256 << 10
_MOST_PATTERNS = 200
_LONGEST_PATTERN = 2000
# A hostile text must not hold up the others.
_DEADLINE_S = 0.25
_KNOWN = {"name", "pattern", "ignore_case"}


class PatternGuard:
    """Finds one regular expression. Its label in a mask is its name in capitals."""

    pure = True
    locates = True

    def __init__(self, name: str, pattern: str, *, ignore_case: bool = False) -> None:
        self.name = name
        self._label = name.upper()
        self._pattern = regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
        self._revision = hashlib.sha256(f"{pattern}{ignore_case}".encode()).hexdigest()[:12]

    def check(self, question: Question) -> Verdict:
        """Every place of the pattern; TimeoutError when the text takes too long."""
        began = time.perf_counter()
        found = [
            Finding(match.start(), match.end(), self._label, 1.0)
            for match in self._pattern.finditer(question.text, timeout=_DEADLINE_S)
            if match.end() > match.start()
        ]
        took_ms = (time.perf_counter() - began) * 1000
        return settle(self.name, found, threshold=0.5, revision=self._revision, duration_ms=took_ms)


def read_patterns(path: Path, setting: str) -> list[Guard]:
    """The guards of a YAML file; ConfigError names `setting` and what is wrong in it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(setting, str(path), f"{error.strerror}; name a readable file") from error
    if len(content) > _FILE_BYTES:
        raise ConfigError(setting, str(path), f"keep it under {_FILE_BYTES} bytes")
    try:
        told = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ConfigError(setting, str(path), "it is no YAML: check its indentation") from error
    listed = told.get("patterns") if isinstance(told, dict) and set(told) == {"patterns"} else None
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_PATTERNS:
        cure = f"write `patterns:` and under it 1 to {_MOST_PATTERNS} entries of name and pattern"
        raise ConfigError(setting, str(path), cure)
    guards: list[Guard] = [_read_pattern(entry, path, setting) for entry in listed]
    return guards


def _read_pattern(entry: Any, path: Path, setting: str) -> PatternGuard:
    if not isinstance(entry, dict) or not {"name", "pattern"} <= set(entry) <= _KNOWN:
        cure = f"write every entry of `patterns` with {', '.join(sorted(_KNOWN))}"
        raise ConfigError(setting, str(path), cure)
    name, pattern = entry["name"], entry["pattern"]
    if not isinstance(name, str) or not regex.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise ConfigError(setting, str(path), "name a pattern by small letters, digits and _")
    if not isinstance(pattern, str) or not 0 < len(pattern) <= _LONGEST_PATTERN:
        raise ConfigError(setting, f"{path}: {name}", "write its pattern as one text")
    try:
        guard = PatternGuard(name, pattern, ignore_case=bool(entry.get("ignore_case", False)))
    except regex.error as error:
        raise ConfigError(setting, f"{path}: {name}", f"it is no pattern: {error}") from error
    if guard.check(Question("")).findings:
        raise ConfigError(setting, f"{path}: {name}", "it finds nothing in particular: narrow it")
    return guard
