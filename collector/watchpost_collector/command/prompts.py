"""`watchpost prompts push|list|show|diff|label`: what applications fetch, and which version.

It talks to a running watchpost over its main port; what writes takes an admin key there. Moving a
label is how a version is put into use, and how it is taken back. It does not know the store.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from watchpost.template import Template, read_template
from watchpost_collector.command.columns import format_columns
from watchpost_collector.command.connection import KEY_SETTING, MAIN_URL, URL_SETTING
from watchpost_collector.command.desk import ask, find_desk
from watchpost_collector.command.plain_text import show_plainly
from watchpost_collector.command.prompt_diff import (
    DEFAULT_MODEL,
    count,
    tell_difference,
    tell_variables,
    write_lines,
)
from watchpost_collector.command.prompt_files import read_prompt_files

_PATH = "/api/v1/prompts"
_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost prompts` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    push = verbs.add_parser("push", help="add a file's prompt, or every one of a folder")
    push.add_argument("path", type=Path, metavar="FILE|DIR", help="text, Markdown, YAML or JSON")
    push.add_argument("--name", default="", help="the prompt's name, instead of the file's")
    push.add_argument("--label", default="", help="and have this label stand at it")
    push.add_argument("--note", default="", help="a word on what is new")
    listed = verbs.add_parser("list", help="all prompts, or one's versions and its labels' moves")
    listed.add_argument("name", nargs="?", default="", metavar="NAME")
    show = verbs.add_parser("show", help="a version's template")
    show.add_argument("name", metavar="NAME")
    show.add_argument("at", nargs="?", default="latest", metavar="VERSION|LABEL")
    diff = verbs.add_parser("diff", help="what changed between two versions, in text and tokens")
    diff.add_argument("name", metavar="NAME")
    diff.add_argument("before", metavar="A", help="a version or a label")
    diff.add_argument("after", metavar="B", help="a version or a label")
    diff.add_argument("--model", default=DEFAULT_MODEL, help="whose tokens (%(default)s)")
    label = verbs.add_parser("label", help="move a label: this is how a version is rolled back")
    label.add_argument("name", metavar="NAME")
    label.add_argument("label", metavar="LABEL")
    label.add_argument("at", metavar="VERSION|LABEL", help="where it shall stand")
    for verb in (push, listed, show, diff, label):
        verb.add_argument("--project", default="", help="another project than the key's own")
        verb.add_argument("--url", help=f"a running collector ({URL_SETTING}; {MAIN_URL})")
        verb.add_argument("--key", help=f"a key; an admin's to write (better in {KEY_SETTING})")
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    answer = _ACTIONS[args.verb](args)
    if args.json:
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    for line in _TELLERS[args.verb](answer, args):
        sys.stdout.write(show_plainly(line) + "\n")
    return 0


def _push(args: argparse.Namespace) -> dict[str, Any]:
    # All of them are read before they are sent together: a folder is not pushed by half.
    drafts = [
        {
            "name": file.name,
            "template": file.template.content,
            "note": args.note or file.note,
        }
        for file in read_prompt_files(args.path, args.name)
    ]
    answer = _ask(args, "POST", "push", {}, {"prompts": drafts, "label": args.label})
    for pushed in answer["pushed"]:
        if "moved" in pushed:
            _compare_ends(args, pushed["moved"])
    return answer


def _list(args: argparse.Namespace) -> dict[str, Any]:
    if args.name:
        return _ask(args, "GET", "history", {"name": args.name})
    return _ask(args, "GET", "library", {})


def _show(args: argparse.Namespace) -> dict[str, Any]:
    return _fetch(args, args.name, args.at)


def _diff(args: argparse.Namespace) -> dict[str, Any]:
    before, after = (_fetch(args, args.name, at) for at in (args.before, args.after))
    found = [count(write_lines(_template_of(one)), args.model) for one in (before, after)]
    return {"before": before, "after": after, "tokens": found, "estimate": args.model}


def _label(args: argparse.Namespace) -> dict[str, Any]:
    version = int(args.at) if _is_number(args.at) else _fetch(args, args.name, args.at)["version"]
    asked = {"name": args.name, "label": args.label, "version": version}
    moved = _ask(args, "POST", "label", {}, asked)
    _compare_ends(args, moved)
    return moved


def _compare_ends(args: argparse.Namespace, moved: dict[str, Any]) -> None:
    """Add to a label's move which variables it adds and takes away."""
    if moved["before"] and moved["before"] != moved["after"]:
        ends = [_fetch(args, moved["name"], str(moved[end])) for end in ("before", "after")]
        moved["variables"] = list(tell_variables(*map(_template_of, ends)))


