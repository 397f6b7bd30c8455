"""The page's look as text: styles, logo, the theme a browser remembers, and the headers of every
page. Needs no NiceGUI, so that it is there before NiceGUI is."""

from __future__ import annotations

from pathlib import Path

CSS = (Path(__file__).parent / "theme.css").read_text(encoding="utf-8")
LOGO = (
    '<svg width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" '
    'stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">'
    '<path d="M7 8.5 5.6 18h8.8L13 8.5M6 8.5h8M7.2 8.5V5h5.6v3.5M6.2 5 10 2.2 13.8 5z"/>'
    '<path d="M16 6.2 18.5 5M4 6.2 1.5 5M6.4 13h7.2"/></svg>'
)
FAVICON = LOGO.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace(
    "currentColor", "#4c78b8"
)
THEME_COOKIE = "watchpost-theme"
# NiceGUI's Vue compiles templates in the browser, hence unsafe-eval; nothing leaves this origin.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
