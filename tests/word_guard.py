"""A guard for tests: it trips on one word, and says where it stands."""

from __future__ import annotations

import re

from watchpost.screening.guard import Finding, Question, Verdict


class WordGuard:
    """Finds one word wherever it stands."""

    name = "word"

    def __init__(self, word: str) -> None:
        self.word = word
        self.reach = len(word)

    def check(self, question: Question) -> Verdict:
        found = tuple(
            Finding(match.start(), match.end(), "WORD", 1.0)
            for match in re.finditer(re.escape(self.word), question.text)
        )
        return Verdict("word", "WORD", float(bool(found)), tripped=bool(found), findings=found)
