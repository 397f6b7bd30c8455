"""The guard `pii` with its shipped tagger: what is found by context, and what is left alone."""

import pytest

from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost_guards.models import segments
from watchpost_guards.pii import LEARNED, REACH, LearnedPiiGuard, PiiGuard, create

GUARD = create(learned=LEARNED)


def labels(text: str) -> dict[str, str]:
    return {text[f.start : f.end]: f.label for f in GUARD.check(Question(text)).findings}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "My name is Ada Lovelace and I live in London.",
            {"Ada Lovelace": "PERSON", "London": "LOCATION"},
        ),
        (
            "please send it to 12 Long Street, Springfield, IL 62704",
            {"12 Long Street, Springfield, IL 62704": "ADDRESS"},
        ),
        ("hi, this is grace hopper from boston", {"grace hopper": "PERSON", "boston": "LOCATION"}),
        ("She was born on December 9, 1906.", {"December 9, 1906": "DATE_TIME"}),
        ("Dr. Meitner will see you on Monday", {"Meitner": "PERSON"}),
        ("Ich heiße Emmy Noether.", {"Emmy Noether": "PERSON"}),
        ("They are not answering at 25-62-29-72", {"25-62-29-72": "PHONE_NUMBER"}),
    ],
)
def test_what_has_no_form_is_found_by_its_context(text: str, found: dict[str, str]) -> None:
    assert labels(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "Will you be open in May? Mark the date.",
        "A rose is a rose, and hope is not a strategy.",
        "Install Python 3.11 on Windows and restart Docker.",
        "2024-01-15 10:00:00,123 INFO Starting worker 4",
        "def load(path: Path) -> str:\n    return path.read_text()",
        '{"role": "user", "content": "What is the weather like today?"}',
        "Order 40938 costs $12.50 and ships in 3 days.",
        "The French president spoke German to the Italian press.",
        "sleep 30 && ls 4",
        '{"key": "of the store ' + "AKIA" + 'IOSFODNN7QYRTX2W"}',
        "expr 15 '*' 3",
        bytes(range(256)).decode("latin-1") * 2,
        "Pythagoras",
        "gen_ai.request.model",
        "Our invoice for [ORGANIZATION]-15467 shows the wrong company name. Accounting needs a new "
        "one. Call me at [PHONE_NUMBER] if that is quicker. Thanks in advance for looking into it. "
        "Regards, [PERSON]",
    ],
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    assert labels(text) == {}


def test_what_a_pattern_finds_keeps_its_label() -> None:
    found = labels("Write to Ada Lovelace, ada.lovelace@example.com, or call +41 44 668 18 00.")
    assert found["ada.lovelace@example.com"] == "EMAIL_ADDRESS"
    assert found["Ada Lovelace"] == "PERSON"


def test_a_name_is_found_at_the_end_of_a_long_text() -> None:
    text = "it was said that nothing of the kind had ever been seen before. " * 40
    assert "Ada Lovelace" in labels(f"{text}My name is Ada Lovelace.")


def test_only_the_kinds_asked_for_are_found() -> None:
    text = "My name is Ada Lovelace and I live in London."
    verdict = create(learned=["LOCATION"]).check(Question(text))
    assert [text[f.start : f.end] for f in verdict.findings] == ["London"]


def test_without_learned_kinds_a_guard_sees_less_far() -> None:
    by_form, by_context = create(learned=[]), GUARD
    assert isinstance(by_form, PiiGuard)
    assert isinstance(by_context, LearnedPiiGuard)
    assert (by_form.reach, by_context.reach) == (REACH, segments.REACH)
    assert by_form.revision != by_context.revision
    assert by_form.check(Question("My name is Ada Lovelace.")).findings == ()


@pytest.mark.parametrize("given", ["PERSON", ["NAME"], ["PERSON", "CREDIT_CARD"]])
def test_a_kind_that_is_not_learned_is_refused_with_those_there_are(given) -> None:
    with pytest.raises(ConfigError, match=r"pii\(learned=\.\.\.\).*DATE_TIME"):
        create(learned=given)
