"""The dashboards' JSON as it is checked in, provisioned and pushed. It knows where it lies."""

import json
from collections.abc import Iterator
from pathlib import Path

from watchpost_dashboards.drawing import build
from watchpost_dashboards.panel import Sheet
from watchpost_dashboards.sheets import (
    cost,
    latency,
    operations,
    overview,
    prompts,
    quality,
    traces,
)

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
SHEETS: tuple[Sheet, ...] = tuple(
    room.SHEET for room in (overview, cost, latency, prompts, quality, traces, operations)
)


def find_path(sheet: Sheet) -> Path:
    """Where the JSON of a dashboard lies."""
    return FOLDER / f"{sheet.name}.json"


def write_all() -> Iterator[Path]:
    """Write every dashboard, so that a change shows as a diff."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for sheet in SHEETS:
        path = find_path(sheet)
        path.write_text(json.dumps(build(sheet), indent=2, sort_keys=True) + "\n")
        yield path
