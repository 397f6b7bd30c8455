"""`watchpost guards attack`: known attacks in disguise, and which of them a guard lets through.

The shell around `harness.attack`. Exit code 1 when more gets through than `--fail-above` allows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.errors import ConfigError
from watchpost.screening.policy import find_guard
from watchpost_guards.command.progress import follow
from watchpost_guards.harness.attack.seeds import KINDS

if TYPE_CHECKING:
    from watchpost_guards.harness.attack.suite import Outcome

FOUND_SOMETHING = 1
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards attack` can be told."""
    add = parser.add_argument
    add("--guard", required=True, metavar="NAME", help="a guard's name, as in a policy")
    add("--kind", choices=KINDS, help="the attacks to use (default: the guard's own)")
    own = "your own, as lines of text and label (1 an attack)"
    add("--attacks", type=Path, metavar="FILE", help=own)
    add("--seed", type=int, default=0, help="of everything random (%(default)s)")
    add("--variants", type=int, default=1, help="of each attack and disguise (%(default)s)")
    add("--json", action="store_true", help="print every figure, and what got through, as JSON")
    add("--out", type=Path, metavar="FILE", help="write what got through as labelled lines")
    allowed = "exit with 1 when a larger share of the attacks gets through"
    add("--fail-above", type=float, metavar="SHARE", help=allowed)


def run(args: argparse.Namespace) -> int:
    """Attack and tell."""
    from watchpost_guards.harness.attack.suite import build_trials, read_seeds, run_trials

    kind = args.kind or (args.guard if args.guard in KINDS else None)
    if kind is None:
        cure = f"say which attacks are for it: one of {', '.join(KINDS)}"
        raise ConfigError("--kind", kind, cure)
    if args.variants < 1:
        raise ConfigError("--variants", args.variants, "give 1 or more")
    if args.fail_above is not None and not 0 <= args.fail_above <= 1:
        raise ConfigError("--fail-above", args.fail_above, "give a share between 0 and 1")
    guard = find_guard(args.guard)
    seeds = read_seeds(args.attacks) if args.attacks else ()
    trials = list(build_trials(kind, seeds, seed=args.seed, variants=args.variants))
    with follow(len(trials)) as progress:
        outcomes = run_trials(guard, trials, progress)
    told = _summarise(args, kind, outcomes)
    if args.out:
        _write(args.out, outcomes)
    if args.json:
        json.dump(told, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        for line in _tell(told):
            sys.stdout.write(f"{line}\n")
    share = (told["attacks"] - told["caught"]) / max(1, told["attacks"])
    return FOUND_SOMETHING if args.fail_above is not None and share > args.fail_above else 0


def _summarise(args: argparse.Namespace, kind: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    from watchpost_guards.harness.attack.suite import count_outcomes
    from watchpost_guards.harness.measures import count_interval

    tallies = count_outcomes(outcomes)
    attacks, caught = sum(t.attacks for t in tallies), sum(t.caught for t in tallies)
    return {
        "guard": args.guard,
        "revision": outcomes[0].verdict.revision if outcomes else "",
        "kind": kind,
        "seed": args.seed,
        "attacks": attacks,
        "caught": caught,
        "caught_interval": list(count_interval(caught, attacks)) if attacks else None,
        "harmless": sum(t.harmless for t in tallies),
        "alarms": sum(t.alarms for t in tallies),
        "failed": sum(outcome.verdict.failed for outcome in outcomes),
        "mutations": [asdict(tally) for tally in tallies],
        "through": [
            {
                "attack": outcome.trial.seed.name,
                "mutation": outcome.trial.mutation,
                "direction": outcome.trial.question.direction,
                "probability": outcome.verdict.probability,
                "failed": outcome.verdict.failed,
            }
            for outcome in _find_through(outcomes)
        ],
    }


def _find_through(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    return (o for o in outcomes if o.trial.seed.is_attack and not o.tripped)


def _write(path: Path, outcomes: Sequence[Outcome]) -> None:
    """What got through as data for `eval`, readable by its owner alone: it may be somebody's."""
    lines = [
        json.dumps(
            {
                "text": outcome.trial.question.text,
                "label": 1,
                "kind": outcome.trial.mutation,
                "attack": outcome.trial.seed.name,
            },
            ensure_ascii=False,
        )
        for outcome in _find_through(outcomes)
    ]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise ConfigError("--out", str(path), f"name a file to write ({error.strerror})") from error


def _tell(told: Mapping[str, Any]) -> Iterator[str]:
    from watchpost_guards.harness.telling import lay_out

    yield (
        f"guard {told['guard']}: {told['attacks']:,} attacks, {told['caught']:,} caught; "
        f"{told['harmless']:,} harmless texts in the same disguises, {told['alarms']:,} tripped"
    )
    if told["caught_interval"]:
        low, high = told["caught_interval"]
        share = told["caught"] / told["attacks"]
        yield f"caught {share:.1%} (95%: {low:.1%} to {high:.1%}, were these drawn by lot)"
    if told["failed"]:
        yield f"FAILED on {told['failed']:,} texts; an attack among them got through"
    yield ""
    rows = [("disguise", "attacks", "caught", "through", "harmless", "alarms")]
    rows += [
        (
            *(t["mutation"], str(t["attacks"]), str(t["caught"])),
            *(str(t["attacks"] - t["caught"]), str(t["harmless"]), str(t["alarms"])),
        )
        for t in told["mutations"]
    ]
    yield from lay_out(rows)
    yield ""
    disguises: dict[str, list[str]] = {}
    for item in told["through"]:
        disguises.setdefault(item["attack"], []).append(item["mutation"])
    for name, through in list(disguises.items())[:_SHOWN]:
        yield f"through: {name} as {', '.join(dict.fromkeys(through))}"
    if len(disguises) > _SHOWN:
        yield f"... and {len(disguises) - _SHOWN} more attacks with --json or --out FILE"
