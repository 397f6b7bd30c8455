"""Edits of a sentence: those that keep what it says, and those after which it says another thing.

What an edit breaks is put between two marks, so that it is known word by word. Edits that break
take their words from the same document where they can: how many words are shared must not tell.
It does not know where sentences come from.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from watchpost_guards.train.pairs.words import read_words

OPEN, SHUT = "\x02", "\x03"
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]*")
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][\w'-]*[a-z0-9](?: (?:of |the |de )?[A-Z][\w'-]*)*")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")
_MODAL = re.compile(r"\b(may|might|could|can|will|would|should|must|plans? to|is|are|was|were)\b")
_STRONGER = {"may": "will", "might": "will", "could": "did", "plan to": "managed to", "can": "must"}
_WEAKER = {"will": "may", "must": "could", "is": "may be", "are": "may be", "was": "may have been"}
_TO_BE = re.compile(
    r"\b(is|are|was|were|has been|have been|had|has|have|will|would|can|could|should|may|did)\b"
)
_NOT = re.compile(r"\b(is|are|was|were|will|would|can|could|should|do|did|does) not (?=\w)")
_TAIL = re.compile(
    r" (?:in|at|for|with|because|after|before|during|by|from|to|on|against|without|despite) "
    r"[^,.;:()]{8,60}(?=[,.;]|$)"
)
_ASIDE = re.compile(r" ?\([^()]{2,80}\)|, (?:which|who|where)\b[^,.;]{4,90},(?= )")
_LEAD = re.compile(r"^((?:In|On|At|After|Before|During|Since|By|For|With) [^,.;]{3,50}), (\w)")
_FRAMES = (
    *("According to the text, {}", "The document says that {}", "It is stated that {}"),
    *("The author notes that {}", "As described, {}", "The text explains that {}"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What an edit may take words from: the sentence's document, and another one."""

    document: str
    other: str
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    speakers: tuple[str, ...]

    @classmethod
    def of(cls, document: str, other: str) -> "Setting":
        """The setting of a document's sentences, `other` being any text of the same kind."""
        return cls(document, other, *_read(document))


Edit = Callable[[str, Setting, random.Random], str | None]


def mark(text: str) -> str:
    """A stretch that says what the document does not."""
    return f"{OPEN}{text}{SHUT}"


