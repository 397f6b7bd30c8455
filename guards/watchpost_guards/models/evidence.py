"""What documents say about a claim: their sentences that share the claim's rare words.

They are put side by side in the documents' order, so that a claim put together from several places
is checked at once. Every sentence of the context is weighed, however long it is. It does not know
how a claim is judged.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import log
from operator import itemgetter
from typing import TYPE_CHECKING

from watchpost_guards.models.sentences import split_sentences

if TYPE_CHECKING:
    from watchpost_guards.models.windows import Window

_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_ENDING = re.compile(r"(?:['\u2019]s|ies|es|s|ied|ed|ing|ly|e|y)$")
# What a word covered again is worth: a second sentence about the same may say more.
_AGAIN = 0.25
# What a neighbour of a chosen sentence is worth: it may say who "he" is.
_NEIGHBOUR = 0.15
LONGEST = 96
"""A sentence of more tokens is cut: minutes without a full stop, tables, code."""
# What every piece costs beside its tokens: without it the shortest would always win.
_EASY = 10
# Pieces that are looked at more than once for one claim.
_MOST_LIKELY = 64
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
}
COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "if",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "with",
        "from",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "am",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "he",
        "she",
        "they",
        "them",
        "his",
        "her",
        "their",
        "him",
        "who",
        "which",
        "what",
        "when",
        "where",
        "while",
        "i",
        "you",
        "we",
        "my",
        "your",
        "our",
        "me",
        "us",
        "not",
        "no",
        "so",
        "than",
        "then",
        "there",
        "here",
        "can",
        "could",
        "will",
        "would",
        "may",
        "might",
        "shall",
        "should",
        "about",
        "into",
        "over",
        "also",
        "such",
    ]
)


Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens in order: where each stands, its word's stem ("" for none), its window.

    `seen` are the number of the window a token is read in and its row there.
    """

    places: tuple[Place, ...]
    stems: tuple[str, ...]
    seen: tuple[Place, ...]

    def within(self, start: int, end: int) -> range:
        """The numbers of the tokens that stand between two places of the text."""
        first = bisect_left(self.places, (start, start))
        return range(first, max(first, bisect_left(self.places, (end, end))))


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence of a document: the document's number, its tokens' numbers, its words' stems."""

    document: int
    tokens: tuple[int, ...]
    stems: frozenset[str]


@dataclass(frozen=True, slots=True)
class Source:
    """A context made ready for claims: its tokens, pieces in order, and where each stem stands."""

    documents: tuple[Tokens, ...]
    pieces: tuple[Piece, ...]
    places: dict[str, tuple[int, ...]]

    def rarity(self, word: str) -> float:
        """How much it says that a piece holds a stem: more where few do."""
        return log(1 + len(self.pieces) / len(self.places[word]))


def find_words(text: str) -> list[tuple[int, int]]:
    """The places of a text's words."""
    return [match.span() for match in _WORD.finditer(text)]


def stem(word: str) -> str:
    """A word without its ending and case: `moved`, `moves` and `Moving` are one."""
    plain = word.lower().replace("\u2019", "'")
    if len(plain) <= 3:
        return _NUMBER_WORDS.get(plain, plain)
    if plain[0].isdigit():
        return plain.removesuffix("st").removesuffix("nd").removesuffix("rd").removesuffix("th")
    short = _ENDING.sub("", plain)
    if len(short) < 3:
        return _NUMBER_WORDS.get(plain, plain)
    if len(short) > 3 and short[-1] == short[-2]:
        short = short[:-1]
    return _NUMBER_WORDS.get(plain, short)


