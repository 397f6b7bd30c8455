"""The web page people look at: an overview, the list of traces, one trace.

`build_page` is all the server sees. Nothing heavy is imported before it is called, because NiceGUI
takes a second to load and the server listens before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from watchpost.serving.keys import Keys
    from watchpost_collector.alerting.running import Alerting
    from watchpost_collector.page.application import Page
    from watchpost_collector.page.reading import Reader


class PageContext(Protocol):
    """What the page needs of the server."""

    @property
    def reader(self) -> Reader: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def alerting(self) -> Alerting | None: ...


def build_page(context: PageContext) -> Page:
    """The page as an ASGI application for the server's root, websocket included.

    Call once a process. The first request starts it; `await page.close()` stops it.
    """
    from watchpost_collector.page.application import build

    def show_alerts() -> Mapping[str, Any] | None:
        return context.alerting.show() if context.alerting is not None else None

    return build(context.reader, context.keys, show_alerts)
