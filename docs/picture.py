"""Takes the README's picture of the overview from a running watchpost (`watchpost demo` beside it):
`.venv/bin/python docs/picture.py [URL]` writes docs/overview.png. Needs Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).with_name("overview.png")


def take_picture(url: str) -> None:
    """Open the last 14 days at `url`, wait until they are drawn, and save what is seen."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 906}, device_scale_factor=1.5)
        page.goto(f"{url.rstrip('/')}/?range=14d")
        page.wait_for_function(
            "document.querySelector('[data-test=tile-calls]').dataset.value > 0", timeout=60_000
        )
        page.wait_for_timeout(1_000)  # the charts draw themselves a frame later
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    take_picture(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4318")
