"""Models in the hub's format through the code that serves them, held to transformers itself.

Run in an environment with torch and transformers; prints one JSON line for each thing that was
compared, with what was expected and what came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny import make

from watchpost.errors import ConfigError
from watchpost.screening.guard import Question, Verdict
from watchpost_guards.service.desk import Asked, Desk
from watchpost_guards.service.opening import Choice, open_desk

TEXT = "alice lives in paris"
LONG = " ".join(f"{word} lives in paris bob sells tea a b c" for word in "defghijklmnopqrstuv")
TOLERANCE = 1e-4
TAGS = ["O", "B-PER", "I-PER", "B-LOC"]
CATALOGUE = """
bert: {path: "FOLDER/bert-REVISION", revision: one, task: classify, width: 32, threshold: 0,
       labels: {bad: harm, worse: harm}, harmless: [good]}
roberta: {path: "FOLDER/roberta", task: classify, several: true, threshold: 0,
          labels: {insult: harassment, threat: violence}}
deberta: {path: "FOLDER/deberta", task: classify, threshold: 0, labels: {bad: harm},
          harmless: [good]}
names: {path: "FOLDER/names", task: tag, threshold: 0, width: 40,
        labels: {PER: PERSON, LOC: LOCATION}, harmless: [O]}
beside: {path: "FOLDER/beside", task: tag, beside: context, threshold: 0, width: 60,
         labels: {LABEL_1: unsupported}, harmless: [LABEL_0]}
nli: {path: "FOLDER/nli", task: entail, threshold: 0, width: 60,
      labels: {neutral: unsupported, contradiction: unsupported}, harmless: [entailment]}
unpinned: {model: somebody/something, task: classify, labels: {bad: harm}}
"""


def make_models(folder: Path) -> Path:
    """Six small models of four architectures, two of one at another revision, and a catalogue."""
    kinds = ("BertConfig", "BertForSequenceClassification", ["good", "bad", "worse"])
    make(folder / "bert-one", *kinds, seed=1)
    make(folder / "bert-two", *kinds, seed=2)
    roberta = ("RobertaConfig", "RobertaForSequenceClassification", ["insult", "threat"])
    make(folder / "roberta", *roberta, seed=3, type_vocab_size=1)
    deberta = ("DebertaV2Config", "DebertaV2ForSequenceClassification", ["good", "bad"])
    make(folder / "deberta", *deberta, seed=4, type_vocab_size=0, relative_attention=True)
    make(folder / "names", "BertConfig", "BertForTokenClassification", TAGS, seed=5)
    pair = ("BertConfig", "BertForTokenClassification", ["LABEL_0", "LABEL_1"])
    make(folder / "beside", *pair, seed=6)
    verdicts = ["entailment", "neutral", "contradiction"]
    make(folder / "nli", "BertConfig", "BertForSequenceClassification", verdicts, seed=7)
    path = folder / "catalogue.yaml"
    path.write_text(CATALOGUE.replace("REVISION", "{revision}").replace("FOLDER", str(folder)))
    return path


def expect(name: str, expected: Any, found: Any) -> bool:
    """Print what was compared; whether it agrees, numbers within `TOLERANCE`."""
    near = isinstance(expected, float) and abs(expected - found) <= TOLERANCE
    is_right = near or expected == found
    print(json.dumps({"check": name, "right": is_right, "expected": expected, "found": found}))
    return is_right


class Reference:
    """A folder's model as transformers computes it: row by row, no batch, no window."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.model = getattr(transformers, kind).from_pretrained(folder).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.tokenizer.backend_tokenizer.no_truncation()
        self.tokenizer.backend_tokenizer.no_padding()

    def compute(self, *texts: str) -> torch.Tensor:
        """The logits of a text, or of a pair."""
        given = self.tokenizer(*texts, return_tensors="pt", return_token_type_ids=True)
        if getattr(self.model.config, "type_vocab_size", 0) < 2:
            del given["token_type_ids"]
        with torch.inference_mode():
            return self.model(**given).logits[0]


def ask(desk: Desk, guard: str, texts: Sequence[Question]) -> list[Verdict]:
    """Every text's verdict, asked at the same time."""

    async def gather() -> list[Verdict]:
        asked = [Asked(text, (guard,), time.monotonic() + 60) for text in texts]
        return [one for (one,) in await asyncio.gather(*map(desk.answer, asked))]

    return asyncio.run(gather())


