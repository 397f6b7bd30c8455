"""`watchpost.Prompt`: a named template in one version, filled in with variables.

It is a value: another version is another prompt. What was filled in knows its prompt, and the scope
around is told, so that model calls say which prompt in which version they were made with, and how
long each variable was; the variables themselves are told to nobody. It does not know where prompts
are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from watchpost.errors import ConfigError, PromptError
from watchpost.origin import TURNS
from watchpost.prompts.filled import mark_texts
from watchpost.record import Origin
from watchpost.runtime import SHIELD
from watchpost.scope import current_scope
from watchpost.template import Template, fill, read_template

MOST_SIZES = 32
"""Sizes of more variables than this are left out: a span holds 128 attributes in all."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt: its `name`, its `template` and its `version`.

    The template is a text, or a sequence of chat messages like `{"role": "user", "content": ...}`;
    `{{name}}` in it stands for a variable. `version` is whatever the user calls it; without one it
    is the template's hash, so that an edit nobody announced still shows. `label` is the one it was
    fetched by, '' for one defined in code. Raises ConfigError for what is no template.
    """

    name: str
    # Compared as it was read: messages are lists, which have no hash.
    template: str | Sequence[Mapping[str, Any]] = field(compare=False)
    version: str = ""
    label: str = ""
    _read: Template = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError("name", self.name, "give the prompt a name")
        read = read_template(self.template)
        object.__setattr__(self, "_read", read)
        # What the user passed may be changed later; a version may not.
        object.__setattr__(self, "template", read.content)
        object.__setattr__(self, "version", _spell(self.version) or read.sha[:12])

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order in which the template has them."""
        return self._read.variables

    @property
    def template_hash(self) -> str:
        """Twelve hexadecimal digits that stand for the template."""
        return self._read.sha[:12]

    @property
    def origin(self) -> Origin:
        """What calls made with this prompt say of it."""
        return Origin(prompt=self.name, version=self.version, template_hash=self.template_hash)

    def render(self, /, **variables: object) -> Any:
        """The template with its variables filled in: a text, or a new list of messages.

        Values that are no texts are written as `str` writes them. Calls of patched clients that
        send these very texts carry the prompt, and so do others that start after this in the
        observed function or span around; a text put together from one of them is a plain text.
        Raises PromptError that names the variables that are missing (None is missing) or that the
        template does not have.
        """
        known = self.variables
        missing = [name for name in known if variables.get(name) is None]
        unknown = [name for name in variables if name not in known]
        if missing or unknown:
            raise PromptError(self.name, _explain(missing, unknown, known))
        values = {name: str(variables[name]) for name in known}
        filled = fill(self._read, values)
        with SHIELD:
            origin = self.origin
            sizes = {name: len(values[name]) for name in known[:MOST_SIZES]}
            scope = current_scope()
            if scope is not None:
                scope.follow_prompt(origin, sizes)
            return mark_texts(filled, replace(origin, sizes=sizes, said=next(TURNS)))
        return filled


def _spell(version: object) -> str:
    """A version as text; numbers are taken as well."""
    return "" if version is None else str(version)


def _explain(missing: Sequence[str], unknown: Sequence[str], known: Sequence[str]) -> str:
    told = []
    if missing:
        told.append(f"no value for {', '.join(missing)}")
    if unknown:
        told.append(f"no variable {', '.join(unknown)} in it")
    has = ", ".join(known) if known else "none"
    return f"{' and '.join(told)} (its variables: {has})"
