"""Where sentences begin and end, and which of them claim anything."""

import pytest

from watchpost_guards.models.sentences import find_claims, is_claim, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith met J. K. Rowling on Jan. 5. She left.", 2),
        ("The U.S. Army came, e.g. by car. It left at 5 p.m. on Monday.", 2),
        ('He said "It works." Then he left (at last!). Fine', 3),
        ("It cost 3.5 million. Nobody paid.", 2),
        ("Facts:\n1. Paris is big.\n2. Rome is old\n- Oslo is far\n* so is Bergen", 5),
        ("A title\n\nA paragraph without a full stop\n\nAnother one.", 3),
        (
            "This line was wrapped by somebody's editor at some seventy characters,\n"
            "Berlin among them. So was this.",
            2,
        ),
        ("...\n\n***\n", 0),
        ("", 0),
    ],
)
def test_a_text_has_as_many_sentences_as_a_reader_sees(text: str, expected: int) -> None:
    assert len(split_sentences(text)) == expected


def test_places_are_those_of_the_sentence_without_the_space_around_it() -> None:
    text = "  One is here.  \n\n Two is there! "
    assert [text[s.start : s.end] for s in split_sentences(text)] == [
        "One is here.",
        "Two is there!",
    ]


def test_what_is_said_in_a_dialogue_keeps_its_speaker() -> None:
    text = "Ann: Buy butter. It is cheap.\nMike: Ok, I will. I have money."
    told = [(text[s.start : s.end], s.speaker) for s in split_sentences(text)]
    assert told == [
        ("Ann: Buy butter.", ""),
        ("It is cheap.", "Ann"),
        ("Mike: Ok, I will.", ""),
        ("I have money.", "Mike"),
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "How can I help you?",
        "Hello there!",
        "Dear Anna,",
        "Yes, of course!",
        "You're welcome.",
        "I don't know.",
        "The documents do not say when he was born.",
        "Here are the facts:",
        "Thanks for asking!",
    ],
)
def test_greetings_questions_and_not_knowing_claim_nothing(sentence: str) -> None:
    assert not is_claim(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Paris is the capital of France.",
        "Yes, it was founded in 1908.",
        "Sure, he met Queen Victoria in London.",
        "No evidence was found.",
    ],
)
def test_what_tells_something_is_a_claim(sentence: str) -> None:
    assert is_claim(sentence)


def test_claims_are_found_among_the_rest() -> None:
    text = "Hello! Paris is in France. Is it? I do not know."
    assert [text[s.start : s.end] for s in find_claims(text)] == ["Paris is in France."]
