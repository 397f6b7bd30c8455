"""What goes into the slots of a text: people, addresses, companies, dates, and harmless things.

Each slot is a function here; it gives pieces, because a title before a name is no part of the name.
It does not know templates.
"""

import random
from collections.abc import Callable, Mapping, Sequence

from watchpost_guards.train.tagging.material import CAPITALS, Material
from watchpost_guards.train.tagging.passages import Piece
from watchpost_guards.train.tagging.pools import Pools

Made = Piece | Sequence[Piece]
_COUNTS = (1, 2, 3, 5, 7, 10, 12, 14, 24, 30, 48, 50, 64, 100, 365, 1024)
_AMOUNTS = ("#", "##", "###", "#,###", "##.##", "#,###.##", "# million")
_IDS = ("########", "A-######", "#####", "AB####", "INV-#####", "##-######", "#############")
_HOURS = ("noon", "7 pm", "10:30", "half past nine", "18:45", "9am", "3 p.m.")


class Filler:
    """Fills slots at random."""

    def __init__(self, pools: Pools, rng: random.Random) -> None:
        self._material = Material(pools, rng)

    def move(self) -> None:
        """Begin another text."""
        self._material.move()

    def fill(self, slot: str) -> Sequence[Piece]:
        """The pieces of a slot. Raises KeyError for one that there is not."""
        made = _SLOTS[slot](self._material)
        return (made,) if isinstance(made, Piece) else made


def slots() -> Sequence[str]:
    """The names of all slots."""
    return tuple(_SLOTS)


def _make_full(of: Material) -> Made:
    name = Piece(of.name(), "PERSON")
    return (Piece(of.word("titles") + " "), name) if of.rng.random() < 0.06 else name


def _make_titled(of: Material) -> Made:
    name = of.family() if of.rng.random() < 0.65 else f"{of.given()} {of.family()}"
    return Piece(of.word("titles") + " "), Piece(name, "PERSON")


def _make_person(of: Material) -> Made:
    chance = of.rng.random()
    if chance < 0.4:
        return _make_full(of)
    if chance < 0.88:
        return Piece(of.given() if chance < 0.75 else of.family(), "PERSON")
    return _make_titled(of)


def _make_possessive(of: Material) -> Made:
    made = _make_person(of)
    pieces = (made,) if isinstance(made, Piece) else tuple(made)
    return *pieces, Piece("'" if pieces[-1].text.endswith("s") else "'s")


def _make_listed(of: Material) -> Made:
    """Last name first."""
    initial = f" {of.rng.choice(CAPITALS)}." if of.rng.random() < 0.2 else ""
    return Piece(f"{of.family()}, {of.given()}{initial}", "PERSON")


def _make_place(of: Material) -> Made:
    chance = of.rng.random()
    if chance < 0.4:
        return Piece(of.town(), "LOCATION")
    if chance < 0.75:
        state = of.rng.choice(of.pools.states)
        return Piece(of.nation() if chance < 0.65 else state, "LOCATION")
    behind = of.rng.choice(of.rng.choice((of.pools.countries, of.pools.states)))
    return Piece(f"{of.town()}, {behind}", "LOCATION")


def _make_address(of: Material) -> Made:
    """On one line mostly, as people write it into a sentence."""
    return Piece(of.rng.choice((", ", ", ", ", ", " ", " ", "\n")).join(of.address()), "ADDRESS")


def _make_block(of: Material) -> Made:
    """On lines of its own, as in forms and letters."""
    indent = of.rng.choice(("", "", "", " ", "    ", "\t"))
    seam = of.rng.choice(("\n", "\n", "\n", ",\n", "\n\n", " "))
    return Piece((seam + indent).join(of.address()), "ADDRESS")


def _make_school(of: Material) -> Made:
    town, family = of.town(), of.family()
    made = (
        *(f"University of {town}", f"{town} University", f"{family} College"),
        *(f"{town} High School", f"Technical University of {town}", f"{family} University"),
        *(f"{town} Institute of Technology", f"St. {of.given()}'s School"),
    )
    return Piece(of.rng.choice(made), "ORGANIZATION")


