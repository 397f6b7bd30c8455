"""Which of Presidio's pattern recognisers are used, and how much each has to show.

Only the recognisers: no AnalyzerEngine and no language model, which take many seconds to load.
Importing presidio_analyzer itself takes seconds too, so it happens in `load_recognisers` and not
before. A number of digits that passes a one-digit checksum is not yet an identifier: one in ten
does by chance, so those need a word nearby that says what they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from watchpost.screening.guard import Finding

# Presidio's own boost for a context word, and the score it then has at least.
CONTEXT_BOOST = 0.35
CONTEXT_FLOOR = 0.4
_CONTEXT_BEFORE, _CONTEXT_AFTER = 64, 24
# A card, an IBAN or the like is longer than this; shorter bare digits are order numbers too.
_TELLING_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Row:
    """One Presidio recogniser, and what must be there before it is asked.

    `likely` is a cheap shape for a hit that counts by itself; without one a hit counts only with
    one of `words` (or of Presidio's own context words) nearby.
    """

    recogniser: str
    words: str
    likely: str = ""


_ROWS = (
    Row("CreditCardRecognizer", "", r"\d(?:[- ]?\d){11}"),
    Row("IbanRecognizer", "", r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}|\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3}"),
    Row("CryptoRecognizer", "", r"(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25}"),
    Row("UsSsnRecognizer", "ssn social security", r"\d{3}[- .]\d{2}[- .]\d{4}"),
    Row("UsItinRecognizer", "itin taxpayer", r"9\d{2}[- ]\d{2}"),
    Row("UsMbiRecognizer", "medicare beneficiary mbi", r"[1-9][A-Za-z]\w\d-?[A-Za-z]\w\d-?"),
    Row("UsNpiRecognizer", "npi"),
    Row("AbaRoutingRecognizer", "aba routing"),
    Row("UsBankRecognizer", "bank account acct"),
    Row("UsPassportRecognizer", "passport"),
    Row("UsLicenseRecognizer", "driver license licence permit"),
    Row("MedicalLicenseRecognizer", "dea medical license certificate"),
    Row("NhsRecognizer", "nhs"),
    Row("UkNinoRecognizer", "nino", r"[A-Za-z]{2} ?\d\d ?\d\d ?\d\d ?[A-Da-d]"),
    Row("UkPassportRecognizer", "passport"),
    Row("UkDrivingLicenceRecognizer", "driving licence", r"[A-Za-z9]{5}\d{6}[A-Za-z9]{2}"),
    Row("AuAbnRecognizer", "abn"),
    Row("AuAcnRecognizer", "acn"),
    Row("AuTfnRecognizer", "tfn tax"),
    Row("AuMedicareRecognizer", "medicare"),
    Row("CaSinRecognizer", "sin insurance"),
    Row("InAadhaarRecognizer", "aadhaar uidai"),
    Row("InPanRecognizer", "", r"[A-Za-z]{5}\d{4}[A-Za-z]"),
    Row("EsNifRecognizer", "nif dni", r"\d{7,8}-?[A-Za-z]"),
    Row("EsNieRecognizer", "nie", r"[XYZxyz]\d{7}-?[A-Za-z]"),
    Row("ItFiscalCodeRecognizer", "", r"[A-Za-z]{6}\w{2}[A-Za-z]\w{2}[A-Za-z]"),
    Row("PlPeselRecognizer", "pesel"),
    Row("FiPersonalIdentityCodeRecognizer", "", r"\d{6}[+\-A-Fa-fU-Yu-y]\d{3}\w"),
    Row("SgFinRecognizer", "nric", r"[A-Za-z]\d{7}[A-Za-z]"),
    Row("DeTaxIdRecognizer", "steuer tax"),
    Row("KrRrnRecognizer", "rrn", r"\d{6}-\d{7}"),
    Row("SePersonnummerRecognizer", "personnummer"),
    Row("TrNationalIdRecognizer", "kimlik tckn"),
    Row("ThTninRecognizer", "national citizen"),
)
# Presidio's context lists hold words that stand near any number at all.
_VAGUE = frozenset(
    (
        *("number", "identification", "united", "states", "travel", "document", "card", "check"),
        *("save", "credit", "code", "tax", "account", "account#", "transaction", "call", "cell"),
        *("national", "the", "num"),
    )
)
Matches = Iterator[tuple[int, int, float, bool]]


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of identifier, ready to be looked for."""

    label: str
    likely: re.Pattern[str] | None
    words: frozenset[str]
    matches: Callable[[str], Matches]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All kinds, and one look that tells whether any of them is worth asking.

    `within` holds for each word those that are a part of it: "driver's license" says "license" too.
    """

    identifiers: tuple[Identifier, ...]
    shape: re.Pattern[str]
    word: re.Pattern[str]
    within: Mapping[str, frozenset[str]]

    def find_words(self, text: str) -> set[str]:
        """The words in a text in small letters that say what a number is, also inside others."""
        return {word for found in self.word.findall(text) for word in self.within[found]}


def load_catalogue() -> Catalogue:
    """Import Presidio and make the recognisers. Takes seconds; raises ImportError without it."""
    import presidio_analyzer.predefined_recognizers as predefined

    made = tuple(_make_identifier(row, getattr(predefined, row.recogniser)) for row in _ROWS)
    words = sorted({word for identifier in made for word in identifier.words}, key=len)
    # Longest first, or "tax" would hide "taxpayer".
    spelled = "|".join(re.escape(word) for word in reversed(words))
    shapes = [identifier.likely.pattern for identifier in made if identifier.likely is not None]
    within = {word: frozenset(other for other in words if other in word) for word in words}
    return Catalogue(made, re.compile("|".join(shapes)), re.compile(rf"\b(?:{spelled})"), within)


def find_identifiers(
    catalogue: Catalogue, text: str, start: int, end: int, *, has_words: bool
) -> Iterator[Finding]:
    """Identifiers in one stretch of a text; what stands around it counts as context.

    `has_words` is False when the whole text holds no word that says what a number is.
    """
    snippet = text[start:end]
    said: set[str] = set()
    if has_words:
        around = text[max(0, start - _CONTEXT_BEFORE) : end + _CONTEXT_AFTER].lower()
        said = catalogue.find_words(around)
    if not said and catalogue.shape.search(snippet) is None:
        return
    for identifier in catalogue.identifiers:
        likely = identifier.likely is not None and identifier.likely.search(snippet) is not None
        if not likely and said.isdisjoint(identifier.words):
            continue
        for inner_start, inner_end, score, is_checked in identifier.matches(snippet):
            found = Finding(start + inner_start, start + inner_end, identifier.label, score)
            if _is_fraction(text, found.start):
                continue
            if _has_context(identifier, text, found):
                if not is_checked:
                    score = max(min(score + CONTEXT_BOOST, 1.0), CONTEXT_FLOOR + 0.1)
                yield replace(found, score=score)
            elif likely and _stands_alone(text[found.start : found.end]):
                yield found


def _has_context(identifier: Identifier, text: str, found: Finding) -> bool:
    nearby = text[max(0, found.start - _CONTEXT_BEFORE) : found.end + _CONTEXT_AFTER].lower()
    return any(word in nearby for word in identifier.words)


def _stands_alone(value: str) -> bool:
    """Whether a hit says enough by itself."""
    if not value.isdigit():
        return True
    # Cards begin with 3 to 6; sixteen digits that begin with 1 are microseconds since 1970.
    return len(value) >= _TELLING_DIGITS and value[0] in "3456"


def _is_fraction(text: str, start: int) -> bool:
    """Whether the digits at `start` are the decimals of a number."""
    return start >= 2 and text[start - 1] in ".," and text[start - 2].isdigit()


def _make_identifier(row: Row, recogniser_class: Any) -> Identifier:
    recogniser = recogniser_class()
    own = (word.lower().strip() for word in recogniser.context or ())
    words = {word for word in own if word not in _VAGUE and len(word) > 2} | set(row.words.split())
    label = str(recogniser.supported_entities[0])
    likely = re.compile(row.likely) if row.likely else None
    if row.recogniser == "IbanRecognizer":
        matches = _ask_recogniser(recogniser, label)
    else:
        matches = _match_patterns(recogniser)
    return Identifier(label, likely, frozenset(words), matches)


def _ask_recogniser(recogniser: Any, label: str) -> Callable[[str], Matches]:
    """A recogniser with an `analyze` of its own (it tries shorter endings, and knows capitals)."""

    def matches(snippet: str) -> Matches:
        capitals = snippet.upper() if snippet.isascii() else snippet
        for result in recogniser.analyze(capitals, [label], None):
            yield result.start, result.end, float(result.score), True

    return matches


def _match_patterns(recogniser: Any) -> Callable[[str], Matches]:
    """A recogniser's patterns and checks, without the explanations `analyze` makes of each hit."""
    import regex

    flags = recogniser.global_regex_flags
    patterns = [(regex.compile(item.regex, flags), item.score) for item in recogniser.patterns]

    def matches(snippet: str) -> Matches:
        for pattern, score in patterns:
            for match in pattern.finditer(snippet):
                value = match[0]
                if not value:
                    continue
                verdict = recogniser.validate_result(value)
                if verdict is False or recogniser.invalidate_result(value):
                    continue
                yield match.start(), match.end(), 1.0 if verdict else score, bool(verdict)

    return matches
