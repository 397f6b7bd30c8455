"""A claim and its evidence as the comparer reads them: tokens, and what is known of each.

The kind of a token says whether its word stands on the other side: what stands nowhere in the
context is where a claim may be wrong. It does not know what the comparer answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watchpost_guards.models.evidence import COMMON, Source, Tokens, choose_pieces

EVIDENCE_ROOM = 192
"""Tokens of evidence that a claim is compared with at most."""
CLAIM_ROOM = 96
"""Tokens of a claim at most: a longer one is cut into several."""

COMMON_WORD, SHARED, ELSEWHERE, ABSENT, ABSENT_NAME, ABSENT_NUMBER = range(1, 7)
KINDS = 7


@dataclass(frozen=True, slots=True)
class Pair:
    """Numbers of the claim's tokens in the answer, their kinds, and the evidence's numbers.

    A token of the evidence is its document's number and its own.
    """

    claim: tuple[int, ...]
    kinds: tuple[int, ...]
    evidence: tuple[tuple[int, int], ...]


def make_pairs(source: Source, text: str, answer: Tokens, claim: range) -> Iterable[Pair]:
    """A claim beside what the source says about it; a long claim in several parts."""
    for start in range(claim.start, claim.stop, CLAIM_ROOM):
        yield _make_pair(source, text, answer, range(start, min(start + CLAIM_ROOM, claim.stop)))


def _make_pair(source: Source, text: str, answer: Tokens, claim: range) -> Pair:
    stems = answer.stems[claim.start : claim.stop]
    chosen = [source.pieces[number] for number in choose_pieces(source, stems, EVIDENCE_ROOM)]
    shown: frozenset[str] = frozenset().union(*(piece.stems for piece in chosen))
    evidence = tuple((piece.document, token) for piece in chosen for token in piece.tokens)
    return Pair(tuple(claim), tuple(_describe(source, shown, text, answer, claim)), evidence)


def _describe(
    source: Source, shown: frozenset[str], text: str, answer: Tokens, claim: Sequence[int]
) -> Iterable[int]:
    kind = COMMON_WORD
    for number in claim:
        word, (start, _) = answer.stems[number], answer.places[number]
        is_inside = start > 0 and text[start - 1].isalnum() and number > claim[0]
        if not word or word in COMMON:
            kind = COMMON_WORD
        elif word in shown:
            kind = SHARED
        elif word in source.places:
            kind = ELSEWHERE
        elif any(character.isdigit() for character in word):
            kind = ABSENT_NUMBER
        elif not (is_inside and kind == ABSENT_NAME):
            kind = ABSENT_NAME if text[start].isupper() and number > claim[0] else ABSENT
        yield kind
