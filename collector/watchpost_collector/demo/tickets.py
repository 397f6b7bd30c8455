"""Support tickets, invented: the same seed gives the same tickets.

Names, addresses, numbers and keys are made up; cards and phones are of the ranges reserved for
examples, but well formed, so that the guards have something to find. It knows no model and no
prompt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

PLANS = ("free", "team", "business")
_PLAN_WEIGHTS = (55, 32, 13)
_NAMES = (
    "Ada Moreno",
    "Jonas Weber",
    "Priya Nair",
    "Tom Okafor",
    "Lucia Rossi",
    "Mei Tan",
    "Omar Haddad",
    "Eva Lindqvist",
    "Sam Carter",
    "Noor Aziz",
)
_TOPICS = {
    "delivery": (
        "My parcel {order} was due {when} and the tracking page has not moved since.",
        "The courier says {order} was handed over, but nobody here has seen it.",
        "Half of order {order} arrived {when}; the desk lamp is missing.",
    ),
    "refund": (
        "I returned {order} {when} and the money is still not back on my card.",
        "You charged me twice for {order}. Please send one of the payments back.",
        "I cancelled {order} within an hour, yet it was charged {when}.",
    ),
    "account": (
        "I cannot sign in since {when}; the reset mail never comes.",
        "Please move my account to my new address, the old one closes soon.",
        "Someone changed the delivery address of {order} and it was not me.",
    ),
    "product": (
        "The lamp from {order} flickers at half brightness. Is there a setting for that?",
        "Does the standing desk carry two 32 inch screens? I ordered {order} for that.",
        "The app lost the light scenes of {order} after the update {when}.",
    ),
    "billing": (
        "Our invoice for {order} shows the wrong company name. Accounting needs a new one.",
        "Why did the team plan get dearer {when}? Nobody told us.",
        "We need the VAT number on the invoice of {order}.",
    ),
}
_TOPIC_WEIGHTS = (34, 24, 14, 18, 10)
_WHEN = ("yesterday", "last Monday", "three days ago", "on the 4th", "a week ago")
_MOODS = (
    "Please hurry, this is the third time I write.",
    "Thanks in advance for looking into it.",
    "I am quite disappointed, to be honest.",
    "No rush, I only wonder.",
    "If this is not solved today I will leave.",
)
_SHARE_PERSONAL = 0.34
_SHARE_SECRET = 0.008


@dataclass(frozen=True, slots=True)
class Ticket:
    """One customer's request; `thread` is what was written before."""

    number: str
    customer: str
    plan: str
    topic: str
    order: str
    body: str
    thread: tuple[str, ...]


def make_tickets(count: int, seed: int = 7) -> list[Ticket]:
    """That many tickets."""
    chance = random.Random(seed)  # noqa: S311 - invented text, no secret
    return [_make_ticket(number, chance) for number in range(1, count + 1)]


def _make_ticket(number: int, chance: random.Random) -> Ticket:
    name = chance.choice(_NAMES)
    topic = chance.choices(list(_TOPICS), _TOPIC_WEIGHTS)[0]
    order = f"{chance.choice('ABCD')}-{chance.randint(10_000, 99_999)}"
    sentences = [
        chance.choice(_TOPICS[topic]).format(order=order, when=chance.choice(_WHEN)),
        *(_personal_sentences(name, chance) if chance.random() < _SHARE_PERSONAL else ()),
        chance.choice(_MOODS),
        f"Regards, {name}",
    ]
    if chance.random() < _SHARE_SECRET:
        sentences.insert(1, f"I even tried your API with my key {_secret(chance)} to see it.")
    thread = tuple(
        f"Earlier message {turn}: " + chance.choice(_TOPICS[topic]).format(order=order, when=when)
        for turn, when in enumerate(chance.sample(_WHEN, chance.choice((0, 0, 1, 3))), start=1)
    )
    return Ticket(
        number=f"T-{number:05d}",
        customer=f"customer-{chance.randint(1, 900):03d}",
        plan=chance.choices(PLANS, _PLAN_WEIGHTS)[0],
        topic=topic,
        order=order,
        body=" ".join(sentences),
        thread=thread,
    )


def _personal_sentences(name: str, chance: random.Random) -> tuple[str, ...]:
    address = f"{name.lower().replace(' ', '.')}{chance.randint(1, 99)}@example.com"
    sentences = (
        f"You can reach me at {address}.",
        f"Call me at +1 202-555-{chance.randint(100, 199):04d} if that is quicker.",
        f"I paid with card {_card_number(chance)}.",
    )
    return tuple(chance.sample(sentences, chance.choice((1, 1, 2))))


def _card_number(chance: random.Random) -> str:
    """A number with a right check digit, in a range that no bank issues."""
    digits = [4, 0, 0, 0, 0, 0, *(chance.randint(0, 9) for _ in range(9))]
    doubled = [d if i % 2 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(digits)]
    digits.append(-sum(doubled) % 10)
    text = "".join(map(str, digits))
    return " ".join(text[start : start + 4] for start in range(0, 16, 4))


def _secret(chance: random.Random) -> str:
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    # In two pieces, so that no scanner takes this file for a leak.
    return "sk-" + "proj-" + "".join(chance.choices(letters, k=40))
