"""Which web pages may write scores: any that show a key; without keys only those of this machine.

The key is what allows it, so no page is trusted for where it comes from, and no browser adds
anything of its visitor's. This file knows headers; it knows no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from watchpost.serving.keys import is_loopback
from watchpost.serving.origin import is_same_origin

_DAY_S = 86_400


def may_write(headers: Mapping[str, str], *, has_keys: bool) -> bool:
    """Whether a request from the page it names may be looked at, by its headers in lower case."""
    if has_keys or is_same_origin(headers) is not False:
        return True
    try:
        # A program of this machine that is tried out in a browser here, on another port.
        return is_loopback(urlsplit(headers["origin"]).hostname or "")
    except ValueError:
        return False


def allow_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What lets the page read the answer; nothing where no page asked."""
    if "origin" not in headers:
        return []
    return [(b"access-control-allow-origin", b"*")]


def answer_preflight() -> list[tuple[bytes, bytes]]:
    """What a browser wants to know before it lets a page write."""
    return [
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"authorization, content-type, x-watchpost-key"),
        (b"access-control-max-age", str(_DAY_S).encode()),
    ]
