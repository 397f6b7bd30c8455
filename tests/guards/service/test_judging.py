"""What a model's numbers become: labels, places and sentences, by what the catalogue says."""

import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from watchpost import Verdict
from watchpost.screening.deadline import due
from watchpost.screening.guard import Question
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.catalogue import Entry
from watchpost_guards.service.framing import Frame, Row
from watchpost_guards.service.judging import KINDS
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.schedule import Bounds

WORDS = ("bomb", "scum", "alice", "smith", "calm", "paris", "is", "big", "small", ",")
YES, NO = 4.0, -4.0


class WordModel:
    """A model by hand: each of its columns says yes to its words, token by token or in all."""

    lane = "words"
    revision = "words@1"

    def __init__(self, columns: Mapping[str, Sequence[str]], *, by_token: bool = False) -> None:
        vocabulary = {word: n for n, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *WORDS])}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B [SEP]",
            special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
        )
        self.labels = tuple(columns)
        self.frame = Frame(tokenizer, 24, "test")
        self.most_rows = 0
        self.is_closed = False
        self._sought = [{vocabulary[word] for word in words} for words in columns.values()]
        self._by_token = by_token

    def run(self, rows: Sequence[Row], length: int) -> list[list[list[float]]]:
        self.most_rows = max(self.most_rows, len(rows))
        return [
            [self._weigh({token}) for token in row.ids]
            if self._by_token
            else [self._weigh(set(row.ids))]
            for row in rows
        ]

    def close(self) -> None:
        self.is_closed = True

    def _weigh(self, tokens: set[int]) -> list[float]:
        return [YES if tokens & sought else NO for sought in self._sought]


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    running = Batcher(Bounds(), Meter())
    yield running
    running.close()


def judge(
    batcher: Batcher, entry: Entry, model: WordModel, text: str, context: tuple[str, ...] = ()
) -> Verdict:
    guard = KINDS[entry.task](entry, model, batcher)
    with due(time.monotonic() + 30):
        return guard.check(Question(text, "output", context=context))


TOXIC = Entry("toxic", "classify", labels={"hot": "unsafe", "rude": "hate"}, several=True)


def test_labels_that_exclude_no_other_count_one_by_one(batcher: Batcher) -> None:
    model = WordModel({"hot": ["bomb"], "rude": ["scum"]})
    assert not judge(batcher, TOXIC, model, "calm paris").tripped
    verdict = judge(batcher, TOXIC, model, "scum")
    assert (verdict.tripped, verdict.label) == (True, "hate")
    assert verdict.probability == pytest.approx(1 / (1 + 2.718281828**-YES), abs=1e-6)
    assert verdict.revision == "words@1"


def test_labels_that_exclude_each_other_are_harmful_together(batcher: Batcher) -> None:
    entry = Entry("mixed", "classify", labels={"a": "direct", "b": "other"}, harmless=("none",))
    model = WordModel({"none": ["calm"], "a": ["bomb"], "b": ["bomb", "scum"]})
    verdict = judge(batcher, entry, model, "bomb")
    assert verdict.probability == pytest.approx(1.0, abs=1e-3)
    assert verdict.label in ("direct", "other")
    assert judge(batcher, entry, model, "calm").probability < 0.01


def test_a_label_nobody_spoke_of_counts_as_it_is_called(batcher: Batcher) -> None:
    entry = Entry("strange", "classify", labels={"x": "y"}, several=True)
    verdict = judge(batcher, entry, WordModel({"odd": ["bomb"]}), "bomb")
    assert verdict.label == "odd"


@pytest.mark.parametrize("before", [0, 30, 400])
def test_one_bad_word_is_found_however_long_the_text(batcher: Batcher, before: int) -> None:
    model = WordModel({"hot": ["bomb"], "rude": ["scum"]})
    text = "calm " * before + "bomb " + "calm " * 50
    verdict = judge(batcher, TOXIC, model, text)
    assert verdict.tripped
    assert all("bomb" in text[found.start : found.end] for found in verdict.findings)
    assert model.most_rows > 1


def test_tokens_of_a_name_are_one_finding_in_whole_words(batcher: Batcher) -> None:
    columns = {"O": ["calm", ","], "B-PER": ["alice"], "I-PER": ["smith"], "B-LOC": ["paris"]}
    entry = Entry("names", "tag", labels={"PER": "PERSON", "LOC": "PLACE"}, harmless=("O",))
    text = "calm alice smith , paris"
    verdict = judge(batcher, entry, WordModel(columns, by_token=True), text)
    found = [(text[f.start : f.end], f.label) for f in verdict.findings]
    assert found == [("alice smith", "PERSON"), ("paris", "PLACE")]


def test_a_token_that_any_document_supports_is_supported(batcher: Batcher) -> None:
    entry = Entry(
        "beside", "tag", labels={"no": "unsupported"}, harmless=("yes",), beside="context"
    )

    class Beside(WordModel):
        def run(self, rows: Sequence[Row], length: int) -> list[list[list[float]]]:
            """A token is supported where it stands in what is beside it."""
            return [
                [[YES, NO] if token in row.ids[: row.first] else [NO, YES] for token in row.ids]
                for row in rows
            ]

    model = Beside({"yes": [], "no": []}, by_token=True)
    text = "paris is big"
    verdict = judge(batcher, entry, model, text, ("paris calm " * 20, "calm is"))
    assert [text[found.start : found.end] for found in verdict.findings] == ["big"]
    assert judge(batcher, entry, model, text).label == "not_checkable"


def test_a_sentence_that_follows_from_no_document_is_found(batcher: Batcher) -> None:
    entry = Entry("nli", "entail", labels={"no": "unsupported"}, harmless=("yes",))
    model = WordModel({"yes": ["small"], "no": []})
    text = "Then paris is small. And paris is big."
    verdict = judge(batcher, entry, model, text, ("calm alice", "calm"))
    assert verdict.tripped
    assert [text[f.start : f.end] for f in verdict.findings] == ["And paris is big."]
    assert not judge(batcher, entry, model, text, ("calm small",)).tripped
    assert judge(batcher, entry, model, "").tripped is False


def test_documents_without_a_word_support_nothing(batcher: Batcher) -> None:
    entry = Entry("nli", "entail", labels={"no": "unsupported"}, harmless=("yes",))
    verdict = judge(batcher, entry, WordModel({"yes": [], "no": []}), "Then paris is big.", (" ",))
    assert verdict.tripped


def test_warming_computes_and_closing_gives_the_model_back(batcher: Batcher) -> None:
    model = WordModel({"hot": ["bomb"], "rude": []})
    guard = KINDS["classify"](TOXIC, model, batcher)
    guard.warm()  # type: ignore[attr-defined]
    assert model.most_rows > 0
    guard.close()  # type: ignore[attr-defined]
    assert model.is_closed
