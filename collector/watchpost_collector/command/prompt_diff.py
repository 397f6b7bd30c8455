"""Two templates side by side: lines that differ, tokens they take, variables that come and go.

Token counts are tiktoken's and an estimate: placeholders count as they stand, and no two models
frame messages alike. Pure functions from templates to lines; it knows no server.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from watchpost.pricing.tokens import count_tokens
from watchpost.template import CHAT, Template

DEFAULT_MODEL = "gpt-4o"
_CONTEXT_LINES = 3


def write_lines(template: Template) -> list[str]:
    """A template as lines to read: of messages each role, then what it says."""
    if template.kind != CHAT:
        return template.source.split("\n")
    lines: list[str] = []
    for message in template.content:
        rest = {key: value for key, value in message.items() if key not in ("role", "content")}
        lines.append(f"[{message['role']}]" + (f" {_dump(rest)}" if rest else ""))
        content = message.get("content", "")
        lines += (content if isinstance(content, str) else _dump(content, indent=2)).split("\n")
    return lines


def tell_difference(before: Template, after: Template, model: str) -> Iterator[str]:
    """The lines that tell what changed; none of the text's where nothing did."""
    old, new = write_lines(before), write_lines(after)
    yield tell_tokens("tokens", count(old, model), count(new, model), model)
    yield from tell_variables(before, after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT_LINES):
        yield from _tell_hunk(group, old, new, model)
    if before.kind != after.kind:
        yield f"a {before.kind} template became a {after.kind} template"


def tell_variables(before: Template, after: Template) -> Iterator[str]:
    """One line of the variables that come and go, if any do: whoever renders it has to follow."""
    come = [name for name in after.variables if name not in before.variables]
    gone = [name for name in before.variables if name not in after.variables]
    if come or gone:
        signed = [f"+{name}" for name in come] + [f"-{name}" for name in gone]
        yield f"variables: {', '.join(signed)} (whoever renders it has to give what it has)"


def tell_tokens(what: str, before: int | None, after: int | None, model: str) -> str:
    """One line of two counts and their difference."""
    if before is None or after is None:
        return f"{what}: not counted, tiktoken's vocabulary is not here (set TIKTOKEN_CACHE_DIR)"
    change = after - before
    return f"{what}: about {before:,} -> {after:,} ({change:+,}), an estimate as {model} counts"


def count(lines: Sequence[str], model: str) -> int | None:
    """The tokens of these lines, None without a vocabulary."""
    return count_tokens("\n".join(lines), model)


def _tell_hunk(
    group: Sequence[tuple[str, int, int, int, int]],
    old: Sequence[str],
    new: Sequence[str],
    model: str,
) -> Iterator[str]:
    first, last = group[0], group[-1]
    before = count(old[first[1] : last[2]], model)
    after = count(new[first[3] : last[4]], model)
    tokens = (
        f" about {after - before:+,} tokens" if before is not None and after is not None else ""
    )
    yield f"@@ -{first[1] + 1},{last[2] - first[1]} +{first[3] + 1},{last[4] - first[3]} @@{tokens}"
    for kind, i1, i2, j1, j2 in group:
        if kind == "equal":
            yield from (f" {line}" for line in old[i1:i2])
            continue
        yield from (f"-{line}" for line in old[i1:i2])
        yield from (f"+{line}" for line in new[j1:j2])


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
