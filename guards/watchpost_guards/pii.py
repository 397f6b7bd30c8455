"""The guard `pii`: identifiers told by their form, names and addresses told by their context.

Cards, IBANs, tax and health numbers through Presidio's pattern recognisers, e-mail addresses,
telephone numbers, IP addresses; and, read by the tagger, what has no form: people, addresses,
places, organisations, dates. A pattern wins where both find something. Scores are Presidio's
pattern scores and 1.0 for a passed checksum, and the tagger's with one half at each kind's own
threshold: an order, not calibrated probabilities.
"""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle
from watchpost_guards.contacts import find_addresses, find_emails, find_phones
from watchpost_guards.identifiers import Catalogue, find_identifiers, load_catalogue
from watchpost_guards.models.folder import MANIFEST, find_folder
from watchpost_guards.models.reader import share_reader
from watchpost_guards.models.segments import REACH as LEARNED_REACH
from watchpost_guards.models.tagger import Tagger, share_tagger

LEARNED = ("PERSON", "ADDRESS", "LOCATION", "ORGANIZATION", "DATE_TIME", "PHONE_NUMBER")
"""What the tagger finds. Telephone numbers are looked for by pattern as well."""
THRESHOLD = 0.5
REACH = 384
"""Of patterns. The longest is an e-mail address: 64 characters, the sign and a domain of 255. One
of the others takes at most 62, looks 48 further for its word's border and 64 for what is said."""
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
_NEEDED = ("presidio_analyzer", "phonenumbers", "onnxruntime", "tokenizers", "numpy")
_FEWEST_WORDS = 2
# What stands between parts of a finding of which a pattern took one.
_SEAMS = " \t\r\n,;:.()<>-"
_STRETCH, _OVERLAP = 1000, 100
# What stands where something was hidden already is no name, however much it looks like one.
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_ ]{2,40}\]")


def create(learned: Sequence[str] | None = None) -> Guard:
    """The guard, not yet loaded.

    `learned` names what the tagger is to find, of `LEARNED`; all of it when nothing is said and the
    folder of models has it. Without any the guard is patterns alone, which cost microseconds and
    see less far; its verdicts' revision tells. Raises ConfigError for a kind that is not known or
    where the folder of models has no tagger, and MissingExtra without the extra's packages.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        raise MissingExtra("guards", "the guard 'pii'")
    if isinstance(learned, str) or not set(learned or ()) <= set(LEARNED):
        raise ConfigError("pii(learned=...)", learned, f"list some of {', '.join(LEARNED)}")
    kinds = frozenset(LEARNED if learned is None else learned)
    if not kinds or (learned is None and not _has_models()):
        return PiiGuard()
    tagger = share_tagger(find_folder("tagger"), share_reader(find_folder()))
    return LearnedPiiGuard(PiiGuard(), tagger, kinds)


def _has_models() -> bool:
    folders = (find_folder(), find_folder("tagger"))
    return all((folder / MANIFEST).exists() for folder in folders)


class PiiGuard:
    """Finds what has a form. Loads its recognisers once, on `warm` or the first check."""

    name = "pii"
    pure = True
    locates = True
    reach = REACH

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self._catalogue: Catalogue | None = None
        self._lock = threading.Lock()
        self.revision = f"2+presidio-{_installed('presidio-analyzer')}"

    def warm(self) -> None:
        """Load what the first check would wait for."""
        self._load()

    def check(self, question: Question) -> Verdict:
        """Find identifiers in a text. Raises TimeoutError when a text is made to be slow."""
        began = time.perf_counter()
        return _settle(self, self.find(question.text), began)

    def find(self, text: str) -> list[Finding]:
        """What is found, none over another. Raises what `check` raises."""
        told = [finding for finding in self._find(text) if finding.score >= self.threshold]
        return _without_shadows(told, len(text))

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


class LearnedPiiGuard:
    """Finds what has a form and what its context tells. Loads once, like its two parts.

    `by_form` is the part for texts that are no prose.
    """

    name = "pii"
    pure = True
    locates = True
    reach = max(REACH, LEARNED_REACH)

    def __init__(self, by_form: PiiGuard, tagger: Tagger, kinds: frozenset[str]) -> None:
        self.by_form = by_form
        self.threshold = by_form.threshold
        self.revision = f"{by_form.revision}+tagger-{tagger.revision}"
        self._tagger = tagger
        self._kinds = kinds

    def warm(self) -> None:
        """Load what the first check would wait for."""
        self._tagger.warm()
        self.by_form.warm()

    def check(self, question: Question) -> Verdict:
        """Find personal data in a text. Raises what its parts raise."""
        began = time.perf_counter()
        told = self.by_form.find(question.text)
        learned = self._find_learned(question.text)
        hidden = [place.span() for place in _PLACEHOLDER.finditer(question.text)]
        taken = [*((finding.start, finding.end) for finding in told), *hidden]
        return _settle(self, [*told, *_uncover(question.text, learned, taken)], began)

    def _find_learned(self, text: str) -> Iterator[Finding]:
        # A word alone has no context to tell it by, and is an identifier of some program mostly.
        if len(text.split(maxsplit=1)) < _FEWEST_WORDS:
            return
        for finding in self._tagger.find(text):
            if finding.score >= self.threshold and finding.label in self._kinds:
                yield finding


def _settle(guard: PiiGuard | LearnedPiiGuard, found: list[Finding], began: float) -> Verdict:
    return settle(
        guard.name,
        found,
        threshold=guard.threshold,
        revision=guard.revision,
        duration_ms=(time.perf_counter() - began) * 1000,
    )


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


def _uncover(
    text: str, learned: Iterator[Finding], taken: list[tuple[int, int]]
) -> Iterator[Finding]:
    """What is left of learned findings outside the places that are taken."""
    borders = sorted(taken)
    for finding in learned:
        start = finding.start
        for first, last in (*borders, (finding.end, finding.end)):
            if last <= start or first > finding.end:
                continue
            part = text[start : max(start, first)]
            kept = len(part) - len(part.lstrip(_SEAMS)), len(part.rstrip(_SEAMS))
            if kept[0] < kept[1]:
                yield replace(finding, start=start + kept[0], end=start + kept[1])
            start = last


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
