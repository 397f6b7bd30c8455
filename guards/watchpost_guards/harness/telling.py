"""An evaluation told: as JSON with the keys that programs read, and as lines for a terminal.

Figures and names only, never a text. This file measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from watchpost_guards.harness.evaluation import Evaluation, Slice, SpanReport
from watchpost_guards.harness.measures import Figures
from watchpost_guards.harness.spans import SpanFigures

# Of a way to slice that has many values, those worst off are shown; JSON and report have all.
SHOWN_SLICES = 12
_AT_THRESHOLD = ("precision", "recall", "f1", "f2")
_HEADINGS = {
    "auc": "AUC",
    "pr_auc": "PR AUC",
    "recall_at_1pct_fpr": "R@1%FP",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "f2": "F2",
    "fpr": "FPR",
    "balanced_accuracy": "balanced",
}
Row = tuple[str, ...]


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values.

    For data with spans `precision`, `recall`, `f1` and `f2` are those of spans, and the areas and
    rates those of whole texts (does it hold any?), whose own four stand under `texts`.
    """
    spans = evaluation.spans
    told: dict[str, Any] = {
        "guard": evaluation.guard,
        "revision": evaluation.revision,
        "threshold": evaluation.threshold,
        "data": list(evaluation.files),
        "unit": "spans" if spans else "texts",
        **_merge(evaluation.figures, spans.overall if spans else None),
        "failed": sum(evaluation.failures.values()),
        "failures": dict(evaluation.failures),
        "latency_ms": dict(evaluation.latency_ms),
        "baselines": {name: asdict(found) for name, found in evaluation.baselines.items()},
    }
    if spans:
        told["texts"] = {name: getattr(evaluation.figures, name) for name in _AT_THRESHOLD}
        told["spans"] = _spans_to_json(spans)
    told["slices"] = [
        {"by": part.by, "value": part.value, **_merge(part.figures, part.spans)}
        for part in evaluation.slices
    ]
    return told


def tell(evaluation: Evaluation) -> Iterator[str]:
    """Lines for a terminal, widest tables last."""
    figures = evaluation.figures
    yield (
        f"guard {evaluation.guard}, revision {evaluation.revision or '-'}, threshold "
        f"{evaluation.threshold:g}: {figures.n:,} texts, {figures.positives:,} of them to be found"
    )
    for reason, times in evaluation.failures.items():
        yield f"FAILED on {times:,} texts ({reason}); they count as not tripped"
    yield ""
    yield from lay_out(list(overall_rows(evaluation)))
    yield f"calibration error {show(figures.calibration_error)}, Brier {show(figures.brier)}"
    spent = evaluation.latency_ms
    yield "latency in ms: " + ", ".join(f"{name} {value:,.2f}" for name, value in spent.items())
    if evaluation.spans:
        yield ""
        yield from _tell_spans(evaluation.spans)
    for by in dict.fromkeys(part.by for part in evaluation.slices):
        yield ""
        parts = [part for part in evaluation.slices if part.by == by]
        most = len(parts) if by == "file" else SHOWN_SLICES
        yield from lay_out(list(slice_rows(by, parts, most)))


def overall_rows(evaluation: Evaluation) -> Iterator[Row]:
    """The guard beside its baselines, a heading first."""
    yield ("texts", *_HEADINGS.values())
    yield (evaluation.guard, *_cells(asdict(evaluation.figures)))
    for name, found in evaluation.baselines.items():
        yield (f"{name} ({found.rule})", *_cells(asdict(found)))


def slice_rows(by: str, parts: Sequence[Slice], most: int = SHOWN_SLICES) -> Iterator[Row]:
    """One way to slice, a heading first; the values with most missed or wrongly tripped first."""
    has_spans = any(part.spans for part in parts)
    measured = ("spans", "recall", "precision", "F2") if has_spans else tuple(_HEADINGS.values())
    yield (by, "texts", "positive", *measured)
    ordered = parts if by == "file" else sorted(parts, key=_badness, reverse=True)
    for part in ordered[:most]:
        figures = part.figures
        cells = _span_cells(part.spans) if part.spans else _cells(asdict(figures))
        yield (_plain(part.value), f"{figures.n:,}", f"{figures.positives:,}", *cells)
    if len(ordered) > most:
        yield (f"... and {len(ordered) - most} more in --json and --report",)


def span_rows(spans: SpanReport) -> Iterator[Row]:
    """Labels and what was found of each, a heading first, all together second."""
    yield ("label", "spans", "findings", "precision", "recall", "F1", "F2")
    for label, one in (("all", spans.overall), *spans.by_label.items()):
        yield (
            *(label, f"{one.known:,}", f"{one.said:,}"),
            *(show(one.precision), show(one.recall), show(one.f1), show(one.f2)),
        )


def type_rows(spans: SpanReport) -> Iterator[Row]:
    """The data's types, the labels they were brought to, and the recall of each."""
    yield ("type in the data", "our label", "spans", "recall")
    for kind, (label, known, recall) in spans.by_type.items():
        yield (kind, label, f"{known:,}", show(recall))


def lay_out(rows: Sequence[Row]) -> Iterator[str]:
    """Rows in columns, numbers to the right."""
    widths: list[int] = []
    for row in rows:
        for place, cell in enumerate(row if len(row) > 1 else ()):
            widths[place:] = [max([*widths[place : place + 1], len(cell)]), *widths[place + 1 :]]
    for row in rows:
        if len(row) == 1:
            yield row[0]
            continue
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
        yield "  ".join(cells).rstrip()


def show(value: float | None) -> str:
    """A share with three decimals; a dash where it is not defined."""
    return "-" if value is None else f"{value:.3f}"


def _plain(value: str) -> str:
    """A value out of somebody's data on one line, moving no cursor."""
    return "".join(c if c.isprintable() else " " for c in value)[:48]


def _tell_spans(spans: SpanReport) -> Iterator[str]:
    yield from lay_out(list(span_rows(spans)))
    yield (
        f"of the known characters {show(spans.hidden)} are marked whatever they are called; "
        f"{show(spans.hidden_precision)} of the marked ones are known"
    )
    yield ""
    yield from lay_out(list(type_rows(spans)))


def _cells(values: Mapping[str, Any]) -> Row:
    return tuple(show(values.get(name)) for name in _HEADINGS)


def _span_cells(spans: SpanFigures) -> Row:
    return (f"{spans.known:,}", show(spans.recall), show(spans.precision), show(spans.f2))


def _merge(figures: Figures, spans: SpanFigures | None) -> dict[str, Any]:
    told = asdict(figures)
    if spans:
        told |= {name: getattr(spans, name) for name in _AT_THRESHOLD}
    return told


def _spans_to_json(spans: SpanReport) -> dict[str, Any]:
    return {
        "overall": asdict(spans.overall),
        "by_label": {label: asdict(one) for label, one in spans.by_label.items()},
        "by_type": {
            kind: {"label": label, "known": known, "recall": recall}
            for kind, (label, known, recall) in spans.by_type.items()
        },
        "hidden": spans.hidden,
        "hidden_precision": spans.hidden_precision,
    }


def _badness(part: Slice) -> float:
    figures = part.figures
    if part.spans:
        return part.spans.known * (1 - (part.spans.recall or 0.0))
    missed = figures.positives * (1 - (figures.recall or 0.0))
    return missed + (figures.n - figures.positives) * (figures.fpr or 0.0)
