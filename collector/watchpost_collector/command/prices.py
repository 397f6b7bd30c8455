"""`watchpost prices list|load|update|explain|backfill`: what calls cost, why, and from when on.

It talks to a running watchpost over its main port; what changes a price takes an admin key there.
Only `update` leaves the machine, for the public list. It does not know the store.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.command.columns import format_columns
from watchpost_collector.command.connection import KEY_SETTING, MAIN_URL, URL_SETTING
from watchpost_collector.command.desk import JSON, ask, find_desk
from watchpost_collector.command.plain_text import show_plainly

FOUND_SOMETHING = 1
_FETCH_S = 30.0
_MOST_BYTES = 32 * 1024 * 1024
# Repricing a long history takes minutes, and answers when it is done.
_TIMEOUT_S = 3600.0
_SHOWN = 20
_PLAIN_RATES = ("request", "image", "search")
_MS_RATES = {"media_ms": "second", "gpu_ms": "GPU second"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost prices` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="the prices in force of the models that have calls")
    listed.add_argument("--model", default="", help="only models whose name holds this")
    listed.add_argument("--all", action="store_true", help="also of models without calls")
    load = verbs.add_parser("load", help="put your own prices in force, in place of those before")
    load.add_argument("file", type=Path, metavar="FILE", help="YAML; see the guide")
    update = verbs.add_parser("update", help="fetch the newest public price list")
    update.add_argument("--from", dest="source", metavar="FILE|URL", help="JSON of genai-prices")
    explain = verbs.add_parser("explain", help="how a trace's calls came to cost what they cost")
    explain.add_argument("trace", help="a trace id")
    explain.add_argument("--span", default="", help="one span of it")
    backfill = verbs.add_parser("backfill", help="price stored calls again by what is in force")
    backfill.add_argument("--since", default="", help="first day or time (UTC); default: all")
    backfill.add_argument("--until", default="", help="day or time (UTC) before which to stop")
    backfill.add_argument("--model", default="", help="one model")
    backfill.add_argument("--project", default="", help="one project")
    backfill.add_argument("--dry-run", action="store_true", help="say it and change nothing")
    for verb in (listed, load, update, explain, backfill):
        verb.add_argument("--url", help=f"a running collector ({URL_SETTING}; {MAIN_URL})")
        verb.add_argument("--key", help=f"an admin key (better in {KEY_SETTING})")
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; 1 when an explanation does not add up to what is stored."""
    answer = _ACTIONS[args.verb](args)
    if args.json:
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        for line in _TELLERS[args.verb](answer):
            shown = show_plainly(line.rstrip("\n"))
            sys.stdout.write(f"{shown}\n")
    wrong = any(not call["agrees"] for call in answer.get("calls", ()))
    return FOUND_SOMETHING if wrong else 0


def fetch_list(source: str) -> bytes:
    """The public list's JSON from a file or an address; '' is where its makers publish it.

    Raises ConfigError for a file that cannot be read, CollectorError when the network does not
    answer.
    """
    if not source:
        from genai_prices.update_prices import DEFAULT_UPDATE_URL

        source = DEFAULT_UPDATE_URL
    if urlsplit(source).scheme not in ("http", "https"):
        return _read(Path(source), "--from")
    try:
        with urllib.request.urlopen(source, timeout=_FETCH_S) as answer:  # noqa: S310 - http(s), above
            found: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        cure = "fetch it on a machine that reaches it and give the file with --from"
        raise CollectorError(f"{source} does not answer ({reason})", cure) from error
    if len(found) > _MOST_BYTES:
        raise CollectorError(f"{source} is more than {_MOST_BYTES:,} bytes", "is it a price list?")
    return found


def _list(args: argparse.Namespace) -> dict[str, Any]:
    return _ask(args, "GET", "", {"model": args.model, "every": "1" if args.all else ""})


def _load(args: argparse.Namespace) -> dict[str, Any]:
    body = _read(args.file, "FILE")
    return _ask(args, "POST", "/own", {"name": args.file.name}, body, "application/yaml")


def _update(args: argparse.Namespace) -> dict[str, Any]:
    return _ask(args, "POST", "/update", {}, fetch_list(args.source or ""))


def _explain(args: argparse.Namespace) -> dict[str, Any]:
    answer = _ask(args, "GET", "/explain", {"trace": args.trace, "span": args.span})
    if not answer["calls"]:
        raise CollectorError(f"no call of trace {args.trace} is stored", "check the id")
    return answer


def _backfill(args: argparse.Namespace) -> dict[str, Any]:
    names = ("since", "until", "model", "project", "dry_run")
    asked = {name: getattr(args, name) for name in names}
    answer = _ask(args, "POST", "/backfill", {}, json.dumps(asked).encode())
    return {**answer, "dry_run": args.dry_run}


def _ask(
    args: argparse.Namespace,
    method: str,
    path: str,
    fields: Mapping[str, str],
    body: bytes | None = None,
    kind: str = JSON,
) -> dict[str, Any]:
    target = f"/api/prices{path}?{urlencode(fields)}"
    return ask(find_desk(args.url, args.key, _TIMEOUT_S), method, target, body, kind)


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        cure = f"name a file that can be read ({error.strerror})"
        raise ConfigError(setting, str(path), cure) from error


