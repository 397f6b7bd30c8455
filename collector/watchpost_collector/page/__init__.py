"""The web page people look at: an overview, the list of traces, one trace.

`build_page` is all the server sees. Nothing heavy is imported before it is called, because NiceGUI
takes a second to load and the server listens before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from watchpost.serving.keys import Keys
    from watchpost_collector.page.application import Page
    from watchpost_collector.page.reading import Reader


class PageContext(Protocol):
    """What the page needs of the server."""

    @property
    def reader(self) -> Reader: ...
    @property
    def keys(self) -> Keys: ...


def build_page(context: PageContext) -> Page:
    """The page as an ASGI application for the server's root, websocket included.

    Call once a process. The first request starts it; `await page.close()` stops it.
    """
    from watchpost_collector.page.application import build

    return build(context.reader, context.keys)
