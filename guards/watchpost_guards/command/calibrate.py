"""`watchpost guards calibrate DATA...`: the threshold for a wanted false-positive rate.

The shell around `harness.calibration`: it reads your traffic, asks the guard, and prints what to
write into a policy. Exit code 1 when no threshold keeps to the rate, or the guard failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.errors import ConfigError
from watchpost.screening.guard import DIRECTIONS, Guard
from watchpost.screening.policy import find_guard
from watchpost_guards.command.progress import follow

if TYPE_CHECKING:
    from watchpost_guards.harness.traffic import Traffic

FOUND_SOMETHING = 1
_SHOWN_PLACES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards calibrate` can be told."""
    add = parser.add_argument
    taken = "texts taken as benign: JSON lines, gzipped or not, or Parquet of `watchpost export`"
    add("data", nargs="+", type=Path, metavar="DATA", help=taken)
    add("--guard", required=True, metavar="NAME", help="a guard's name, as in a policy")
    add("--fpr", type=float, default=0.01, help="wanted false-positive rate (%(default)s)")
    add("--direction", choices=DIRECTIONS, default="input", help="of the texts (%(default)s)")
    add("--json", action="store_true", help="print what was fitted as JSON")


def run(args: argparse.Namespace) -> int:
    """Fit and tell; 1 when there is no such threshold or the guard failed on a text."""
    from watchpost_guards.harness.traffic import read_traffic

    if not 0 < args.fpr < 1:
        raise ConfigError("--fpr", args.fpr, "give a rate between 0 and 1, as 0.01")
    guard = find_guard(args.guard)
    traffic = read_traffic(args.data, args.direction)
    told = _fit(guard, traffic, args.fpr)
    if args.json:
        json.dump(told, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        for line in _tell(told):
            sys.stdout.write(f"{line}\n")
    return FOUND_SOMETHING if told["failed"] or told["threshold"] is None else 0


def _fit(guard: Guard, traffic: Traffic, wanted: float) -> dict[str, Any]:
    import numpy as np

    from watchpost_guards.harness.calibration import count_needed, fit_threshold
    from watchpost_guards.harness.evaluation import ask
    from watchpost_guards.harness.measures import count_interval

    _refuse_few(len(traffic.benign), count_needed(wanted), wanted)
    with follow(len(traffic.benign) + len(traffic.positive)) as progress:
        verdicts = [a.verdict for a in ask(guard, [*traffic.benign, *traffic.positive], progress)]
    benign, positive = verdicts[: len(traffic.benign)], verdicts[len(traffic.benign) :]
    # A check that failed is no low score: its text is left out and told.
    scores = np.array([v.probability for v in benign if not v.failed])
    own = next((v.threshold for v in verdicts if not v.failed), 0.5)
    _refuse_few(len(scores), count_needed(wanted), wanted)
    fit = fit_threshold(scores, wanted, own)
    shipped = sum(v.tripped for v in benign if not v.failed)
    ranked = sorted(zip(benign, traffic.places, strict=True), key=lambda p: -p[0].probability)
    told: dict[str, Any] = {
        "guard": guard.name,
        "revision": next((v.revision for v in verdicts if not v.failed), ""),
        "n": fit.n,
        "repeated": traffic.repeated,
        "failed": sum(v.failed for v in verdicts),
        "wanted_fpr": wanted,
        "threshold": fit.threshold,
        "threshold_interval": list(fit.thresholds),
        "tripped": fit.tripped,
        "fpr_interval": list(fit.rate),
        "shipped": {
            "threshold": own,
            "tripped": shipped,
            "fpr_interval": list(count_interval(shipped, fit.n)),
        },
        "highest": [place for v, place in ranked[:_SHOWN_PLACES] if v.probability > 0],
    }
    if positive and fit.threshold is not None:
        caught = sum(v.probability >= fit.threshold for v in positive if not v.failed)
        bounds = list(count_interval(caught, len(positive)))
        told["recall"] = {"n": len(positive), "caught": caught, "interval": bounds}
    return told


def _refuse_few(texts: int, needed: int, wanted: float) -> None:
    if texts < needed:
        cure = f"{needed:,} distinct texts show it, and the guard answered {texts:,} here"
        raise ConfigError("--fpr", wanted, cure)


def _tell(told: Mapping[str, Any]) -> Iterator[str]:
    name, threshold, shipped = told["guard"], told["threshold"], told["shipped"]
    yield (
        f"guard {name}: {told['n']:,} distinct texts taken as benign "
        f"({told['repeated']:,} repeated ones left out)"
    )
    if told["failed"]:
        yield f"FAILED on {told['failed']:,} texts, which are left out"
    yield (
        f"at its own threshold {shipped['threshold']:g}: {shipped['tripped']:,} trip, "
        f"{shipped['tripped'] / told['n']:.2%} (95%: {_span(shipped['fpr_interval'])})"
    )
    if told["highest"]:
        yield f"scoring highest, look at them: {', '.join(told['highest'])}"
    if threshold is None:
        yield f"no threshold keeps to {told['wanted_fpr']:.2%}: more texts than that score 1.0"
        return
    low, high = told["threshold_interval"]
    yield (
        f"wanted at most {told['wanted_fpr']:.2%}: threshold {threshold:g} (95%: {low:.4g} to "
        f"{high:.4g}); {told['tripped']:,} of these texts reach it, on further such texts "
        f"{_span(told['fpr_interval'])} (95%)"
    )
    if "recall" in told:
        found = told["recall"]
        yield (
            f"of {found['n']:,} texts labelled positive {found['caught']:,} reach it "
            f"(95%: {_span(found['interval'])})"
        )
    yield "write into the policy:"
    yield f'    watchpost.Policy(flag=["{name}"], thresholds={{"{name}": {threshold!r}}})'
    yield "or, in a file:"
    yield "    guards:"
    yield f"      {name}: {{action: flag, threshold: {threshold!r}}}"


def _span(bounds: list[float]) -> str:
    return f"{bounds[0]:.2%} to {bounds[1]:.2%}"
