"""The vault of one request or conversation: what was hidden from the model, to be put back.

A value gets a placeholder with a number, `[EMAIL_ADDRESS_1]`, the same one each time, and answers
get the value back where the placeholder stands. Whoever makes a vault holds all there is of it:
nothing here is shared, written or logged. It does not know guards, calls or formats.
"""

from __future__ import annotations

import json
import re
import threading
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from opentelemetry import context as otel
from opentelemetry.context import Context

if TYPE_CHECKING:
    from watchpost.screening.guard import Finding
    from watchpost.screening.window import Edit

VAULT = otel.create_key("watchpost-vault")

MOST_VALUES = 2000
"""What a vault does not remember any more is hidden for good, as without a vault."""
# Shorter ones are words and years: known again only where a guard finds them.
_SHORTEST_KNOWN = 6
_LONGEST_LABEL = 40
_PLACEHOLDER = re.compile(r"\[[A-Z0-9_]{1,40}_[0-9]{1,6}\]")
_BEGUN = re.compile(r"\[[A-Z0-9_]{0,47}\Z")
_JSON_BEGINS = re.compile(r"\s*(?:\{|\[\s*[{\"\[])")
_UNFIT = re.compile(r"[^A-Z0-9]+")


class Vault:
    """Values that were hidden, by their placeholders. Any thread may use it.

    Make one for each request or conversation and open it around the calls:

        vault = watchpost.Vault()
        with vault.open(), watchpost.span("answer", policy=Policy(redact=["pii"])):
            ...

    It cannot be copied, pickled or printed, and forgets everything when it is dropped.
    """

    __slots__ = ("__weakref__", "_counts", "_known", "_lock", "_placeholders", "_values")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        # How values may be spelled, the longest first: a shorter one may be part of a longer one.
        self._known: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Vault of {len(self)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault cannot be copied or pickled: its values stay where they are")

    @contextmanager
    def open(self) -> Iterator[Vault]:
        """Use this vault for the model calls that start inside the `with` block."""
        token = otel.attach(otel.set_value(VAULT, self))
        try:
            yield self
        finally:
            # A generator may be closed from elsewhere; there is nothing to leave there.
            with suppress(ValueError):
                token.var.reset(token)

    def clear(self) -> None:
        """Forget every value; their placeholders are put back no more."""
        with self._lock:
            self._values.clear()
            self._placeholders.clear()
            self._known.clear()

    def seal(self, text: str, findings: Iterable[Finding]) -> str:
        """The text with every finding, and every value known, replaced by its placeholder."""
        from watchpost.screening.decision import merge_spans

        pieces: list[str] = []
        position = 0
        for start, end, label in merge_spans(findings, len(text)):
            pieces += (text[position:start], self._keep(text[start:end], label))
            position = end
        return self.conceal("".join((*pieces, text[position:])))

    def conceal(self, text: str) -> str:
        """The text with every value this vault knows replaced by its placeholder."""
        with self._lock:
            present = [known for known in self._known if known[1] in text]
        if not present:
            return text
        taken = [(*match.span(), match[0]) for match in _PLACEHOLDER.finditer(text)]
        for _, spelled, placeholder in present:
            taken += [
                (start, end, placeholder)
                for start, end in _find_alone(text, spelled)
                if not any(start < other_end and other < end for other, other_end, _ in taken)
            ]
        pieces: list[str] = []
        position = 0
        for start, end, placeholder in sorted(taken):
            pieces += (text[position:start], placeholder)
            position = end
        return "".join((*pieces, text[position:]))

    def restore(self, text: str) -> str:
        """The text with every placeholder of this vault replaced by its value.

        In a text that is JSON the values are written as JSON writes them.
        """
        is_json = _is_json(text)
        return _PLACEHOLDER.sub(lambda match: self._spell(match[0], is_json), text)

    def find_edits(self, part: str, is_last: bool, beginning: str) -> tuple[list[Edit], int]:
        """What to put back where in a part of a text, and from where on that is not known yet.

        `beginning` is how the whole text begins.
        """
        from watchpost.screening.window import Edit

        is_json = _is_json(beginning)

        edits = [
            Edit(match.start(), match.end(), self._spell(match[0], is_json), told=True)
            for match in _PLACEHOLDER.finditer(part)
            if match[0] in self._values
        ]
        begun = None if is_last else _BEGUN.search(part)
        return edits, begun.start() if begun else len(part)

    def _keep(self, value: str, label: str) -> str:
        name = _UNFIT.sub("_", label.upper()).strip("_")[:_LONGEST_LABEL] or "REDACTED"
        # A guard may find a placeholder with what stands around it.
        value = self.restore(value)
        with self._lock:
            placeholder = self._placeholders.get((name, value))
            if placeholder is not None:
                return placeholder
            if len(self._values) >= MOST_VALUES:
                return f"[{name}]"
            # Numbers are not given again, so that an old placeholder never means a new value.
            number = self._counts[name] = self._counts.get(name, 0) + 1
            placeholder = f"[{name}_{number}]"
            self._placeholders[name, value] = placeholder
            self._values[placeholder] = value
            if len(value) >= _SHORTEST_KNOWN:
                for spelled in {value, _spell_in_json(value)}:
                    insort(self._known, (-len(spelled), spelled, placeholder))
        return placeholder

    def _spell(self, placeholder: str, is_json: bool) -> str:
        value = self._values.get(placeholder, placeholder)
        return _spell_in_json(value) if is_json else value


def find_vault(context: Context) -> Vault | None:
    """The vault that was opened around here."""
    found = context.get(VAULT)
    return found if isinstance(found, Vault) else None


def conceal_all(vaults: Sequence[Vault], values: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a span without what the vaults know."""
    for vault in vaults:
        for key, value in values.items():
            if isinstance(value, str):
                values[key] = vault.conceal(value)
            elif isinstance(value, tuple | list):
                values[key] = [vault.conceal(v) if isinstance(v, str) else v for v in value]
    return values


def _find_alone(text: str, spelled: str) -> Iterator[tuple[int, int]]:
    """Where a value stands, and not as a part of a longer word or number."""
    start = text.find(spelled)
    while start >= 0:
        end = start + len(spelled)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (before.isalnum() and spelled[0].isalnum()) and not (
            after.isalnum() and spelled[-1].isalnum()
        ):
            yield start, end
        start = text.find(spelled, end)


def _is_json(beginning: str) -> bool:
    return _JSON_BEGINS.match(beginning) is not None


def _spell_in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
