"""Masking what must not leave: every text of an encoded request, whoever made its spans.

Names, attribute keys and values at any depth, JSON inside strings, events, status messages,
links and resources are all just texts here, found by walking the message and not by a list of
names, so that a field nobody thought of is masked too. Pieces of one stream are also read
together. It fails closed: a text that cannot be checked is replaced. It does not know where the
request goes.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from google.protobuf.message import Message

from watchpost.masking.known_values import KnownValues
from watchpost.masking.quiet import Quiet
from watchpost.masking.texts import Leaf, Texts, collect_texts
from watchpost.screening.bulk import find_by_form
from watchpost.screening.decision import mask
from watchpost.screening.disguise import find_through
from watchpost.screening.guard import Finding, Question
from watchpost.screening.policy import WITHHOLDING, Policy, Rule
from watchpost.screening.screen import examine_in_time

FAILED = "[REDACTION FAILED]"
REMEMBERED_TEXTS = 8192
LONGEST_TEXT = 16 * 1024 * 1024
_JOINED_CHARACTERS = 1024 * 1024
# More words than this are prose; fewer are a name, a key or a piece of something.
_PROSE = 3

# A key that says what its value is: the value alone ("hunter2", nine digits) would not.
_TELLING = re.compile(
    r"pass|pwd|secret|token|key|auth|cookie|credential|signature|ssn|social|card|iban|account"
    r"|phone|mobile|fax|mail|licen|tax|routing|national|nhs|medical|wallet|passport",
    re.IGNORECASE,
)
# What stays readable when the guards are dead: names a programmer wrote, too plain to hide data.
_STRUCTURAL_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,47}")
_STRUCTURAL_KEY = re.compile(r"[a-z][a-zA-Z_.-]{0,79}")
_STRUCTURAL_KEYS = frozenset(
    (
        "watchpost.kind",
        "watchpost.usage.source",
        "watchpost.guard.name",
        "watchpost.guard.direction",
        "watchpost.guard.action",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "telemetry.sdk.name",
        "telemetry.sdk.language",
    )
)
_DIGITS = re.compile(r"\d")


class Unscannable(Exception):  # noqa: N818 - it never leaves this file
    """Raised when a guard gave no verdict on a text."""


class Redactor:
    """Masks with a policy's guards; remembers what it found in a text by the text's digest.

    Used by one thread at a time. Guards under `redact` are asked about every text; guards under
    `block` and `fallback` only if they say where (`locates = True`). A policy's `directions` and
    `on_failure` do not count here: leaving the process is one direction, and it is always closed.
    `declared` gives the rules that hold beside the policy's at the moment; it is asked for each
    request.
    """

    def __init__(
        self, policy: Policy | None, declared: Callable[[], tuple[Rule, ...]] = tuple
    ) -> None:
        self._own = policy.rules if policy is not None else ()
        self._declared = declared
        self._beside: tuple[Rule, ...] = ()
        self._take(self._own)
        self._remembered: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self._quiet = Quiet()

    def redact_request(self, request: Message) -> None:
        """Mask an ExportTraceServiceRequest (or any protobuf message) in place."""
        self._look_around()
        if not self._rules:
            return
        texts = collect_texts(request, self._quiet)
        if self._look_at_all(texts) and texts.has_skipped:
            # What was found in one place may stand in any other, quiet until now.
            texts = collect_texts(request)
            self._look_at_all(texts)
        texts.remember_quiet()
        _write(texts)

    def redact_text(self, text: str) -> str:
        """One text, masked; `[REDACTION FAILED]` when a guard could not answer."""
        self._look_around()
        try:
            return mask(text, self._locate(text))
        except Unscannable:
            return FAILED

    def _look_around(self) -> None:
        """Take up what was declared since; what other rules found says nothing about these."""
        beside = self._declared()
        if beside is not self._beside:
            self._beside = beside
            self._take((*self._own, *beside))
            self._remembered.clear()
            self._quiet.clear()

    def _take(self, rules: Sequence[Rule]) -> None:
        self._rules = _join(rules)
        # A span has many fields, and reading each with a model would outlast the call it tells of.
        self._field_rules = tuple(replace(r, guard=find_by_form(r.guard)) for r in self._rules)

    def _look_at_all(self, texts: Texts) -> bool:
        """Find what is to be hidden; True when some of it has to be looked for elsewhere."""
        known = KnownValues()
        for leaf in texts.leaves:
            self._look_at(leaf, known)
        for group in texts.groups.values():
            if len(group) > 1:
                self._look_across(group, known)
        if not known:
            return False
        for leaf in texts.leaves:
            if not leaf.failed:
                leaf.findings += known.find_in(leaf.text)
        return True

    def _look_at(self, leaf: Leaf, known: KnownValues) -> None:
        try:
            leaf.findings += self._locate(leaf.text)
            if leaf.key and _TELLING.search(leaf.key):
                leaf.findings += self._locate_by_key(leaf)
        except Unscannable:
            leaf.failed = True
        known.learn(leaf.text, leaf.findings)

    def _locate_by_key(self, leaf: Leaf) -> list[Finding]:
        """Findings that need the key to be seen, as places in the value."""
        prefix = f'{leaf.key}: "'
        quoted = leaf.text.replace('"', " ")
        return _shift(self._locate(f'{prefix}{quoted}"'), len(prefix), len(leaf.text))

    def _look_across(self, group: Sequence[Leaf], known: KnownValues) -> None:
        """Read the pieces of one stream as one text and map what crosses a border back."""
        for run in _bounded_runs(group):
            joined = "".join(leaf.text for leaf in run)
            try:
                found = self._locate(joined)
            except Unscannable:
                for leaf in run:
                    leaf.failed = True
                continue
            known.learn(joined, found)
            start = 0
            for leaf in run:
                leaf.findings += _shift(found, start, len(leaf.text))
                start += len(leaf.text)

    def _locate(self, text: str) -> tuple[Finding, ...]:
        """Where in a text something must be hidden, disguised or not."""
        if len(text) < 4:
            return ()
        if len(text) > LONGEST_TEXT:
            raise Unscannable
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        found = tuple(find_through(self._scan, text))
        self._remembered[key] = found
        if len(self._remembered) > REMEMBERED_TEXTS:
            self._remembered.popitem(last=False)
        return found

    def _scan(self, text: str) -> list[Finding]:
        rules = self._rules if len(text.split(maxsplit=_PROSE)) > _PROSE else self._field_rules
        return [finding for rule in rules for finding in _ask(rule, text)]


def _join(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that can mask a text, each guard once for each threshold."""
    found: dict[tuple[int, bool, float | None], Rule] = {}
    for rule in rules:
        masks_whole = rule.action == "redact"
        if masks_whole or (rule.action in WITHHOLDING and getattr(rule.guard, "locates", False)):
            found.setdefault((id(rule.guard), masks_whole, rule.threshold), rule)
    return tuple(found.values())


