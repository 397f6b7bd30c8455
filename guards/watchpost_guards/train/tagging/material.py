"""Raw names, streets, companies, dates and numbers as plain strings, at random.

Mostly of one country at a time, with others mixed in, as texts are. It does not know what is to be
found in a text.
"""

import random
import string

from watchpost_guards.train.tagging.pools import Country, Pools, weigh
from watchpost_guards.train.tagging.sections import read_words

DIGITS, CAPITALS = string.digits, string.ascii_uppercase
# How often a name is a word as well, and how often neighbours are of the same country.
_WORDS, _SAME = 0.07, 0.6
_STREET_SHAPES = ("#", "##", "##", "###", "####", "##a", "##-##", "#/#")
_PHONE_SHAPES = (
    *("###-###-####", "(###) ###-####", "### ### ####", "###.###.####", "##########"),
    *("+1 ### ### ####", "+## ## ### ## ##", "0## ### ## ##", "0#### ######"),
    *("## ## ## ##", "### ## ###", "### ####", "(##) ####-####", "0#-########"),
    *("+##-###-###-####x####", "(###)###-####x#####", "##-##-##-##", "(##) ###-###"),
    *("001-###-###-####x###", "### ### ###", "0## ## ## ##", "#### ####", "#### ### ###"),
)