def _make_email(of: Material) -> Made:
    rng, word = of.rng, of.word("odd_words").replace(" ", "")
    user = rng.choice((of.given(), f"{of.given()}.{of.family()}", word))
    user = "".join(c for c in user if c.isascii() and (c.isalnum() or c == ".")) or "info"
    made = f"{user}@{word}.{rng.choice(('com', 'net', 'org', 'de', 'co.uk', 'io', 'fr'))}"
    return Piece(made.lower() if rng.random() < 0.7 else made)


def _make_url(of: Material) -> Made:
    words = "".join(of.word("odd_words").title() for _ in range(2)).replace(" ", "")
    scheme = of.rng.choice(("http://www.", "https://", "https://www.", "www."))
    return Piece(f"{scheme}{words}.{of.rng.choice(('com', 'de', 'org', 'io', 'co.za'))}/")


def _make_amount(of: Material) -> Made:
    said = of.number(*_AMOUNTS)
    return Piece(f"{of.rng.choice('$€£')}{said}" if of.rng.random() < 0.7 else f"{said} euros")


def _make_job(of: Material) -> Made:
    job = of.rng.choice(of.pools.jobs)
    return Piece(job if of.rng.random() < 0.4 else job.lower())


_SLOTS: Mapping[str, Callable[[Material], Made]] = {
    "first": lambda of: Piece(of.given(), "PERSON"),
    "last": lambda of: Piece(of.family(), "PERSON"),
    "full": _make_full,
    "person": _make_person,
    "poss": _make_possessive,
    "titled": _make_titled,
    "lastfirst": _make_listed,
    "initials": lambda of: Piece(f"{of.rng.choice(CAPITALS)}. {of.family()}", "PERSON"),
    "city": lambda of: Piece(of.town(), "LOCATION"),
    "country": lambda of: Piece(of.nation(), "LOCATION"),
    "state": lambda of: Piece(of.rng.choice(of.pools.states), "LOCATION"),
    "place": _make_place,
    "streetname": lambda of: Piece(of.road(), "ADDRESS"),
    "street": lambda of: Piece(of.street(), "ADDRESS"),
    "unit": lambda of: Piece(of.unit(), "ADDRESS"),
    "zip": lambda of: Piece(of.code(), "ADDRESS"),
    "address": _make_address,
    "block": _make_block,
    "org": lambda of: Piece(of.company(), "ORGANIZATION"),
    "school": _make_school,
    "date": lambda of: Piece(of.date(of.rng.randint(1985, 2027)), "DATE_TIME"),
    "dob": lambda of: Piece(of.date(of.rng.randint(1925, 2015)), "DATE_TIME"),
    "phone": lambda of: Piece(of.phone(), "PHONE_NUMBER"),
    # What is nobody's, or is found by its form.
    "email": _make_email,
    "url": _make_url,
    "card": lambda of: Piece(of.number("4###############", "5### #### #### ####")),
    "iban": lambda of: Piece(of.number("GB##ABCD##############", "DE## #### #### #### #### ##")),
    "ssn": lambda of: Piece(of.number("###-##-####")),
    "n": lambda of: Piece(str(of.rng.choice(_COUNTS))),
    "year": lambda of: Piece(str(of.rng.randint(1900, 2026))),
    "amount": _make_amount,
    "percent": lambda of: Piece(of.number("#%", "##%", "#.#%", "## percent")),
    "id": lambda of: Piece(of.number(*_IDS)),
    "time": lambda of: Piece(of.rng.choice(_HOURS)),
    "job": _make_job,
    "product": lambda of: Piece(of.word("products")),
    "tech": lambda of: Piece(of.word("technology")),
    "lang": lambda of: Piece(of.word("languages")),
    "demonym": lambda of: Piece(of.word("demonyms")),
    "subject": lambda of: Piece(of.word("subjects")),
    "chatter": lambda of: Piece(of.word("subjects").lower()),
}
