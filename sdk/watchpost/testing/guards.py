"""A guard whose answers a test writes down."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable

from watchpost.screening.guard import Finding, Question, Verdict


class FakeGuard:
    """Answers by script, then trips on words; `asked` lists the questions it was asked.

    Each item of `script` answers one question: True trips, False does not, a number is the
    probability (0.5 and more trips), a `Verdict` is given as it is, an exception is raised, as a
    guard fails. After the script, a text trips in which one of `words` stands, which is found where
    it stands (so that a redacting policy masks it); without words nothing does.
    """

    def __init__(
        self,
        name: str = "fake",
        script: Iterable[bool | float | Verdict | Exception] = (),
        *,
        words: Iterable[str] = (),
        label: str = "FAKE",
    ) -> None:
        self.name = name
        self.label = label
        self.asked: list[Question] = []
        self._script = deque(script)
        self._words = re.compile("|".join(map(re.escape, words)) or r"(?!)")
        self._lock = threading.Lock()

    def check(self, question: Question) -> Verdict:
        """The next answer of the script, else what the words say."""
        with self._lock:
            self.asked.append(question)
            answer = self._script.popleft() if self._script else None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Verdict):
            return answer
        if answer is None:
            return self._look_for_words(question.text)
        probability = float(answer)
        tripped = probability >= Verdict(self.name).threshold
        return Verdict(self.name, self.label, probability, tripped=tripped)

    def _look_for_words(self, text: str) -> Verdict:
        findings = tuple(
            Finding(match.start(), match.end(), self.label, 1.0)
            for match in self._words.finditer(text)
        )
        if not findings:
            return Verdict(self.name)
        return Verdict(self.name, self.label, 1.0, tripped=True, findings=findings)
