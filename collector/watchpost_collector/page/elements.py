"""The few elements every page is built from. Stored text goes into text nodes and attribute values
and nowhere else: no HTML, no Markdown, no string of properties that NiceGUI would parse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from watchpost_collector.page.look import CSS, LOGO, THEME_COOKIE


def box(tag: str, classes: str = "", test: str = "") -> ui.element:
    """An element to put others in; `test` is the marker that tests find it by."""
    element = ui.element(tag).classes(classes)
    if test:
        element.props["data-test"] = test
    return element


def text(tag: str, value: str, classes: str = "", test: str = "", title: str = "") -> TextElement:
    """An element with nothing but text in it."""
    element = TextElement(tag=tag, text=value).classes(classes)
    if test:
        element.props["data-test"] = test
    if title:
        element.props["title"] = title
    return element


def link(label: str, target: str, classes: str = "", test: str = "") -> TextElement:
    """An anchor inside this server; `target` must begin with a slash."""
    if not target.startswith("/") or target.startswith("//"):
        raise ValueError(f"{target!r} is not a path of this server")
    element = text("a", label, classes, test)
    element.props["href"] = target
    return element


def button(label: str, action: Callable[[], Any], classes: str, test: str = "") -> TextElement:
    """A native button."""
    element = text("button", label, classes, test)
    element.props["type"] = "button"
    element.on("click", lambda _: action(), args=[])
    return element


def chip(value: str, tone: str = "") -> TextElement:
    """A small label; tones are bad, warn, good, info and violet."""
    return text("span", value, f"chip {tone}", title=value)


def trace_path(trace_id: str) -> str:
    """Where a trace is shown."""
    return f"/trace/{quote(trace_id, safe='')}"


def draw_frame(here: str, theme: str) -> TextElement:
    """Styles and the top bar; returns the label that says how fresh the page is."""
    ui.add_css(CSS)
    dark = ui.dark_mode({"dark": True, "light": False}.get(theme))
    with box("header", "wp-top"):
        with box("a", "wp-brand") as brand:
            brand.props["href"] = "/"
            ui.html(LOGO, sanitize=False)
            text("span", "watchpost")
        with box("nav", "wp-nav"):
            for label, target in (("Overview", "/"), ("Traces", "/traces")):
                link(label, target, "here" if target == here else "")
        fresh = text("div", "", "wp-fresh", "fresh")
        with box("button", "wp-icon", "theme") as toggle:
            toggle.props["type"] = "button"
            toggle.props["aria-label"] = "Change between light and dark"
            ui.icon("contrast")
        toggle.on("click", lambda event: dark.set_value(bool(event.args)), js_handler=_TURN)
    return fresh


# Remembered where it was clicked: whoever reloads at once finds what was chosen.
_TURN = f"""() => {{
    const dark = !document.body.classList.contains('body--dark');
    const name = dark ? 'dark' : 'light';
    document.cookie = `{THEME_COOKIE}=${{name}}; path=/; max-age=31536000; samesite=strict`;
    emit(dark);
}}"""


def draw_table(
    headings: Iterable[tuple[str, bool]],
    rows: Iterable[Iterable[str | Callable[[], Any]]],
    test: str,
) -> None:
    """A table; a heading is (label, numeric), a cell is text or a function that fills the cell."""
    heads = list(headings)
    with box("table", "wp-table", test):
        with box("thead"), box("tr"):
            for label, numeric in heads:
                text("th", label, "num" if numeric else "")
        with box("tbody"):
            for row in rows:
                with box("tr"):
                    for (_, numeric), cell in zip(heads, row, strict=True):
                        draw_cell(cell, "num" if numeric else "")


def draw_cell(cell: str | Callable[[], Any], classes: str) -> None:
    """One `td`; long text is cut by the style sheet and whole in its title."""
    if isinstance(cell, str):
        text("td", cell, classes, title=cell if len(cell) > 30 else "")
        return
    with box("td", classes):
        cell()
