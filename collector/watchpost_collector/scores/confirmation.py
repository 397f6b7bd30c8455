"""The pages behind a feedback link: a question with one button, a thank you, and what is wrong.

They are whole by themselves: no script, no image, nothing from anywhere. Every text of a link is
escaped. This file knows HTML; it knows no token and no store.
"""

from __future__ import annotations

from html import escape

from watchpost.scores.score import MOST_COMMENT, Score
from watchpost_collector.scores.spelling import spell

HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        b"frame-ancestors 'none'; base-uri 'none'",
    ),
    # The link itself must not travel on; but a form's own origin has to be told.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 30rem }}
body {{ margin: 12vh auto; padding: 0 1rem }}
h1 {{ font-size: 1.3rem }}
textarea {{ width: 100%; box-sizing: border-box; font: inherit }}
button {{ font: inherit; padding: .5rem 1.4rem; margin-top: 1rem; cursor: pointer }}
</style>
<main><h1>{title}</h1>{body}</main></html>
"""
_FORM = """<p>{name}: <strong>{value}</strong></p>
<form method="post"><label for="comment">Comment, if you like</label>
<textarea id="comment" name="comment" rows="4" maxlength="{most}"></textarea>
<button type="submit">Send</button></form>"""


def draw_question(score: Score) -> bytes:
    """The page that asks whether to send this score."""
    form = _FORM.format(name=escape(score.name), value=_spell(score), most=MOST_COMMENT)
    return _draw("Send your feedback?", form)


def draw_thanks(score: Score) -> bytes:
    """The page after the button."""
    said = f"<p>{escape(score.name)}: <strong>{_spell(score)}</strong></p>"
    return _draw("Thank you", said)


def draw_refusal(reason: str) -> bytes:
    """The page for a link that cannot be used."""
    return _draw("This link cannot be used", f"<p>{escape(reason)}</p>")


def _spell(score: Score) -> str:
    return escape(spell(score.kind, score.value, score.label))


def _draw(title: str, body: str) -> bytes:
    return _PAGE.format(title=escape(title), body=body).encode()
