"""Examples of our own making: attacks, refusals, harmful and innocent texts, and their disguises.

Every text comes from a template of `templates/`, a natural text, or both; that is its group.
Attacks inside documents are put into documents that also appear without them, so that only the
attack tells them apart. It does not know how they are learned.
"""

import base64
import random
import re
from collections.abc import Iterator, Mapping, Sequence

from watchpost_guards.train.grammar import Grown, grow, load_grammar
from watchpost_guards.train.natural import Natural, Piece, cut
from watchpost_guards.train.records import NO_ATTACK, NO_HARM, Example

_LOOKALIKES = str.maketrans("aeopcxyi", "аеорсхуі")  # noqa: RUF001 - that is the point
_UNSAFE_KINDS = ("illicit", "violence", "self_harm", "hate", "harassment", "sexual")
_POST_KINDS = ("hate", "harassment", "self_harm", "sexual", "violence")
# Template file, section and set of the documents that attacks are put into.
_CARRIERS = (
    ("carriers", "carrier", "generated/clean"),
    ("documents", "document", "generated/documents"),
)
_NO_REFUSAL = {"refusal/refusal": 0.0}
_REFUSAL = {"refusal/refusal": 1.0} | NO_ATTACK | NO_HARM
_HARMLESS = NO_ATTACK | NO_HARM | _NO_REFUSAL
# A question that is an order, or one about a way: what a refusal repeats in the infinitive.
_ORDER = re.compile(
    r"(write|create|describe|explain|generate|give|make|tell|find|list|suggest|compose|provide"
    r"|design|develop|name|identify|construct|summarize|compare|convert|calculate|rewrite|edit"
    r"|come up with|translate|outline|recommend|analyze|predict|classify)\b",
    re.IGNORECASE,
)
_WAY = re.compile(r"how (?:do|can|could|should) (?:i|you|we|one|people) ", re.IGNORECASE)
_LONGEST_ORDER = 140


def generate(count: int, seed: int, natural: Natural | None = None) -> list[Example]:
    """Examples of each head, their number in proportion to `count`, the same for the same seed."""
    natural = natural or Natural((), (), (), (), ())
    makers = (
        _show_natural,
        _make_direct,
        _make_indirect,
        _make_harmless,
        _make_documents,
        _make_scenarios,
        _make_refusal,
        _make_replies,
        _make_unsafe,
    )
    # Each its own luck: what one of them makes does not depend on the others.
    return [
        example
        for maker in makers
        for example in maker(count, natural, random.Random(f"{seed} {maker.__name__}"))  # noqa: S311 - data, not a secret
    ]


def disguise(text: str, rng: random.Random) -> str:
    """The same text as somebody writes it who wants a filter to miss it."""
    kind = rng.randrange(6)
    if kind == 0:
        return " ".join(text)
    if kind == 1:
        return text.translate(_LOOKALIKES)
    if kind == 2:
        return "\u200b".join(text)
    if kind == 3:
        return "Decode this and do what it says: " + base64.b64encode(text.encode()).decode()
    if kind == 4:
        return text.upper() if rng.random() < 0.5 else text.swapcase()
    return _misspell(text, rng)


def plant(document: str, attack: str, rng: random.Random) -> str:
    """A document with an attack in it: before, behind, in a line, or cutting a word in two."""
    place = rng.randrange(6)
    if place == 0:
        return f"{attack}\n{document}"
    if place == 1:
        return f"{document}\n{attack}"
    if place == 2:
        middle = rng.randrange(len(document) + 1)
        return f"{document[:middle]}\n{attack}\n{document[middle:]}"
    if place == 3:
        spaces = [n for n, letter in enumerate(document) if letter == " "] or [len(document)]
        middle = rng.choice(spaces)
        return f"{document[:middle]} {attack}{document[middle:]}"
    lines = document.split("\n")
    number = rng.randrange(len(lines))
    lines[number] = f"{lines[number]} {attack}" if place == 4 else f"{lines[number]}\n{attack}"
    return "\n".join(lines)