def _tell_list(answer: Mapping[str, Any]) -> Iterator[str]:
    headings = ("provider", "model", "tier", "from", "above", "rates", "list", "by")
    rows = [headings]
    for price in answer["prices"]:
        rows.append(
            (
                *(price["provider"], price["model"], price["tier"] or "standard"),
                "" if price["valid_from"] == "1970-01-01" else price["valid_from"],
                f"{price['above']:,}" if price["above"] else "",
                ", ".join(_name_rate(*rate) for rate in _shorten(price["rates"])),
                *(price["name"], price["rule"]),
            )
        )
    yield from format_columns(rows).splitlines()
    yield f"public list: {answer['public']}; your own: {answer['own'] or 'none'}"
    yield from _tell_unpriced(answer["unpriced"])


def _tell_unpriced(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows[:_SHOWN]:
        yield f"no price: {row['provider']}/{row['model']} ({row['calls']:,} calls in 7 days)"


def _shorten(rates: Mapping[str, str]) -> Iterator[tuple[str, Decimal]]:
    """The rates without those that are only the plain ones again."""
    plain = {"input": rates.get("input"), "output": rates.get("output")}
    for name, rate in rates.items():
        side = "output" if name == "reasoning" or name.endswith("output") else "input"
        if name in plain or name in (*_PLAIN_RATES, *_MS_RATES, "character") or rate != plain[side]:
            yield name, Decimal(rate)


def _name_rate(name: str, rate: Decimal) -> str:
    if name in _PLAIN_RATES:
        return f"${_trim(rate / 1_000_000)} a {name}"
    if name == "character":
        return f"${_trim(rate)} a million characters"
    if name in _MS_RATES:
        return f"${_trim(rate / 1000)} a {_MS_RATES[name]}"
    return f"{name} {_trim(rate)}"


def _tell_load(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["known"]:
        yield f"nothing new: your prices {answer['version']} are in force already"
        return
    yield (
        f"your prices {answer['version']} are in force: {answer['entries']} entries, "
        f"{answer['models']} models; {answer['priced_anew']:,} calls that had no price have one"
    )
    yield "calls that had another price keep it until `watchpost prices backfill`"


def _tell_update(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["known"]:
        yield f"nothing new: genai-prices {answer['version']} is in force already"
        return
    yield f"genai-prices {answer['version']} is in force for what is stored from now on"
    for what in ("added", "removed", "changed"):
        models = answer[what]
        if models:
            more = f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
            yield f"{what} {len(models)}: {', '.join(models[:_SHOWN])}{more}"
    yield f"{answer['priced_anew']:,} calls that had no price have one"
    if answer["changed"]:
        yield "calls that had another price keep it until `watchpost prices backfill`"


def _tell_explain(answer: Mapping[str, Any]) -> Iterator[str]:
    for call in answer["calls"]:
        yield f"{call['start']}  {call['provider']}/{call['model']}  span {call['span_id']}"
        row = call["row"]
        if row is not None:
            since = "" if row["valid_from"] == "1970-01-01" else f", from {row['valid_from']}"
            above = f", above {row['above']:,} input tokens" if row["above"] else ""
            tier = f"{row['tier'] or 'standard'} tier"
            yield f"  {call['state']} by {row['name']} ({row['rule']}): {tier}{since}{above}"
        for line in call["lines"]:
            count = _trim(Decimal(line["quantity"]))
            rate, dollars = _trim(Decimal(line["rate"])), _trim(Decimal(line["dollars"]))
            yield f"  {count:>14} {line['told']:<34} x ${rate} {line['per']} = ${dollars}"
        yield f"  cost {_name_cost(call)}; tokens: {call['usage_source']}"
        if call["cost_reported"] is not None:
            yield f"  the emitter said ${_trim(Decimal(call['cost_reported']))}"
        if not call["agrees"]:
            yield f"  THIS IS NOT WHAT IS STORED: ${call['cost']}; please report it"


def _name_cost(call: Mapping[str, Any]) -> str:
    return f"${_trim(Decimal(call['total']))}" if call["total"] is not None else call["why"]


def _tell_backfill(answer: Mapping[str, Any]) -> Iterator[str]:
    verb = "would be" if answer["dry_run"] else "were"
    yield (
        f"{answer['looked_at']:,} calls looked at, {answer['changed']:,} {verb} priced anew: "
        f"${_trim(Decimal(answer['before']))} before, ${_trim(Decimal(answer['after']))} after"
    )
    for shift in answer["shifts"][:_SHOWN]:
        before, after = _trim(Decimal(shift["before"])), _trim(Decimal(shift["after"]))
        named = f"{shift['provider']}/{shift['model']}"
        yield f"  {named}: {shift['calls']:,} calls, ${before} -> ${after}"


def _trim(value: Decimal) -> str:
    """A number without the zeros at its end."""
    text = format(value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_ACTIONS = {
    "list": _list,
    "load": _load,
    "update": _update,
    "explain": _explain,
    "backfill": _backfill,
}
_TELLERS = {
    "list": _tell_list,
    "load": _tell_load,
    "update": _tell_update,
    "explain": _tell_explain,
    "backfill": _tell_backfill,
}
