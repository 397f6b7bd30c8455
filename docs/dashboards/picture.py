"""Takes pictures of all dashboards from a running watchpost (`watchpost demo` beside it), with the
SQL that Grafana would send: `.venv/bin/python docs/dashboards/picture.py [QUERY_URL [NAME...]]`
writes
docs/dashboards/*.png. Needs Chromium."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import sys
import time
import urllib.request
from pathlib import Path

from drawn_panels import COLUMN_PX, GAP_PX, ROW_PX, Frame, Mark, draw_panel
from playwright.sync_api import Page, sync_playwright
from small_png import save_small

from watchpost_dashboards.drawing import MOST_POINTS, build
from watchpost_dashboards.macros import View, expand
from watchpost_dashboards.panel import Sheet, Variable
from watchpost_dashboards.provisioned import SHEETS

FOLDER = Path(__file__).parent
# What stands above the panels in the pictures, where it is not "All".
CHOSEN = {
    "key": ["plan"],
    "budget": ["10"],
    "other": ["openai gpt-4o"],
    "status": ["any"],
    "order": ["newest"],
    "page": ["http://127.0.0.1:4318"],
}
# A demo that has just begun has no more of its own telemetry.
SINCE = {"operations": "now-1h"}
_UNITS_S = {"h": 3600, "d": 86400}
# A point is one of these long, as Grafana rounds it.
_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 12px Inter, "DejaVu Sans", sans-serif }
header { padding: 10px 8px 0; height: 62px; font-size: 16px }
header p { margin: 8px 0 0; font-size: 12px; color: #9fa1ac }
header b { font-weight: 400; color: #ccccdc; background: #22252b; padding: 3px 7px }
header b { margin: 0 10px 0 4px }
main { position: relative; margin-left: 8px }
section { position: absolute; background: #181b1f; border: 1px solid #25272d; overflow: hidden }
h2 { font-size: 13px; font-weight: 500; margin: 8px 10px 6px; white-space: nowrap }
.stat { text-align: center; font-size: 34px; margin-top: 18px }
.none { text-align: center; color: #6d6f78; margin-top: 30px }
table { border-collapse: collapse; width: 100% }
td, th { padding: 5px 8px; border-bottom: 1px solid #25272d; white-space: nowrap; font-weight: 400 }
th { color: #6e9fff; text-align: left } .n { text-align: right } th.n { text-align: right }
.l { color: #6e9fff } .dim { fill: #9fa1ac } text { fill: #ccccdc; font-size: 11px }
.grid { stroke: #25272d }
.legend { padding: 0 10px; line-height: 16px; height: 32px; overflow: hidden }
.legend span { margin-right: 12px; font-size: 11px; white-space: nowrap }
.legend i { display: inline-block; width: 12px; height: 3px; margin-right: 5px }
.legend i { vertical-align: middle }
"""


def ask(url: str, sql: str) -> Frame:
    """What a statement answers."""
    named = "default_format=JSONCompact&output_format_json_quote_64bit_integers=0"
    request = urllib.request.Request(f"{url}/?{named}", sql.encode())  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        told = json.load(answer)
    return Frame({column["name"]: column["type"] for column in told["meta"]}, told["data"])


def draw_sheet(url: str, sheet: Sheet, now_s: int) -> tuple[str, int]:
    """A whole dashboard as a page, and how high it is."""
    number, unit = re.fullmatch(r"now-(\d+)([hd])", SINCE.get(sheet.name, sheet.since)).groups()  # type: ignore[union-attr]
    long_s = int(number) * _UNITS_S[unit]
    step_s = next(step for step in _STEPS_S if step >= long_s / MOST_POINTS)
    view = View(now_s - long_s, now_s, step_s, {**CHOSEN, "trace": [find_trace(url)]})
    marks: list[Mark] = []
    for rollout in sheet.rollouts:
        told = ask(url, expand(f"SELECT toUnixTimestamp(time) FROM ({rollout.sql})", view))  # noqa: S608
        marks += [(float(str(row[0])), rollout.colour) for row in told.rows]
    placed = build(sheet)["panels"]
    span = (float(view.since_s), float(view.until_s), step_s)
    drawn = [
        draw_panel(panel, one["gridPos"], ask(url, expand(panel.sql, view)), span, marks)
        for panel, one in zip(sheet.panels, placed, strict=True)
    ]
    rows = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in placed)
    chosen = "".join(
        f"{variable.label or variable.name}<b>{html.escape(name_choice(variable))}</b>"
        for variable in sheet.variables
        if variable.kind != "text" or variable.name in CHOSEN
    )
    head = f"<header>{html.escape(sheet.title.capitalize())}<p>{chosen}</p></header>"
    page = f"<!doctype html><style>{_STYLE}</style>{head}<main>{''.join(drawn)}</main>"
    return page, rows * ROW_PX + 62 + GAP_PX


def name_choice(variable: Variable) -> str:
    """What stands beside a variable's name."""
    return ", ".join(CHOSEN.get(variable.name, ["All"]))


def find_trace(url: str) -> str:
    """The trace of the last day with the most calls that cost something."""
    sql = (
        "SELECT trace_id FROM watchpost.generations WHERE start > now() - INTERVAL 1 DAY"
        " GROUP BY trace_id ORDER BY count() DESC, sum(cost) DESC LIMIT 1"
    )
    return str(ask(url, sql).rows[0][0])


def take_picture(page: Page, sheet: Sheet, drawn: str, height: int) -> Path:
    """Write one picture."""
    page.set_viewport_size({"width": 24 * COLUMN_PX + GAP_PX, "height": height})
    page.set_content(drawn)
    path = FOLDER / f"{sheet.name}.png"
    save_small(page, path)
    return path


def main(url: str, *names: str) -> None:
    """All of them, or those named, at one moment."""
    now_s = int(time.time())
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        for sheet in (one for one in SHEETS if not names or one.name in names):
            path = take_picture(page, sheet, *draw_sheet(url, sheet, now_s))
            sys.stdout.write(f"{path.name} {path.stat().st_size // 1000} kB\n")
        browser.close()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8123"]))