class Material:
    """Draws strings from the pools."""

    def __init__(self, pools: Pools, rng: random.Random) -> None:
        self.pools, self.rng = pools, rng
        self.words = read_words()
        self.country: Country = weigh(pools, rng)

    def move(self) -> None:
        """Go to another country for the next text."""
        self.country = weigh(self.pools, self.rng)

    def word(self, section: str) -> str:
        """A word of one of the lists."""
        return self.rng.choice(self.words[section])

    def given(self) -> str:
        """A first name."""
        if self.rng.random() < _WORDS:
            return self.word("given_words")
        return self.rng.choice(self._near().given)

    def family(self) -> str:
        """A last name."""
        if self.rng.random() < _WORDS:
            return self.word("family_words")
        return self.rng.choice(self._near().family)

    def name(self) -> str:
        """A whole name, in one of the ways they are written."""
        rng, first, last = self.rng, self.given(), self.family()
        particle = rng.choice(("van ", "van der ", "de ", "von ", "al-", "bin ", "da ", "Mc", "O'"))
        rare = (
            *(f"{first} {rng.choice(CAPITALS)}. {last}", f"{first} {rng.choice(CAPITALS)}. {last}"),
            *(f"{rng.choice(CAPITALS)}. {last}", f"{first} {self.given()} {last}"),
            *(f"{first} {last}-{self.family()}", f"{first}-{self.given()} {last}"),
            *(f"{first} {particle}{last}", f"{first} {last}{rng.choice((' Jr.', ' Sr.', ' III'))}"),
        )
        return rng.choice(rare) if rng.random() < 0.2 else f"{first} {last}"

    def town(self) -> str:
        """A town, real in seven of ten."""
        towns = self._near().towns
        if towns and self.rng.random() < 0.3:
            return self.rng.choice(towns)
        return self.rng.choice(self.pools.towns)

    def nation(self) -> str:
        """A country."""
        return self.rng.choice(self.pools.countries)

    def code(self) -> str:
        """A postal code."""
        return self.rng.choice(self._near().codes).replace("\n", " ")

    def road(self) -> str:
        """A street's name."""
        rng = self.rng
        roads = self._near().roads
        if roads and rng.random() < 0.6:
            return rng.choice(roads)
        firsts = (self.family(), self.given(), self.town(), self.word("fields"))
        first = rng.choice((*firsts, self.word("road_names")))
        return f"{first} {self.word('road_kinds')}"

    def street(self) -> str:
        """A street with a number, or a box."""
        rng = self.rng
        country = self._near()
        chance = rng.random()
        if chance < 0.45 and country.streets:
            return rng.choice(country.streets)
        number = self.number(*_STREET_SHAPES)
        if chance < 0.5:
            return f"{rng.choice(('PO Box', 'P.O. Box', 'Postfach', 'Box'))} {number}"
        road = self.road()
        return f"{road} {number}" if rng.random() < 0.4 else f"{number} {road}"

    def unit(self) -> str:
        """A flat or a floor."""
        words = ("Apt.", "Apt", "Suite", "Unit", "Flat", "Room", "Floor", "#")
        return f"{self.rng.choice(words)} {self.number('#', '##', '###', '#B')}"

    def locality(self) -> str:
        """A town with its code or state, in one of the orders that countries use."""
        rng, town, code = self.rng, self.town(), self.code()
        state = "".join(rng.choice(CAPITALS) for _ in range(2))
        return rng.choice(
            (
                *(f"{town}, {state} {code}", f"{town} {state} {code}", f"{town}, {state} {code}"),
                *(f"{code} {town}", f"{town} {code}", f"{town}", f"{town}, {code}"),
                *(f"{town}, {rng.choice(self.pools.states)} {code}", f"{town} {state}"),
                f"{rng.choice(CAPITALS)}-{code} {town}",
            )
        )

    def address(self) -> list[str]:
        """The lines of an address."""
        rng = self.rng
        if rng.random() < 0.25 and self.country.addresses:
            return rng.choice(self.country.addresses).split("\n")
        lines = [self.street()]
        if rng.random() < 0.28:
            lines.insert(rng.choice((0, 1, 1)), self.unit())
        if rng.random() < 0.1:
            lines.insert(0, self.number("##"))
        if rng.random() < 0.55:
            lines.append(self.locality())
        elif rng.random() < 0.6:
            behind = rng.choice((self.code(), self.nation(), f"{self.nation()} {self.code()}"))
            lines += [self.town(), behind]
        if rng.random() < 0.3:
            lines.append(self.nation())
        return lines

    def company(self) -> str:
        """An organisation."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.2:
            return self.word("brands")
        if chance < 0.4:
            return rng.choice(self._near().companies)
        if chance < 0.55:
            return f"{self.family()} {self.word('legal_forms')}"
        if chance < 0.6:
            return f"{self.family()}, {self.family()} and {self.family()}"
        if chance < 0.75:
            made = f"{self.word('odd_words').title()} {self.word('fields')}"
            return f"{made} {self.word('legal_forms')}" if rng.random() < 0.35 else made
        if chance < 0.8:
            return f"{self.word('odd_words').title()} {self.word('fields')} {self.word('fields')}"
        if chance < 0.9:
            return self._coined()
        if chance < 0.93:
            return "".join(rng.choice(CAPITALS) for _ in range(rng.randint(2, 5)))
        town, field = self.town(), self.word("fields")
        sport = rng.choice(("United", "FC", "Rovers", "Airport", "Country Club"))
        return rng.choice(
            (
                *(f"{town} {field}", f"Department of {field}", f"Bank of {town}"),
                *(f"{town} City Council", f"{town} General Hospital", f"Institute for {field}"),
                f"{town} {sport}",
            )
        )

    def date(self, year: int) -> str:
        """A day, in one of the ways they are written."""
        rng = self.rng
        month, day = rng.randint(1, 12), rng.randint(1, 28)
        name = self.words["months"][month - 1]
        short = name[:3]
        ending = "th" if 4 <= day <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
        iso = f"{year}-{month:02}-{day:02}"
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        return rng.choice(
            (
                *(f"{month}/{day}/{year}", f"{day}/{month}/{year}", f"{month:02}/{day:02}/{year}"),
                *(iso, f"{day}.{month}.{year}", f"{day:02}.{month:02}.{year}", f"{iso} {clock}"),
                *(f"{name} {day}, {year}", f"{day} {name} {year}", f"{short} {day}, {year}"),
                *(f"{name} {day}{ending}", f"{day}{ending} of {name} {year}"),
                *(f"{day} {short} {year}", f"{name} {day}", f"{day} {name}"),
                *(f"{month}/{day}/{year % 100:02}", f"{day}-{short}-{year}"),
                *(f"{name} {day}{ending}, {year}", f"{day}. {month}. {year}"),
                f"{self.word('weekdays')}, {day} {name} {year}",
            )
        )

    def phone(self) -> str:
        """A telephone number, valid or not."""
        if self.rng.random() < 0.5 and self.country.phones:
            return self.rng.choice(self.country.phones)
        return self.number(*_PHONE_SHAPES)

    def number(self, *shapes: str) -> str:
        """One of the shapes with digits for `#`."""
        shape = self.rng.choice(shapes)
        return "".join(self.rng.choice(DIGITS) if c == "#" else c for c in shape)

    def _near(self) -> Country:
        return self.country if self.rng.random() < _SAME else weigh(self.pools, self.rng)

    def _coined(self) -> str:
        """A name nobody has heard of, as young companies like it."""
        rng = self.rng
        if rng.random() < 0.4:
            two = [self.word("odd_words").title().replace(" ", "") for _ in range(2)]
            return "".join(two) if rng.random() < 0.5 else "".join(two).capitalize()
        word = "".join(self.word("syllables") for _ in range(rng.randint(2, 3))).capitalize()
        endings = ("", "", "", "", ".com", ".io", " Labs", " AI", " Systems", " Health")
        return word + rng.choice(endings)
