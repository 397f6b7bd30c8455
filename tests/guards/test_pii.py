"""The guard `pii`: what it finds, what it leaves alone, and that no text can stall it."""

import random
import time

import pytest

from watchpost import Policy
from watchpost.screening.guard import Question
from watchpost_guards import pii
from watchpost_guards.pii import create

GUARD = create(learned=())


def labels(text: str) -> dict[str, str]:
    return {text[f.start : f.end]: f.label for f in GUARD.check(Question(text)).findings}


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [
        ("pay with 4111 1111 1111 1111 now", "4111 1111 1111 1111", "CREDIT_CARD"),
        ("4111111111111111", "4111111111111111", "CREDIT_CARD"),
        ("amex 378282246310005.", "378282246310005", "CREDIT_CARD"),
        ("GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32", "IBAN_CODE"),
        ("in DE89370400440532013000 2 days", "DE89370400440532013000", "IBAN_CODE"),
        ("mail <bob.o'neil+x@example.co.uk>.", "bob.o'neil+x@example.co.uk", "EMAIL_ADDRESS"),
        ("to=bob@example.com&x", "bob@example.com", "EMAIL_ADDRESS"),
        ("SSN: 856-45-6789", "856-45-6789", "US_SSN"),
        ("my ssn is 856456789", "856456789", "US_SSN"),
        ("call (415) 555-2671", "(415) 555-2671", "PHONE_NUMBER"),
        ("+44 20 7946 0958", "+44 20 7946 0958", "PHONE_NUMBER"),
        ("from 8.8.8.8", "8.8.8.8", "IP_ADDRESS"),
        ("at 2001:4860:4860::8888", "2001:4860:4860::8888", "IP_ADDRESS"),
        ("btc 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "CRYPTO"),
        ("NHS number 943 476 5919", "943 476 5919", "UK_NHS"),
        ("nino AB 12 34 56 C", "AB 12 34 56 C", "UK_NINO"),
        ("RSSMRA85T10A562S", "RSSMRA85T10A562S", "IT_FISCAL_CODE"),
        ("My driver's license number is A56319335", "A56319335", "US_DRIVER_LICENSE"),
        ("my iban is gb50mvfc38361978683032", "gb50mvfc38361978683032", "IBAN_CODE"),
        ("aba routing 021000021", "021000021", "ABA_ROUTING_NUMBER"),
    ],
)
def test_an_identifier_is_found_at_its_place(text: str, value: str, label: str) -> None:
    assert labels(text) == {value: label}


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 fails its checksum",
        "order 4155552671 and invoice 20240115",
        "created at 1763811044, 1763811044000 and 1763811044123456",
        "2024-01-15 10:00:00 or 15/01/2024, 2024-01-15T10:00:00.123456Z",
        "weights 0.4111111111111111 and 12.378282246310005",
        "550e8400-e29b-41d4-a716-446655440000",
        "127.0.0.1, 10.0.0.1, 192.168.1.1:8080, Chrome/120.0.0.0",
        "std::vector<a::b> at 12:30:45",
        "expr 15 '*' 3",
        "user@localhost and @mention",
        "price 1,234,567.89",
        "",
    ],
)
def test_ordinary_numbers_and_code_are_left_alone(text: str) -> None:
    verdict = GUARD.check(Question(text))
    assert verdict.findings == ()
    assert not verdict.tripped


def test_a_passed_checksum_is_certain_and_a_shape_is_not() -> None:
    assert GUARD.check(Question("4111111111111111")).probability == 1.0
    assert 0.5 <= GUARD.check(Question("415-867-5309")).probability < 1.0


def test_a_verdict_says_which_recognisers_gave_it() -> None:
    assert GUARD.check(Question("x")).revision.startswith("2+presidio-")


def test_the_guard_is_found_by_its_name() -> None:
    assert Policy(redact=("pii",)).rules[0].guard.name == "pii"


@pytest.mark.parametrize(
    "unit", ["a", "1", "1 ", "a@", "a" * 64 + " @", "1-", ":", "+1 ", "GB82", "1.1.1.1", "@a.com"]
)
def test_a_hostile_megabyte_gets_an_answer(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    try:
        assert GUARD.check(Question(text)).guard == "pii"
    except TimeoutError as refusal:
        assert "too long" in str(refusal)  # noqa: PT017 - either end is an answer


def test_random_megabytes_get_an_answer() -> None:
    letters = "0123456789abcdefABCDEF"
    text = "".join(random.Random(7).choices(letters, k=1_000_000))
    assert GUARD.check(Question(text)).guard == "pii"


def test_an_identifier_is_found_at_the_end_of_a_long_text() -> None:
    text = "the quick brown fox " * 20_000 + "4111 1111 1111 1111"
    assert list(labels(text)) == ["4111 1111 1111 1111"]


def test_loading_is_not_charged_to_the_first_text(monkeypatch) -> None:
    load = pii.load_catalogue

    def load_slowly():
        end = time.thread_time() + 0.6
        while time.thread_time() < end:
            pass
        return load()

    load()  # what Presidio itself takes to import is not what is tested here
    monkeypatch.setattr(pii, "load_catalogue", load_slowly)
    monkeypatch.setattr(pii, "_BUDGET_S", 0.5)
    verdict = pii.PiiGuard().check(Question("my card is 4111 1111 1111 1111"))
    assert (verdict.tripped, verdict.label) == (True, "CREDIT_CARD")
