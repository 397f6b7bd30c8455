"""A real browser in front of a real server.

The browser lives as long as a test module: playwright keeps an event loop running in the thread,
and modules with async tests need theirs. A page that logs an error, throws, or asks for anything
that is not on loopback fails its test.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

# A busy machine is slow, and slow is not wrong.
expect.set_options(timeout=30_000)

_INSTALLING = Path(tempfile.gettempdir()) / "watchpost-chromium.lock"

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def find_chromium() -> str:
    """$CHROMIUM, or chromium on the PATH, or as root Debian's own, installed now."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    with _INSTALLING.open("w") as lock:
        # Tests run in several processes, and only one of them can install.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "update", "-q"], check=True, timeout=120)
            subprocess.run(["apt-get", "install", "-qy", "chromium"], check=True, timeout=280)
    found = shutil.which("chromium")
    if not found:
        pytest.fail("no browser: install chromium, or name one in $CHROMIUM")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@dataclass
class Faults:
    """What a page must not do."""

    console: list[str] = field(default_factory=list)
    thrown: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.thrown.append(str(error)))
        page.on("request", lambda request: self._see(request.url))
        page.on("websocket", lambda socket: self._see(socket.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self.console.append(text)

    def _see(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in LOOPBACK:
            self.foreign.append(url)


@pytest.fixture(scope="module")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser profile a module: what does not change is loaded once."""
    with chromium.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.set_default_timeout(30_000)
        yield context


@pytest.fixture
def browse(
    profile: BrowserContext, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Open a path of the session's server, or of `base`, in a fresh tab without cookies."""
    faults = Faults()

    def open_path(path: str, base: str = "") -> Page:
        page = profile.new_page()
        faults.watch(page)
        page.goto((base or request.getfixturevalue("server").page_url) + path)
        return page

    yield open_path
    for page in profile.pages:
        page.close()
    profile.clear_cookies()
    assert faults == Faults()