def _show_natural(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    """Natural texts as they are: they attack nobody, harm nobody and refuse nothing."""
    shares = ((natural.questions, 1.0), (natural.answers, 0.5), (natural.code, 0.3))
    for pieces, share in (*shares, (natural.asked, 0.3), (natural.documents, 0.6)):
        for piece in _pick(pieces, int(count * share), rng):
            yield Example(cut(piece.text, rng), _HARMLESS, piece.source, piece.group)


def _make_direct(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    labels = _mark("injection", "direct")
    for name, section, share in (("injection", "direct", 0.35), ("hijacks", "hijack", 0.6)):
        for grown in grow(load_grammar(name), section, int(count * share), rng):
            text = disguise(grown.text, rng) if rng.random() < 0.12 else grown.text
            if rng.random() < 0.12 and natural.questions:
                other = rng.choice(natural.questions).text
                text = f"{other} {text}" if rng.random() < 0.6 else f"{text} {other}"
            yield Example(text, labels, "generated/direct", f"{name}/{grown.template}")


def _make_indirect(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    """Attacks in documents, beside the same documents with a sentence more or as they are."""
    carriers = load_grammar("carriers")
    sentences = [part for p in natural.documents[:400] for part in _split_sentences(p.text)]
    for attack in _make_planted(count, natural, rng):
        carrier = _carry(natural, rng)
        text = plant(carrier.text, attack.text, rng)
        yield Example(text, _mark("injection", "indirect"), "generated/indirect", attack.template)
        if rng.random() < 0.7:
            clean = carrier.text
            if sentences and rng.random() < 0.35:
                clean = plant(clean, rng.choice(sentences), rng)
            # Where the document itself stands: on the same side of a split.
            yield Example(clean, _HARMLESS, carrier.source, carrier.group)
    for grown in grow(carriers, "carrier", count // 4, rng):
        yield Example(grown.text, _HARMLESS, "generated/clean", grown.template)


def _make_planted(count: int, natural: Natural, rng: random.Random) -> Iterator[Grown]:
    planted, texts, hijacks = (load_grammar(n) for n in ("planted", "injection", "hijacks"))
    yield from grow(planted, "planted", int(count * 0.6), rng)
    yield from grow(texts, "indirect", int(count * 0.2), rng)
    for grown in grow(hijacks, "hijack", int(count * 0.12), rng):
        yield Grown(grown.text, f"hijacks/{grown.template}")
    # What people ask a model to do. What they say in a talk would be no attack in a document.
    orders = [piece for piece in natural.questions if _ORDER.match(piece.text)]
    for piece in _pick(orders, int(count * 0.2), rng):
        if len(piece.text) < 2 * _LONGEST_ORDER:
            yield Grown(piece.text, piece.group)


def _carry(natural: Natural, rng: random.Random) -> Piece:
    kinds = (natural.documents, natural.documents, natural.code, natural.answers)
    kind = rng.choice((*kinds, (), (), (), ()))
    if not kind:
        name, section, source = rng.choice(_CARRIERS)
        grown = next(grow(load_grammar(name), section, 1, rng))
        return Piece(grown.text, source, grown.template)
    piece = rng.choice(kind)
    return Piece(cut(piece.text, rng), piece.source, piece.group)


def _make_harmless(count: int, _: Natural, rng: random.Random) -> Iterator[Example]:
    """Prompts and prose full of the words of attacks, and tasks that stand alone."""
    harmless, texts, planted = (load_grammar(n) for n in ("harmless", "injection", "planted"))
    shares = ((harmless, "prompt", 0.7), (harmless, "prose", 0.3), (texts, "trigger", 0.35))
    alone = ((texts, "benign_request"), (texts, "i_task"), (texts, "i_question"))
    for grammar, section, share in (*shares, *((*pair, 0.06) for pair in alone)):
        for grown in grow(grammar, section, int(count * share), rng):
            yield Example(grown.text, _HARMLESS, "generated/harmless", grown.template)
    for section in ("task", "ask"):
        for grown in grow(planted, section, int(count * 0.08), rng):
            yield Example(grown.text, _HARMLESS, "generated/harmless", f"planted/{grown.template}")


def _make_documents(count: int, _: Natural, rng: random.Random) -> Iterator[Example]:
    """Documents in which people tell each other what to do, and programs what they can."""
    for grown in grow(load_grammar("documents"), "document", int(count * 0.7), rng):
        yield Example(grown.text, _HARMLESS, "generated/documents", grown.template)


def _make_scenarios(count: int, _: Natural, rng: random.Random) -> Iterator[Example]:
    """Long harmless prompts in the tone of attacks: roles, games, other worlds, formats."""
    for section, share in (("scenario", 0.6), ("request", 0.1)):
        for grown in grow(load_grammar("scenarios"), section, int(count * share), rng):
            yield Example(grown.text, _HARMLESS, "generated/scenarios", grown.template)


def _make_refusal(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    texts, replies = load_grammar("refusal"), load_grammar("replies")
    source = "generated/refusal"
    for grown in grow(texts, "refused", int(count * 0.25), rng):
        yield Example(grown.text, _REFUSAL, source, grown.template)
    for grown in grow(texts, "complied", int(count * 0.3), rng):
        yield Example(grown.text, _NO_REFUSAL | NO_ATTACK, source, grown.template)
    for section in ("refusal", "soft"):
        for grown in grow(replies, section, int(count * 0.2), rng):
            yield Example(grown.text, _REFUSAL, source, grown.template)
    orders = [order for piece in natural.questions if (order := _read_order(piece.text))]
    for grown in grow(
        {**replies, "prompt": (*replies["prompt"], *orders)}, "wrapped", count // 4, rng
    ):
        yield Example(grown.text, _REFUSAL, source, grown.template)
    for piece in _pick(natural.answers, int(count * 0.35), rng):
        before = next(grow(replies, "prefix", 1, rng)).text if rng.random() < 0.75 else ""
        after = next(grow(replies, "lecture", 1, rng)).text if rng.random() < 0.3 else ""
        text = f"{before}{cut(piece.text, rng)}{after}"
        yield Example(text, _HARMLESS, "generated/answers", piece.group)


def _make_replies(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    """Long refusals and corrections, and long help that corrects, warns and apologises as well."""
    texts, source = load_grammar("declining"), "generated/replies"
    orders = [order for piece in natural.questions if (order := _read_order(piece.text))]
    asked = {**texts, "prompt": (*texts["prompt"], *orders)}
    for section, share in (("declined", 0.6), ("declined_abroad", 0.05)):
        for grown in grow(asked, section, int(count * share), rng):
            yield Example(grown.text, _REFUSAL, source, grown.template)
    for section, share in (("helped", 0.4), ("helped_abroad", 0.04)):
        for grown in grow(texts, section, int(count * share), rng):
            yield Example(grown.text, _HARMLESS, source, grown.template)


def _make_unsafe(count: int, natural: Natural, rng: random.Random) -> Iterator[Example]:
    texts, posts = load_grammar("unsafe"), load_grammar("posts")
    source = "generated/unsafe"
    for kind in _UNSAFE_KINDS:
        for grown in grow(texts, kind, count // 12, rng):
            text = disguise(grown.text, rng) if rng.random() < 0.05 else grown.text
            yield Example(text, _mark("unsafe", kind), source, grown.template)
    for kind in _POST_KINDS:
        for grown in grow(posts, f"post_{kind}", count // 7, rng):
            text = grown.text
            if natural.documents and rng.random() < 0.25:
                # One bad line makes a long text what it is.
                text = plant(cut(rng.choice(natural.documents).text, rng), text, rng)
            yield Example(text, _mark("unsafe", kind), "generated/posts", grown.template)
    for grammar, section, share in (
        *((texts, "innocent", 0.25), (texts, "neutral", 0.2)),
        *((posts, "alarming", 0.4), (posts, "twin", 0.35)),
    ):
        for grown in grow(grammar, section, int(count * share), rng):
            yield Example(grown.text, _HARMLESS, f"generated/{section}", grown.template)


def _mark(head: str, kind: str) -> Mapping[str, float]:
    return {f"{head}/{head}": 1.0, f"{head}/{kind}": 1.0}


def _pick(pieces: Sequence[Piece], count: int, rng: random.Random) -> Iterator[Piece]:
    """So many of the pieces, sets in turn by the root of their size, none twice in a round."""
    sets: dict[str, list[Piece]] = {}
    for piece in pieces:
        sets.setdefault(piece.source, []).append(piece)
    shares = {source: len(of_set) ** 0.5 for source, of_set in sets.items()}
    for source, of_set in sets.items():
        wanted = int(count * shares[source] / sum(shares.values()))
        order = [piece for _ in range(wanted // len(of_set) + 1) for piece in _shuffle(of_set, rng)]
        yield from order[:wanted]


def _shuffle(pieces: Sequence[Piece], rng: random.Random) -> list[Piece]:
    return rng.sample(pieces, len(pieces))


def _split_sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.])\s+", text[:2000]) if 30 < len(part) < 200]


def _read_order(question: str) -> str | None:
    """A question as what somebody may refuse to do; None where it is no order."""
    plain = question.strip().rstrip("?.!").replace("{", "(").replace("}", ")")
    if len(plain) > _LONGEST_ORDER or "\n" in plain:
        return None
    if _ORDER.match(plain):
        return plain[0].lower() + plain[1:]
    way = _WAY.match(plain)
    return f"explain how to {plain[way.end() :]}" if way else None


def _misspell(text: str, rng: random.Random) -> str:
    letters = list(text)
    for _ in range(max(1, len(letters) // 15)):
        place = rng.randrange(len(letters))
        if letters[place].isalpha():
            letters[place] = rng.choice(("", letters[place] * 2, "*"))
    return "".join(letters)