def read_tokens(text: str, windows: "Iterable[Window]") -> Tokens:
    """The tokens of a text's windows, each once though windows overlap.

    Of two windows a token is read in the one where it stands further from the border. What a
    window reads of something encoded in the text is passed over.
    """
    places: list[Place] = []
    seen: list[Place] = []
    reached = 0
    for number, window in enumerate(windows):
        inner = range(1, len(window.ids) - 1)
        fresh = [row for row in inner if window.places[row][0] >= reached]
        if not fresh:
            continue
        if places and fresh[0] > 1:
            # Half of what both windows read is the newer one's.
            fresh = list(range(1 + (fresh[0] - 1) // 2, len(window.ids) - 1))
            border = window.places[fresh[0]][0]
            while places and places[-1][0] >= border:
                places.pop()
                seen.pop()
        places += [window.places[row] for row in fresh]
        seen += [(number, row) for row in fresh]
        reached = max(reached, places[-1][1])
    return Tokens(tuple(places), tuple(_find_stems(text, places)), tuple(seen))


def read_source(documents: "Sequence[tuple[str, Iterable[Window]]]") -> Source:
    """Documents, each with its windows, cut into sentences and indexed by stem."""
    tokens: list[Tokens] = []
    pieces: list[Piece] = []
    for number, (text, windows) in enumerate(documents):
        read = read_tokens(text, windows)
        tokens.append(read)
        pieces += _cut_pieces(number, text, read)
    places: dict[str, list[int]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        for word in piece.stems:
            places[word].append(number)
    indexed = {word: tuple(found) for word, found in places.items()}
    return Source(tuple(tokens), tuple(pieces), indexed)


def choose_pieces(source: Source, stems: Iterable[str], room: int) -> list[int]:
    """The numbers of the pieces that say most about a claim, in order, `room` tokens at most.

    At least one, where there is any and room for twice `LONGEST` tokens.
    """
    if sum(len(piece.tokens) for piece in source.pieces) <= room:
        return list(range(len(source.pieces)))
    wanted = {word: source.rarity(word) for word in stems if word in source.places}
    for word in COMMON & wanted.keys():
        wanted[word] *= 0.1
    gains: dict[int, float] = defaultdict(float)
    for word, worth in wanted.items():
        for number in source.places[word]:
            gains[number] += worth
    likely = dict(nlargest(_MOST_LIKELY, gains.items(), key=itemgetter(1)))
    return sorted(_gather(source, wanted, likely, room))


def _gather(
    source: Source, wanted: dict[str, float], gains: dict[int, float], room: int
) -> Sequence[int]:
    """Always the piece that adds most to what is covered, until the window is full."""
    chosen: set[int] = set()
    covered: set[str] = set()
    while True:
        best, most = -1, 0.0
        for number, whole in gains.items():
            length = len(source.pieces[number].tokens)
            if number in chosen or length > room:
                continue
            known = sum(wanted[word] for word in covered & source.pieces[number].stems)
            near = bool({number - 1, number + 1} & chosen)
            worth = (whole - (1 - _AGAIN) * known + _NEIGHBOUR * near) / (_EASY + length)
            if worth > most:
                best, most = number, worth
        if best < 0:
            return _add_neighbours(source, chosen, room)
        chosen.add(best)
        covered |= wanted.keys() & source.pieces[best].stems
        room -= len(source.pieces[best].tokens)


def _add_neighbours(source: Source, chosen: set[int], room: int) -> Sequence[int]:
    """What room is left goes to the sentences after and before the chosen, then to the first."""
    around = [number + step for step in (1, -1) for number in sorted(chosen)]
    for number in (*around, *range(len(source.pieces))):
        if 0 <= number < len(source.pieces) and number not in chosen:
            length = len(source.pieces[number].tokens)
            if length > room:
                break
            chosen.add(number)
            room -= length
    return list(chosen)


def _find_stems(text: str, places: Sequence[Place]) -> Iterable[str]:
    """Each token's word's stem; places are in order."""
    words = find_words(text)
    stems = [stem(text[start:end]) for start, end in words]
    number = 0
    for start, _ in places:
        while number < len(words) and words[number][1] <= start:
            number += 1
        inside = number < len(words) and words[number][0] <= start
        yield stems[number] if inside else ""


def _cut_pieces(document: int, text: str, read: Tokens) -> Iterable[Piece]:
    lead: tuple[int, ...] = ()
    for sentence in split_sentences(text):
        tokens = read.within(sentence.start, sentence.end)
        if sentence.speaker:
            named = text.rfind(f"{sentence.speaker}:", 0, sentence.start)
            lead = tuple(read.within(named, named + len(sentence.speaker) + 1))
        said = lead if sentence.speaker else ()
        for start in range(tokens.start, tokens.stop, LONGEST):
            held = (*said, *range(start, min(start + LONGEST, tokens.stop)))
            yield Piece(document, held, frozenset(read.stems[n] for n in held) - {""})