def _fetch(args: argparse.Namespace, name: str, at: str) -> dict[str, Any]:
    key = "version" if _is_number(at) else "label"
    return _ask(args, "GET", "template", {"name": name, key: at})


def _ask(
    args: argparse.Namespace,
    method: str,
    path: str,
    fields: Mapping[str, str],
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    named = {**fields, **({"project": args.project} if args.project else {})}
    target = f"{_PATH}/{path}?{urlencode(named)}"
    sent = None if body is None else json.dumps(body).encode()
    return ask(find_desk(args.url, args.key, _TIMEOUT_S), method, target, sent)


def _tell_push(answer: Mapping[str, Any], args: argparse.Namespace) -> Iterator[str]:
    for pushed in answer["pushed"]:
        state = "new" if pushed["new"] else "as it was pushed before"
        yield f"{pushed['name']}: version {pushed['version']}, {state}"
        if "moved" in pushed:
            yield from (f"  {line}" for line in _tell_label(pushed["moved"], args))
    if not args.label and any(pushed["new"] for pushed in answer["pushed"]):
        yield "a new version is in use when a label is moved: watchpost prompts label NAME LABEL N"


def _tell_list(answer: Mapping[str, Any], args: argparse.Namespace) -> Iterator[str]:
    if args.name:
        yield from _tell_history(answer)
        return
    rows = [("name", "newest", "labels", "kind", "since", "note")]
    for found in answer["prompts"]:
        labels = ", ".join(f"{label} {at}" for label, at in found["labels"].items())
        newest, since = str(found["version"]), _shorten(found["created"])
        rows.append((found["name"], newest, labels, found["kind"], since, found["note"]))
    yield from _tabulate(rows)


def _tell_history(answer: Mapping[str, Any]) -> Iterator[str]:
    rows = [("version", "labels", "hash", "since", "note")]
    for found in answer["versions"]:
        number, labels = str(found["version"]), ", ".join(found["labels"])
        since = _shorten(found["created"])
        rows.append((number, labels, found["sha"][:12], since, found["note"]))
    yield from _tabulate(rows)
    for move in answer["moves"]:
        yield f"{_shorten(move['moved'])}  {move['label']} moved to {move['version']}"


def _tell_show(answer: Mapping[str, Any], args: argparse.Namespace) -> Iterator[str]:
    yield f"{_name(answer)}, {answer['kind']}, since {_shorten(answer['created'])}"
    if answer["note"]:
        yield f"note: {answer['note']}"
    yield ""
    yield from write_lines(_template_of(answer))


def _tell_diff(answer: Mapping[str, Any], args: argparse.Namespace) -> Iterator[str]:
    before, after = answer["before"], answer["after"]
    yield f"{_name(before)} -> {_name(after)}"
    if before["sha"] == after["sha"]:
        yield "the same template"
        return
    yield from tell_difference(_template_of(before), _template_of(after), args.model)


def _tell_label(moved: Mapping[str, Any], args: argparse.Namespace) -> Iterator[str]:
    what, before, after = f"{moved['label']} of {moved['name']}", moved["before"], moved["after"]
    if before == after:
        yield f"{what} stands at {after} already"
    elif before:
        yield f"{what} moved from {before} to {after}"
    else:
        yield f"{what} stands at {after} (it stood nowhere)"
    yield from moved.get("variables", ())


def _tabulate(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    # What people wrote may hold anything; a table has one line a row.
    shown = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    yield from format_columns(shown).splitlines()


def _name(found: Mapping[str, Any]) -> str:
    labels = f" ({', '.join(found['labels'])})" if found["labels"] else ""
    return f"{found['name']} version {found['version']}{labels}"


def _template_of(found: Mapping[str, Any]) -> Template:
    return read_template(found["template"])


def _is_number(at: str) -> bool:
    return at.isascii() and at.isdigit()


def _shorten(moment: str) -> str:
    """A moment without fractions of a second."""
    return moment[:19].replace("T", " ")


_ACTIONS = {"push": _push, "list": _list, "show": _show, "diff": _diff, "label": _label}
_TELLERS = {
    "push": _tell_push,
    "list": _tell_list,
    "show": _tell_show,
    "diff": _tell_diff,
    "label": _tell_label,
}
