"""Making a decision about a request reversible: numbered placeholders of a vault for plain ones.

Pure: it is given what guards said of each text they changed, and runs none itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from watchpost.masking.vault import Vault
from watchpost.screening.decision import Decision
from watchpost.screening.guard import Question
from watchpost.screening.window import find_redacted


def find_changed(questions: Sequence[Question], decision: Decision) -> list[int]:
    """Which texts a decision masks: these guards are asked about one by one, for their findings."""
    if decision.action != "redact":
        return []
    pairs = zip(questions, decision.texts, strict=True)
    return [index for index, (question, text) in enumerate(pairs) if question.text != text]


def seal(
    vault: Vault,
    questions: Sequence[Question],
    decision: Decision,
    apart: Mapping[int, Decision],
) -> Decision:
    """The decision with every masked value in the vault, and every value the vault knows masked.

    `apart` holds the decisions on the changed texts alone. Where one of them does not come to the
    same text (a guard failed, or judges texts together), that text stays masked for good.
    """
    if decision.action in ("block", "fallback") or not questions:
        return decision
    texts = list(decision.texts)
    for index, text in enumerate(texts):
        alone = apart.get(index)
        if alone is not None and alone.texts == (text,):
            asked = questions[index].text
            texts[index] = vault.seal(asked, find_redacted(alone, len(asked)))
        else:
            texts[index] = vault.conceal(text)
    if tuple(texts) == decision.texts:
        return decision
    return replace(decision, action="redact", texts=tuple(texts))