def read_marks(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the places that were between two."""
    plain, places, start = [], [], 0
    length = 0
    for part in re.split(f"([{OPEN}{SHUT}])", text):
        if part == OPEN:
            start = length
        elif part == SHUT:
            places.append((start, length))
        else:
            plain.append(part)
            length += len(part)
    return "".join(plain), places


def use_synonyms(text: str, setting: Setting, rng: random.Random) -> str | None:
    """Up to three words by others that say the same."""
    places = _listed(text, read_words().same)
    if not places:
        return None
    chosen = sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 2, 3)))), reverse=True)
    for start, end in chosen:
        text = (
            text[:start]
            + _cased(rng.choice(read_words().same[text[start:end].lower()]), text[start])
            + text[end:]
        )
    return text


def drop_aside(text: str, setting: Setting, rng: random.Random) -> str | None:
    """Without what stands in brackets or between commas."""
    found = list(_ASIDE.finditer(text))
    if not found:
        return None
    aside = rng.choice(found)
    return text[: aside.start()] + text[aside.end() :]


def move_lead(text: str, setting: Setting, rng: random.Random) -> str | None:
    """When and where at the end instead of the beginning."""
    lead = _LEAD.match(text)
    if lead is None or not text.endswith("."):
        return None
    said = lead[1][0].lower() + lead[1][1:]
    return f"{text[lead.start(2)].upper()}{text[lead.end(2) : -1]} {said}."


def frame(text: str, setting: Setting, rng: random.Random) -> str | None:
    """Told as what the document says."""
    head = text if _NAME.match(text) or text[:2] == "I " else text[0].lower() + text[1:]
    return rng.choice(_FRAMES).format(head)


def use_opposite(text: str, setting: Setting, rng: random.Random) -> str | None:
    """A word by its opposite, or by another of its kind."""
    places = _listed(text, read_words().other)
    if not places:
        return None
    start, end = rng.choice(places)
    said = rng.choice(read_words().other[text[start:end].lower()])
    return text[:start] + mark(_cased(said, text[start])) + text[end:]


def negate(text: str, setting: Setting, rng: random.Random) -> str | None:
    """Yes for no, or no for yes."""
    if refusal := _NOT.search(text):
        return text[: refusal.start()] + mark(refusal[1]) + " " + text[refusal.end() :]
    found = [m for m in _TO_BE.finditer(text) if not text[m.end() :].startswith((" not", "n't"))]
    if not found:
        return None
    verb = rng.choice(found)
    said = rng.choice(("not", "not", "never", "no longer"))
    return text[: verb.end()] + " " + mark(said) + text[verb.end() :]


def change_number(text: str, setting: Setting, rng: random.Random) -> str | None:
    """A number by another of the document, or by a near one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    number = rng.choice(found)
    others = [held for held in setting.numbers if held != number[0] and len(held) > 1]
    alike = [held for held in others if len(held) == len(number[0])]
    if rng.random() < 0.4 and (alike or others):
        said = rng.choice(alike or others)
    else:
        place = rng.randrange(len(number[0]))
        while not number[0][place].isdigit():
            place = rng.randrange(len(number[0]))
        digit = rng.choice([d for d in "123456789" if d != number[0][place]])
        said = number[0][:place] + digit + number[0][place + 1 :]
    return text[: number.start()] + mark(said) + text[number.end() :]


def swap_name(text: str, setting: Setting, rng: random.Random) -> str | None:
    """A name by another of the document, seldom by one from outside."""
    found = [m for m in _NAME.finditer(text) if m[0] in setting.names or rng.random() < 0.2]
    others = [held for held in setting.names if held not in text]
    if rng.random() < 0.25:
        others = [match[0] for match in _NAME.finditer(setting.other)]
    if not found or not others:
        return None
    name = rng.choice(found)
    words = name[0].count(" ")
    alike = [held for held in others if held.count(" ") == words]
    said = rng.choice(alike or others)
    return None if said in text else text[: name.start()] + mark(said) + text[name.end() :]


def swap_roles(text: str, setting: Setting, rng: random.Random) -> str | None:
    """Two names of the sentence in each other's place."""
    found = [
        m
        for m in re.finditer(r"\b[A-Z][a-z]\w+(?: [A-Z]\w+)*", text)
        if m[0] in setting.names or m[0] in setting.speakers
    ]
    if len(found) < 2:
        return None
    first, second = sorted(rng.sample(found, 2), key=lambda match: match.start())
    if first[0] == second[0] or re.fullmatch(
        r"(?:,? and |, | or )", text[first.end() : second.start()]
    ):
        return None
    return (
        text[: first.start()] + mark(second[0]) + text[first.end() : second.start()]
        + mark(first[0]) + text[second.end() :]
    )  # fmt: skip


def swap_word(text: str, setting: Setting, rng: random.Random) -> str | None:
    """A word by another of the document with the same ending."""
    found = [m for m in _WORD.finditer(text) if len(m[0]) > 4 and m[0].islower()]
    if not found:
        return None
    word = rng.choice(found)
    where = setting.document if rng.random() < 0.7 else setting.other
    alike = {
        held
        for held in re.findall(r"\b[a-z]{4,}\b", where)
        if held[-2:] == word[0][-2:] and held != word[0] and held not in text
        and held not in read_words().same.get(word[0], ())
    }  # fmt: skip
    if not alike:
        return None
    return text[: word.start()] + mark(rng.choice(sorted(alike))) + text[word.end() :]


def change_certainty(text: str, setting: Setting, rng: random.Random) -> str | None:
    """What may be as what is, or what is as what may be."""
    verb = _MODAL.search(text)
    table = {**_WEAKER, **_STRONGER}
    if verb is None or verb[1] not in table:
        return None
    return text[: verb.start()] + mark(table[verb[1]]) + text[verb.end() :]


def add_detail(text: str, setting: Setting, rng: random.Random) -> str | None:
    """With a detail that another document tells of something else."""
    where = setting.other if rng.random() < 0.6 else setting.document
    tails = [match[0] for match in _TAIL.finditer(where) if match[0] not in text]
    if not tails or text[-1:] not in ".!":
        return None
    return text[:-1] + mark(rng.choice(tails)) + text[-1]


def swap_tail(text: str, setting: Setting, rng: random.Random) -> str | None:
    """With the end of another sentence that begins the same way."""
    found = list(_TAIL.finditer(text))
    if not found:
        return None
    tail = rng.choice(found)
    first = tail[0].split()[0]
    where = setting.document if rng.random() < 0.7 else setting.other
    tails = [m[0] for m in _TAIL.finditer(where) if m[0] not in text and m[0].split()[0] == first]
    if not tails:
        return None
    return text[: tail.start()] + mark(rng.choice(tails)) + text[tail.end() :]


def swap_speaker(text: str, setting: Setting, rng: random.Random) -> str | None:
    """One speaker of a dialogue for another."""
    found = [name for name in setting.speakers if re.search(rf"\b{re.escape(name)}\b", text)]
    others = [name for name in setting.speakers if name not in text]
    if not found or not others:
        return None
    return re.sub(rf"\b{re.escape(found[0])}\b", mark(rng.choice(others)), text)


KEEPING: Sequence[Edit] = (use_synonyms, use_synonyms, use_synonyms, drop_aside, move_lead, frame)
BREAKING: Sequence[Edit] = (
    *(use_opposite, use_opposite, use_opposite, negate, change_number, change_number),
    *(swap_name, swap_name, swap_roles, swap_word, swap_word, change_certainty),
    *(add_detail, swap_tail, swap_speaker),
)


@lru_cache(maxsize=2048)
def _read(document: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """A document's names, numbers and speakers."""
    small = set(re.findall(r"\b[a-z]+\b", document))
    names = (match[0] for match in _NAME.finditer(document))
    numbers = (match[0] for match in _NUMBER.finditer(document))
    speakers = re.findall(r"(?:^|\n|[.!?] )([A-Z]\w+(?: [A-Z]\w+)?):\s", document)
    return (
        tuple(dict.fromkeys(name for name in names if name.lower() not in small)),
        tuple(dict.fromkeys(numbers)),
        tuple(dict.fromkeys(speakers)),
    )


def _listed(text: str, listed: dict[str, tuple[str, ...]]) -> list[tuple[int, int]]:
    return [match.span() for match in _WORD.finditer(text) if match[0].lower() in listed]


def _cased(word: str, first: str) -> str:
    return word[0].upper() + word[1:] if first.isupper() else word
