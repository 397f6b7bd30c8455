"""The guard `pii`: identifiers that can be told by their form, most of them by their checksum.

Cards, IBANs, tax and health numbers through Presidio's pattern recognisers, e-mail addresses,
telephone numbers, IP addresses. It does not know names, streets or birthdays: those need a
language model, and this guard loads none. Its scores are Presidio's pattern scores and 1.0 for a
passed checksum: an order, not calibrated probabilities.
"""

import re
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain

from watchpost.errors import MissingExtra
from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle
from watchpost_guards.contacts import find_addresses, find_emails, find_phones
from watchpost_guards.identifiers import Catalogue, find_identifiers, load_catalogue

THRESHOLD = 0.5
REACH = 384
"""The longest is an e-mail address: 64 characters, the sign and a domain of 255. An identifier
takes at most 62, looks 48 further for its word's border and 64 for what is said of it."""
# Work a check may cost: beyond it the text counts as unchecked, which a policy can treat as it is.
# It is this thread's own time, after loading: a busy machine or a first call is not a slow text.
_BUDGET_S, _BUDGET_S_PER_CHARACTER = 2.0, 10e-6

# Five digits with little between them: everything looked for by number holds at least that.
_FEWEST_DIGITS, _WIDEST_GAP = 5, 6
_DIGITS = re.compile(r"\d+")
# Few or scattered digits: an Indian tax number, a wallet.
_TOKENS = re.compile(r"[A-Za-z]{5}\d{4}[A-Za-z]|(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}")
# An unbroken run this long is an encoded file: no border in it at which an identifier could stand.
_BLOB = re.compile(r"[A-Za-z0-9+/]{256,}")
_MARGIN = 24
_STRETCH, _OVERLAP = 1000, 100


def create() -> Guard:
    """The guard, not yet loaded. Raises MissingExtra without Presidio."""
    if find_spec("presidio_analyzer") is None or find_spec("phonenumbers") is None:
        raise MissingExtra("guards", "the guard 'pii'")
    return PiiGuard()


class PiiGuard:
    """Finds personal identifiers. Loads its recognisers once, on `warm` or the first check."""

    name = "pii"
    pure = True
    locates = True
    reach = REACH

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._catalogue: Catalogue | None = None
        self._lock = threading.Lock()
        self.revision = f"1+presidio-{_installed('presidio-analyzer')}"

    def warm(self) -> None:
        """Load what the first check would wait for."""
        self._load()

    def check(self, question: Question) -> Verdict:
        """Find identifiers in a text. Raises TimeoutError when a text is made to be slow."""
        began = time.perf_counter()
        text = question.text
        findings = [finding for finding in self._find(text) if finding.score >= self._threshold]
        return settle(
            self.name,
            _without_shadows(findings, len(text)),
            threshold=self._threshold,
            revision=self.revision,
            duration_ms=(time.perf_counter() - began) * 1000,
        )

    def _find(self, text: str) -> Iterator[Finding]:
        if "@" in text:
            yield from find_emails(text)
        if _DIGITS.search(text) is None:
            return
        yield from find_addresses(text)
        if len(text) > _STRETCH:
            text = _BLOB.sub(lambda blob: " " * len(blob[0]), text)
        stretches = _stretches(text)
        first = next(stretches, None)
        if first is None:
            return
        catalogue = self._load()
        deadline = time.thread_time() + _BUDGET_S + len(text) * _BUDGET_S_PER_CHARACTER
        has_words = catalogue.word.search(text.lower()) is not None
        for start, end in chain((first,), stretches):
            if time.thread_time() > deadline:
                raise TimeoutError("the text takes too long to check")
            yield from find_identifiers(catalogue, text, start, end, has_words=has_words)
            yield from find_phones(text, start, end)

    def _load(self) -> Catalogue:
        if self._catalogue is None:
            with self._lock:
                if self._catalogue is None:
                    self._catalogue = load_catalogue()
        return self._catalogue


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """Places worth a look, each short enough that no pattern can take long over it."""
    for landmarks in (_number_landmarks(text), (hit.span() for hit in _TOKENS.finditer(text))):
        reached = 0
        for first, last in landmarks:
            start = max(reached, _widen(text, first, -1))
            end = _widen(text, last, 1)
            while end - start > _STRETCH:
                yield start, start + _STRETCH
                start += _STRETCH - _OVERLAP
            if end > start:
                yield start, end
            reached = max(reached, first)


def _number_landmarks(text: str) -> Iterator[tuple[int, int]]:
    """Runs of digits that stand close enough together to be one number."""
    start = end = digits = 0
    for match in _DIGITS.finditer(text):
        if match.start() - end > _WIDEST_GAP or "\n" in text[end : match.start()]:
            if digits >= _FEWEST_DIGITS:
                yield start, end
            start, digits = match.start(), 0
        end = match.end()
        digits += end - match.start()
    if digits >= _FEWEST_DIGITS:
        yield start, end


def _widen(text: str, position: int, step: int) -> int:
    """A little further out, to a border between words if there is one near."""
    edge = position + step * _MARGIN
    if edge <= 0:
        return 0
    if edge >= len(text):
        return len(text)
    for near in range(edge, edge + step * _MARGIN, step):
        if not 0 < near < len(text) or text[near].isspace():
            return min(max(near, 0), len(text))
    return edge


def _without_shadows(findings: list[Finding], length: int) -> list[Finding]:
    """One finding a place: the surest, and of equally sure ones the longest."""
    kept: list[Finding] = []
    taken = bytearray(length)
    for finding in sorted(findings, key=lambda item: (-item.score, item.start - item.end)):
        if not any(taken[finding.start : finding.end]):
            taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
            kept.append(finding)
    return kept


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
