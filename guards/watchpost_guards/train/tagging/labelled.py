"""Labelled sets of others as passages: JSON lines of `text`, `spans` and `template`.

Types are brought to the tagger's kinds; what is found by pattern is nothing to learn. Templates
are held out whole. It does not know what a set is called.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from watchpost_guards.harness.sample import read_records
from watchpost_guards.train.tagging.passages import Passage, join_neighbours

FOLDER = "pii"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("PERSON", "NAME", "FIRST_NAME", "LAST_NAME"), "PERSON"),
    **dict.fromkeys(("ADDRESS", "STREET_ADDRESS", "ZIP_CODE"), "ADDRESS"),
    **dict.fromkeys(("LOCATION", "GPE", "CITY", "COUNTRY"), "LOCATION"),
    **dict.fromkeys(("ORGANIZATION", "ORG", "COMPANY"), "ORGANIZATION"),
    **dict.fromkeys(("DATE_TIME", "DATE", "BIRTHDAY", "DATE_OF_BIRTH"), "DATE_TIME"),
    **dict.fromkeys(("PHONE_NUMBER", "PHONE"), "PHONE_NUMBER"),
}
HELD_OUT = 30
"""Of a hundred templates of a labelled set so many are held out."""


def read_labelled(data: Path) -> list[Passage]:
    """Every labelled text under a folder's `pii`, in a fixed order."""
    return [
        _read(record, path.name.partition(".")[0])
        for path in sorted((data / FOLDER).glob("*.jsonl*"))
        for _, record in read_records(path)
    ]


def group_templates(passages: Iterable[Passage], share: int) -> dict[bool, list[Passage]]:
    """Passages by whether their template is held out, as `share` of a hundred are."""
    groups: dict[bool, list[Passage]] = {True: [], False: []}
    for passage in passages:
        groups[crc32(passage.template.encode()) % 100 < share].append(passage)
    return groups


def _read(record: Mapping[str, Any], source: str) -> Passage:
    text = str(record["text"])
    spans = (
        (int(span["start"]), int(span["end"]), _KINDS[span["type"]])
        for span in record["spans"]
        if span["type"] in _KINDS
    )
    template = str(record.get("template", text))
    return Passage(text, join_neighbours(text, spans), template, f"{FOLDER}/{source}")
