"""Pages that say one thing, whole in themselves: not ready yet, and nothing here.

No NiceGUI is needed for them and nothing is fetched, so they can be shown while the rest is still
loading. No text of a request gets into one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from watchpost.serving.asgi import RETRY_S, send_page
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.context import Context
from watchpost_collector.page.look import CSS, FAVICON, HEADERS, LOGO, THEME_COOKIE

_CHOSEN = re.compile(rf"(?:^|;)\s*{THEME_COOKIE}=(dark|light)\s*(?:;|$)")
# As NiceGUI does it for those who chose nothing: after the browser's own wish.
_WISH = (
    "<script>if (matchMedia('(prefers-color-scheme: dark)').matches) "
    "document.body.className = 'body--dark'</script>"
)
_WAITS_FOR = {
    "starting": "It waits for its store to open, which takes a few seconds.",
    "away": "It waits for its store, which cannot be reached. It tries again every few seconds; "
    'what <span class="mono">watchpost up</span> prints says why.',
    "ready": "The store is open; it waits for this page's own program to be loaded.",
}
_TAKEN = "Spans are taken already and are kept on disk until the store has them."
_RELOADS = "This page reloads by itself until everything is there."


async def show_waiting(context: Context, scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer whoever comes before the collector is ready with a page that reloads itself."""
    sentences = (_WAITS_FOR[context.flusher.state.name], _TAKEN, _RELOADS)
    page = _draw("Watchpost is starting", sentences, scope, reload_s=RETRY_S)
    await send_page(send, 503, page, HEADERS, retry_after_s=RETRY_S)


def draw_missing(scope: Scope) -> bytes:
    """The page for a path that nothing is at, with the way back."""
    back = '<a class="wp-button" href="/" data-test="back">Back to the overview</a>'
    return _draw("There is nothing here", ("No page of watchpost has this address.",), scope, back)


def _draw(
    title: str, sentences: Iterable[str], scope: Scope, more: str = "", reload_s: int = 0
) -> bytes:
    theme = _read_theme(scope)
    reload = f'<meta http-equiv="refresh" content="{reload_s}">' if reload_s else ""
    told = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{reload}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · watchpost</title><link rel="icon" href="data:image/svg+xml,'
        f'{quote(FAVICON)}"><style>body {{ margin: 0 }} {CSS}</style></head>'
        f'<body class="body--{theme or "light"}">{"" if theme else _WISH}'
        f'<header class="wp-top"><a class="wp-brand" href="/">{LOGO}<span>watchpost</span></a>'
        f'</header><main class="wp"><div class="wp-empty" data-test="notice"><h1>{title}</h1>'
        f"{told}{more}</div></main></body></html>"
    ).encode()


def _read_theme(scope: Scope) -> str:
    """What was chosen in this browser: dark, light, or nothing."""
    for name, value in scope["headers"]:
        if name == b"cookie" and (chosen := _CHOSEN.search(value.decode("latin-1"))):
            return chosen[1]
    return ""
