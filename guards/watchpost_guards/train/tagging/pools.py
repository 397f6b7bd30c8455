"""Names, streets, towns and companies of many countries, to be put into texts.

People, companies and streets come from Faker, towns from the places that phonenumbers ships for
area codes. Everything is drawn with one seed. It does not know what a text looks like.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from watchpost_guards.train.tagging.sections import read_words

_LATIN = (
    *("en_US", "en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_IN", "en_NZ", "en_NG", "en_KE"),
    *("de_DE", "de_AT", "de_CH", "fr_FR", "fr_BE", "fr_CH", "fr_CA", "es_ES", "es_MX", "es_AR"),
    *("es_CO", "es_CL", "it_IT", "pt_BR", "pt_PT", "nl_NL", "nl_BE", "da_DK", "sv_SE", "no_NO"),
    *("fi_FI", "is_IS", "pl_PL", "cs_CZ", "sk_SK", "sl_SI", "hr_HR", "hu_HU", "ro_RO", "et_EE"),
    *("lv_LV", "lt_LT", "tr_TR", "az_AZ", "id_ID", "fil_PH", "ga_IE"),
    *("yo_NG", "zu_ZA", "ha_NG", "ig_NG", "tw_GH", "en_PK", "en_BD", "en_TH"),
)
_OTHER = ("ru_RU", "uk_UA", "bg_BG", "el_GR", "ar_SA", "he_IL", "ja_JP", "zh_CN", "ko_KR")
_DRAWN = 260
_LETTERS = re.compile(r"[^\W\d_]+(?:[ '\u2019.-]{1,2}[^\W\d_]+)*\.?")


@dataclass(frozen=True, slots=True)
class Country:
    """What one country's texts are filled with. `streets` are with a house number, in its order."""

    code: str
    given: Sequence[str]
    family: Sequence[str]
    streets: Sequence[str]
    roads: Sequence[str]
    towns: Sequence[str]
    codes: Sequence[str]
    companies: Sequence[str]
    addresses: Sequence[str]
    phones: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pools:
    """All countries, and what belongs to none of them."""

    latin: Sequence[Country]
    other: Sequence[Country]
    towns: Sequence[str]
    states: Sequence[str]
    countries: Sequence[str]
    jobs: Sequence[str]


def load_pools(seed: int) -> Pools:
    """Draw everything: some seconds; the same for the same seed and versions of packages."""
    from faker import Faker

    latin = [_draw(code, seed) for code in dict.fromkeys(_LATIN)]
    other = [_draw(code, seed) for code in _OTHER]
    english = Faker("en_US")
    english.seed_instance(seed)
    states = sorted({english.state() for _ in range(1500)})
    countries = sorted(
        {english.country() for _ in range(4000)} | set(read_words()["short_countries"])
    )
    jobs = sorted({english.job() for _ in range(3000)})
    return Pools(latin, other, _read_towns(), states, countries, jobs)


def weigh(pools: Pools, rng: random.Random) -> Country:
    """One country: the English-speaking ones often, other scripts seldom."""
    chance = rng.random()
    if chance < 0.06:
        return rng.choice(pools.other)
    if chance < 0.4:
        return rng.choice(pools.latin[:9])
    return rng.choice(pools.latin)


def _draw(code: str, seed: int) -> Country:
    from faker import Faker

    faker = Faker(code)
    faker.seed_instance(f"{seed}/{code}")

    def many(kind: str) -> list[str]:
        make: Callable[[], Any] | None = getattr(faker, kind, None)
        if make is None:
            return []
        values: dict[str, None] = {}
        for _ in range(_DRAWN):
            value = " \n ".join(line.strip() for line in str(make()).splitlines() if line.strip())
            values[value.replace(" \n ", "\n")] = None
        return list(values)

    names = {kind: _only_names(many(kind)) for kind in ("first_name", "last_name")}
    return Country(
        code=code,
        given=names["first_name"],
        family=names["last_name"],
        streets=[line.replace("\n", " ") for line in many("street_address")],
        roads=[road for road in many("street_name") if not any(c.isdigit() for c in road)],
        towns=_only_names(many("city")),
        codes=many("postcode"),
        companies=many("company"),
        addresses=many("address"),
        phones=many("phone_number"),
    )


def _only_names(values: Sequence[str]) -> list[str]:
    return [value for value in values if _LETTERS.fullmatch(value)]


def _read_towns() -> list[str]:
    """Towns of the world in Latin script, as area codes name them."""
    from phonenumbers.geodata import GEOCODE_DATA

    towns: dict[str, None] = {}
    for names in GEOCODE_DATA.values():
        told = names.get("en")
        town = re.split(r"[,/(]| - ", told)[0].strip() if told else ""
        if 3 <= len(town) <= 24 and _LETTERS.fullmatch(town) and town[0].isupper():
            towns[town] = None
    return sorted(towns)
