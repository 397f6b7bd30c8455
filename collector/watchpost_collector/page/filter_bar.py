"""The row of controls that narrows a page: a time range and one picker a dimension. It changes the
address bar with every choice, so that what is on the screen can be sent to somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from watchpost_collector.page.elements import box, button
from watchpost_collector.page.filters import RANGES, Filters

LABELS = {
    "project": "Project",
    "service": "Service",
    "environment": "Environment",
    "model": "Model",
    "prompt": "Prompt",
    "version": "Version",
    "status": "Status",
    "user": "User",
    "session": "Session",
    "guard": "Guard tripped",
    "text": "Search in messages",
}
TYPED = ("user", "session", "text")


class FilterBar:
    """Lives as long as its page; `filters` is what is chosen now."""

    def __init__(
        self, path: str, filters: Filters, names: Sequence[str], changed: Callable[[], Any]
    ) -> None:
        self.filters = filters
        self._path = path
        self._changed = changed
        self._ranges: dict[str, ui.element] = {}
        self._pickers: dict[str, ui.select] = {}
        self._bar = box("div", "wp-bar", "filters")
        with self._bar:
            with box("div", "wp-ranges", "ranges"):
                for name in RANGES:
                    self._ranges[name] = button(
                        name, partial(self.choose, "range", name), "", f"range-{name}"
                    )
            for name in names:
                self._draw_picker(name)
        self._mark_range()

    def _draw_picker(self, name: str) -> None:
        value: str = getattr(self.filters, name)
        if name in TYPED:
            control: ui.input | ui.select = ui.input(LABELS[name], value=value)
            control.on("keydown.enter", lambda _: self.choose(name, control.value or ""), args=[])
            control.on("blur", lambda _: self.choose(name, control.value or ""), args=[])
            control.on("clear", lambda _: self.choose(name, ""), args=[])
        else:
            control = ui.select(
                [value] if value else [],
                label=LABELS[name],
                value=value or None,
                clearable=True,
                on_change=lambda event: self.choose(name, event.value or ""),
            )
            self._pickers[name] = control
        control.classes(f"wp-pick {name}").props(
            "outlined dense clearable options-dense hide-bottom-space"
        )
        control.props["data-test"] = f"filter-{name}"

    def show(self, visible: bool) -> None:
        """Hide the controls while there is nothing to narrow."""
        self._bar.set_visibility(visible)

    def offer(self, choices: Mapping[str, Sequence[str]]) -> None:
        """Put the stored values of each dimension into its picker."""
        for name, picker in self._pickers.items():
            chosen: str = getattr(self.filters, name)
            values = list(choices.get(name, ()))
            offered = values if not chosen or chosen in values else [chosen, *values]
            if picker.options != offered:
                picker.set_options(offered, value=chosen or None)

    def choose(self, name: str, value: str) -> None:
        """Narrow one dimension and tell the page."""
        if getattr(self.filters, name) == value:
            return
        self.turn(self.filters.narrowed(name, value))

    def turn(self, filters: Filters) -> None:
        """Take other filters, write them to the address bar and tell the page."""
        self.filters = filters
        query = filters.query_string()
        ui.navigate.history.replace(f"{self._path}?{query}" if query else self._path)
        self._mark_range()
        self._changed()

    def _mark_range(self) -> None:
        for name, element in self._ranges.items():
            element.classes(
                **({"add": "here"} if name == self.filters.range else {"remove": "here"})
            )