def _ask(rule: Rule, text: str) -> Iterable[Finding]:
    verdict = examine_in_time(rule, Question(text))
    if verdict.failed:
        raise Unscannable
    threshold = verdict.threshold if rule.threshold is None else rule.threshold
    if verdict.findings:
        return (item for item in verdict.findings if item.score >= threshold)
    tripped = verdict.tripped if rule.threshold is None else verdict.probability >= threshold
    if tripped and verdict.probability > 0 and rule.action == "redact":
        # It says that something is there and not where, so all of it goes.
        return (Finding(0, len(text), verdict.label, verdict.probability),)
    return ()


def _shift(findings: Iterable[Finding], start: int, length: int) -> list[Finding]:
    """Findings seen from `start` on, clipped to `length` characters."""
    return [
        replace(item, start=max(item.start - start, 0), end=min(item.end - start, length))
        for item in findings
        if item.start < start + length and item.end > start
    ]


def _bounded_runs(group: Sequence[Leaf]) -> Iterable[list[Leaf]]:
    """The pieces of one stream in runs of bounded size; neighbours always meet in one of them."""
    run: list[Leaf] = []
    size = 0
    for leaf in group:
        run.append(leaf)
        size += len(leaf.text)
        if size >= _JOINED_CHARACTERS:
            yield run
            run, size = [leaf], len(leaf.text)
    if len(run) > 1:
        yield run


def _write(texts: Texts) -> None:
    for leaf in texts.leaves:
        if leaf.failed:
            if not _may_stay(leaf):
                leaf.write(FAILED)
        elif leaf.findings:
            leaf.write(mask(leaf.text, leaf.findings))
    texts.close()


def _may_stay(leaf: Leaf) -> bool:
    """Whether a text nobody could check is one of the program's own words."""
    if leaf.is_key:
        return _STRUCTURAL_KEY.fullmatch(leaf.text) is not None
    if leaf.path not in _STRUCTURAL_KEYS:
        return False
    return (
        _STRUCTURAL_VALUE.fullmatch(leaf.text) is not None and len(_DIGITS.findall(leaf.text)) < 5
    )