def check_classifiers(desk: Desk, folder: Path) -> list[bool]:
    """Probabilities, of one text alone and of many together, and of a text of many windows."""
    kind = "AutoModelForSequenceClassification"
    bert = Reference(folder / "bert-one", kind)
    roberta, deberta = (Reference(folder / name, kind) for name in ("roberta", "deberta"))
    softmax = bert.compute(TEXT).softmax(-1)
    (alone,) = ask(desk, "bert", [Question(TEXT)])
    (several,) = ask(desk, "roberta", [Question(TEXT)])
    (own,) = ask(desk, "deberta", [Question(TEXT)])
    many = [Question(f"{TEXT} {letter} " + "tea " * n) for n, letter in enumerate("abcdefgh")]
    together = [verdict.probability for verdict in ask(desk, "bert", many)]
    apart = [float(1 - bert.compute(text.text).softmax(-1)[0]) for text in many]
    words = LONG.split()
    room, step = 30, 30 - 30 // 4
    windows = [words[start : start + room] for start in range(0, len(words), step)]
    worst = max(float(1 - bert.compute(" ".join(part)).softmax(-1)[0]) for part in windows)
    (long,) = ask(desk, "bert", [Question(LONG)])
    # What is rounded to a window that ends with the text may reach back a little further.
    return [
        expect("softmax over labels", float(1 - softmax[0]), alone.probability),
        expect(
            "sigmoid of each label",
            float(roberta.compute(TEXT).sigmoid().max()),
            several.probability,
        ),
        expect(
            "an attention of its own", float(deberta.compute(TEXT).softmax(-1)[1]), own.probability
        ),
        *(
            expect("in a batch as alone", one, other)
            for one, other in zip(apart, together, strict=True)
        ),
        expect("the worst of all windows", worst, long.probability),
        expect("its label in our words", "harm", alone.label),
        expect("the whole of a long text", len(LONG), max(f.end for f in long.findings)),
    ]


def check_places(desk: Desk, folder: Path) -> list[bool]:
    """Labels of tokens, of tokens beside documents, and of sentences beside documents."""
    kind = "AutoModelForTokenClassification"
    names, beside = Reference(folder / "names", kind), Reference(folder / "beside", kind)
    nli = Reference(folder / "nli", "AutoModelForSequenceClassification")
    (tagged,) = ask(desk, "names", [Question(TEXT)])
    scores = names.compute(TEXT).softmax(-1)[1:-1]
    grouped = [max(float(row[1] + row[2]), float(row[3])) for row in scores]
    documents = ("bob sells tea", "a b c")
    (marked,) = ask(desk, "beside", [Question(TEXT, "output", context=documents)])
    readings = torch.stack(
        [beside.compute(one, TEXT).softmax(-1)[-5:-1, 1] for one in documents]
    ).min(0)
    claims = Question("Alice lives in paris. Bob sells tea.", "output", context=documents)
    (doubted,) = ask(desk, "nli", [claims])
    doubts = [
        min(float(1 - nli.compute(one, claim).softmax(-1)[0]) for one in documents)
        for claim in ("Alice lives in paris.", "Bob sells tea.")
    ]
    (nothing,) = ask(desk, "nli", [Question(TEXT, "output")])
    return [
        expect("the surest token", max(grouped), tagged.probability),
        expect(
            "whole words",
            [True] * len(tagged.findings),
            [TEXT[f.start : f.end].replace(" ", "").isalpha() for f in tagged.findings],
        ),
        expect("the mildest document", float(readings.values.max()), marked.probability),
        expect("a sentence's best document", max(doubts), doubted.probability),
        expect(
            "a place for each sentence",
            [[0, 21], [22, 36]],
            [[f.start, f.end] for f in doubted.findings],
        ),
        expect("not checkable", ["not_checkable", False], [nothing.label, nothing.tripped]),
    ]


def check_swap(desk: Desk, folder: Path) -> list[bool]:
    """Another revision of a model, while the service runs."""
    before, after = asyncio.run(desk.replace("bert", "two"))
    second = Reference(folder / "bert-two", "AutoModelForSequenceClassification")
    (verdict,) = ask(desk, "bert", [Question(TEXT)])
    try:
        asyncio.run(desk.replace("bert", "three"))
        trouble = ""
    except ConfigError as error:
        trouble = error.setting
    (again,) = ask(desk, "bert", [Question("tea")])
    return [
        expect("revisions told", [True, True], [before.endswith("@one"), after.endswith("@two")]),
        expect(
            "the new one answers",
            float(1 - second.compute(TEXT).softmax(-1)[0]),
            verdict.probability,
        ),
        expect("one that is not there", "--catalogue bert", trouble),
        expect("the old one stays", after, again.revision),
    ]


def main() -> int:
    """Check everything; 1 when something is wrong."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="watchpost-hub-") as place:
        catalogue = make_models(Path(place))
        served = ("bert", "roberta", "deberta", "names", "beside", "nli")
        desk = open_desk(Choice(models=served, catalogue=catalogue), print)
        desk.open()
        try:
            right = check_classifiers(desk, Path(place))
            right += check_places(desk, Path(place))
            right += check_swap(desk, Path(place))
        finally:
            desk.close()
        try:
            open_desk(Choice(models=("unpinned",), catalogue=catalogue), print)
            trouble = ""
        except ConfigError as error:
            trouble = error.setting
        right.append(expect("no revision, no model", "--catalogue unpinned", trouble))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
