"""Sentences of an answer or a document with their places, and which of them claim anything.

Rules for prose, lists, quotations, dialogues and lines that end where a page did. It does not know
what sentences are checked for. Everything here takes time linear in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Ends a sentence where a space or a line's end follows; closing marks belong to it.
_STOP = re.compile(r"[.!?\u2026\u3002]+[\"'\u201d\u2019\u00bb)\]]*(?=\s|$)|[\u3002\uff01\uff1f]")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|inc|ltd|co|corp|dept|est|fig|no|vol|pp?"
    r"|approx|al|cf|ca|gen|col|lt|sgt|capt|rev|hon|gov|sen|rep|jan|feb|mar|apr|jun|jul|aug|sept?"
    r"|oct|nov|dec|e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|u\.n|d\.c|[a-z]|(?:[a-z]\.)+[a-z])\.$",
    re.IGNORECASE,
)
# These end sentences too, where the next word is written large.
_EITHER = re.compile(
    r"(?:etc|inc|ltd|co|corp|a\.m|p\.m|u\.s|u\.k|u\.n|d\.c|jr|sr)\.$", re.IGNORECASE
)
_LIST_MARK = re.compile(r"\s*(?:[-*+\u2022\u2013\u2014]|\(?\d{1,3}[.)]|\(?[a-z][.)]|#{1,6})\s+")
_NUMBERED = re.compile(r"(?:^|\n)\s*\(?(?:\d{1,3}|[a-zA-Z])[.)]$")
# A line this long was cut by whoever wrapped it; the next goes on with its sentence.
_WRAPPED_FROM = 60
_WORD = re.compile(r"\w+")
_SPEAKER = re.compile(r"\s*([A-Z][\w.'-]*(?: [A-Z0-9][\w.'-]*){0,3}):\s+(?=\S)")

_GREETING = re.compile(
    r"\W*(?:(?:hi|hello|hey|dear|thanks?|thank you|you(?:'|\u2019)?re welcome|i(?:'|\u2019)?m sorry"
    r"|good (?:morning|afternoon|evening|question)|let me know|i hope|feel free|happy to help)\b"
    r"|(?:sure|certainly|of course|great|okay|ok|yes|no|sorry|please|absolutely)\b[^\w ]"
    r"|here (?:is|are) .*:$)",
    re.IGNORECASE,
)
_MOST_GREETING_WORDS = 9
_NUMBERS = re.compile(r"\d")
_UNKNOWING = re.compile(
    r"\b(?:i|we) (?:do not|don(?:'|\u2019)?t|cannot|can(?:'|\u2019)?t|could not"
    r"|couldn(?:'|\u2019)?t|am not able to|(?:am|are) unable to) "
    r"(?:know|say|tell|answer|find|see|determine|have)\b"
    r"|\b(?:context|documents?|passages?|texts?|sources?) (?:provided |given )?(?:do(?:es)? not"
    r"|do(?:es)?n(?:'|\u2019)?t) (?:say|mention|contain|provide|tell|specify|include|state)\b",
    re.IGNORECASE,
)
_MOST_UNKNOWING_WORDS = 25


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters `start` to `end` of a text, without the space around them.

    `speaker` is who says it in a dialogue whose line began with a name, where the sentence itself
    does not.
    """

    start: int
    end: int
    speaker: str = ""


def split_sentences(text: str) -> list[Sentence]:
    """Every sentence of a text in order; what holds no word is left out."""
    found: list[Sentence] = []
    for start, end in _split_lines(text):
        speaker = ""
        for first, last in _split_line(text, start, end):
            named = _SPEAKER.match(text, first, last)
            speaker = named[1] if named else speaker
            if _WORD.search(text, first, last):
                found.append(Sentence(first, last, "" if named else speaker))
    return found


def find_claims(text: str) -> list[Sentence]:
    """The sentences of a text that say something documents could support or not."""
    return [held for held in split_sentences(text) if is_claim(text[held.start : held.end])]


def is_claim(sentence: str) -> bool:
    """Whether a sentence says something that documents could support or not."""
    words = len(_WORD.findall(sentence))
    if sentence.rstrip("\"'\u201d\u2019) ").endswith("?") or words < 2:
        return False
    if sentence.rstrip().endswith(":") and words < _MOST_GREETING_WORDS:
        return False
    if (
        words <= _MOST_GREETING_WORDS
        and _GREETING.match(sentence)
        and not _NUMBERS.search(sentence)
    ):
        return _has_name(sentence)
    return not (words <= _MOST_UNKNOWING_WORDS and _UNKNOWING.search(sentence))


def _has_name(sentence: str) -> bool:
    """Whether a word in the middle is written large: a greeting that tells something after all."""
    words = sentence.split()
    return len(words) > 4 and any(word[:1].isupper() and word != "I" for word in words[2:])


def _split_lines(text: str) -> Iterator[tuple[int, int]]:
    """Stretches no sentence goes beyond: paragraphs, list items, headings, turns of a dialogue."""
    start = position = 0
    for line in text.splitlines(keepends=True):
        end = position + len(line)
        rest = text[end : end + 200]
        if not rest or _is_border(line.rstrip(), rest):
            yield start, end
            start = end
        position = end


def _is_border(line: str, rest: str) -> bool:
    following = rest.lstrip(" \t")
    if not line or following[:1] in ("\n", "\r") or len(line) < _WRAPPED_FROM:
        return True
    return bool(_LIST_MARK.match(rest) or _SPEAKER.match(rest) or line[-1] in ".!?:;")


def _split_line(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    first = start
    for stop in _STOP.finditer(text, start, end):
        if _ends_sentence(text, first, stop.start(), stop.end(), end):
            yield _strip(text, first, stop.end())
            first = stop.end()
    if text[first:end].strip():
        yield _strip(text, first, end)


def _ends_sentence(text: str, first: int, mark: int, stop: int, end: int) -> bool:
    following = text[stop : min(end, stop + 12)].lstrip("\"'\u201c\u2018([ \t\r\n*_")
    if text[mark] != "." or stop - mark > 1:
        return not following[:1].islower()
    before = text[max(first, mark - 14) : mark + 1]
    if _NUMBERED.search(text[max(0, first - 1) : mark + 1]) and mark - first < 6:
        return False
    if _ABBREVIATION.search(before):
        return bool(_EITHER.search(before)) and following[:1].isupper() and mark - first > 20
    return not following[:1].islower()


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
