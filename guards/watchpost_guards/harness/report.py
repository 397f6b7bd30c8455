"""An evaluation as a page: `report.html`, whole in itself, and `figures.json` beside it.

Figures, names and places only: no text of the data is in it, so that it can be handed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from watchpost.errors import ConfigError
from watchpost_guards.harness.chart import Line, draw_bars, draw_lines
from watchpost_guards.harness.evaluation import Evaluation
from watchpost_guards.harness.measures import Flags, Scores, bin_by_score, rates, trace_curve
from watchpost_guards.harness.telling import (
    Row,
    overall_rows,
    show,
    slice_rows,
    span_rows,
    to_json,
    type_rows,
)

_BARS = 20
_STYLE = """
body { font: 14px/1.45 sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { display: inline-block; margin: .5rem; }
"""


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write the report into a folder, made when it is not there; the page's path.

    Raises ConfigError for a folder that cannot be written.
    """
    page = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(write_page(evaluation), encoding="utf-8")
        figures = json.dumps(to_json(evaluation), indent=2)
        (folder / "figures.json").write_text(figures + "\n", encoding="utf-8")
    except OSError as error:
        cure = f"name a folder that can be written ({error.strerror})"
        raise ConfigError("--report", str(folder), cure) from error
    return page


def write_page(evaluation: Evaluation) -> str:
    """The page as HTML."""
    title = f"Guard {evaluation.guard}, revision {evaluation.revision or '-'}"
    body = "\n".join(_write_body(evaluation))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _write_body(evaluation: Evaluation) -> Iterator[str]:
    figures, spans = evaluation.figures, evaluation.spans
    yield _say(
        f"{figures.n:,} texts of {', '.join(evaluation.files)}, {figures.positives:,} of them to "
        f"be found; threshold {evaluation.threshold:g}. "
        f"{sum(evaluation.failures.values()):,} checks failed and count as not tripped."
    )
    if spans:
        yield "<h2>Spans</h2>"
        yield _write_table(list(span_rows(spans)))
        yield _say(
            "A known span is found when findings of its label cover half of it; a finding is right "
            "when half of it lies in known spans of its label. Of the known characters "
            f"{show(spans.hidden)} are marked whatever they are called, and "
            f"{show(spans.hidden_precision)} of the marked characters are known."
        )
        yield _write_table(list(type_rows(spans)))
    yield "<h2>Whole texts</h2>"
    yield _write_table(list(overall_rows(evaluation)))
    if evaluation.baselines:
        yield _say(
            "A baseline takes the direction and the threshold that suit it best on this very data; "
            "a guard that is no better than one has learnt nothing that this data can show."
        )
    yield _say(
        f"Calibration error {show(figures.calibration_error)}, Brier score {show(figures.brier)}. "
        "Milliseconds a check: "
        + ", ".join(f"{name} {value:,.2f}" for name, value in evaluation.latency_ms.items())
    )
    yield from (f"<figure>{chart}</figure>" for chart in draw_charts(evaluation))
    for by in dict.fromkeys(part.by for part in evaluation.slices):
        parts = [part for part in evaluation.slices if part.by == by]
        yield f"<h2>By {escape(by)}</h2>"
        yield _write_table(list(slice_rows(by, parts, len(parts))))


def draw_charts(evaluation: Evaluation) -> Iterator[str]:
    """ROC, precision over recall, calibration, scores of both classes; what is not defined, not."""
    scores, positive = evaluation.scores, evaluation.positive
    if positive.any() and not positive.all():
        curve = trace_curve(scores, positive)
        recall, fpr = rates(curve)
        precision = curve.true / (curve.true + curve.false)
        roc = Line(evaluation.guard, list(zip(fpr.tolist(), recall.tolist(), strict=True)))
        reached = Line(
            evaluation.guard, list(zip(recall[1:].tolist(), precision.tolist(), strict=True))
        )
        share = evaluation.figures.positives / evaluation.figures.n
        always = Line("always yes", [(0.0, share), (1.0, share)])
        yield draw_lines("ROC", "false-positive rate", "recall", [roc], diagonal=True)
        yield draw_lines("Precision and recall", "recall", "precision", [reached, always])
    bins = [(said, was) for said, was, _ in bin_by_score(scores, positive)]
    told = Line("mean of a bin", bins, dots=True)
    yield draw_lines("Calibration", "probability said", "share found true", [told], diagonal=True)
    groups = [
        ("to be found", _share_bars(scores, positive)),
        ("not", _share_bars(scores, ~positive)),
    ]
    yield draw_bars("Scores", "probability", "share of texts", groups)


def _share_bars(scores: Scores, chosen: Flags) -> list[float]:
    counted, _ = np.histogram(scores[chosen], bins=_BARS, range=(0.0, 1.0))
    shares: list[float] = (counted / max(1, int(chosen.sum()))).tolist()
    return shares


def _say(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _write_table(rows: Sequence[Row]) -> str:
    lines = []
    for number, row in enumerate(rows):
        tag = "td" if number else "th"
        lines.append("<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"
