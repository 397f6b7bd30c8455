"""A guard for tests: it trips on one word, and says where it stands."""

from __future__ import annotations

from watchpost.screening.guard import Finding, Question, Verdict


class WordGuard:
    """Finds one word, where it stands first."""

    name = "word"

    def __init__(self, word: str) -> None:
        self.word = word

    def check(self, question: Question) -> Verdict:
        start = question.text.find(self.word)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),) if start >= 0 else ()
        return Verdict("word", "WORD", float(bool(found)), tripped=bool(found), findings=found)
