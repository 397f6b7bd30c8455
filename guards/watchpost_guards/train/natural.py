"""Natural texts that nobody wrote for us: prose, dialogues, questions, answers, code.

They are what attacks are put into and what harmless looks like. Prose comes from the folders
`groundedness/` and `hallucination_no_context/` beside the labelled sets, code and documentation
from Python's own library on the machine that trains. It does not know what is learned from them.
"""

import ast
import random
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchpost_guards.harness.sample import read_records

# A cut of a longer text: between these many words, about one window or two.
_SHORTEST, _LONGEST = 12, 170
# Answers that speak like a refusal are labelled by nobody here.
_HEDGED = re.compile(
    r"\b(as an ai|language model|i am unable|i'm unable|i cannot|i can't|i'm sorry|i am sorry"
    r"|i apologi[sz]e|not able to|unable to|don't have|do not have)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One harmless text, the set it comes from, and what of it must stay on one side of a split."""

    text: str
    source: str
    group: str


@dataclass(frozen=True, slots=True)
class Natural:
    """Texts by what they are. `asked` are documents with a question about them behind or before."""

    documents: Sequence[Piece]
    code: Sequence[Piece]
    questions: Sequence[Piece]
    answers: Sequence[Piece]
    asked: Sequence[Piece]


def read_natural(folder: Path, rng: random.Random, library: Path | None = None) -> Natural:
    """What lies beside the labelled sets, and code; empty where there is nothing.

    `library` is a folder of Python modules, Python's own when left.
    """
    documents: dict[str, Piece] = {}
    questions: dict[str, Piece] = {}
    answers: dict[str, Piece] = {}
    asked: list[Piece] = []
    for path in sorted((folder / "groundedness").glob("*.jsonl*")):
        source = f"natural/{path.name.partition('.')[0]}"
        for _, record in read_records(path):
            context, question = str(record["context"]).strip(), str(record["question"]).strip()
            if not context:
                continue
            group = context[:80]
            documents.setdefault(context, Piece(context, source, group))
            if question:
                questions.setdefault(question, Piece(question, source, question))
                near = cut(context, rng)
                both = (f"{near}\n\n{question}", f"{question}\n{near}", f"{near} {question}")
                asked.append(Piece(rng.choice(both), source, group))
    for path in sorted((folder / "hallucination_no_context").glob("*.jsonl*")):
        source = f"natural/{path.name.partition('.')[0]}"
        for _, record in read_records(path):
            question, answer = str(record["question"]).strip(), str(record["answer"]).strip()
            questions.setdefault(question, Piece(question, source, question))
            if not _HEDGED.search(answer):
                answers.setdefault(answer, Piece(answer, source, question))
    code = list(_read_library(library or Path(sysconfig.get_path("stdlib"))))
    return Natural(
        list(documents.values()), code, list(questions.values()), list(answers.values()), asked
    )


def cut(text: str, rng: random.Random) -> str:
    """A stretch of a text of at most some windows, its line ends kept."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    wanted = int(_SHORTEST * (_LONGEST / _SHORTEST) ** rng.random())
    if len(words) <= wanted:
        return text.strip()
    begin = rng.choice((0, rng.randrange(len(words) - wanted)))
    return text[words[begin][0] : words[begin + wanted][1]]


def _read_library(folder: Path) -> Iterator[Piece]:
    """Functions, comments and documentation of modules, some of each file."""
    for path in sorted(folder.glob("*.py")) + sorted(folder.glob("[a-z]*/[a-z]*.py")):
        if "site-packages" in path.parts or "test" in str(path.relative_to(folder)):
            continue
        try:
            source = path.read_text("utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError, OSError):
            continue
        name = str(path.relative_to(folder))
        explained = ast.get_docstring(tree)
        if explained and len(explained) > 80:
            yield Piece(explained, "natural/python_library", name)
        nodes = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        for node in nodes[:6]:
            written = ast.get_source_segment(source, node) or ""
            told = ast.get_docstring(node) or ""
            if len(written) > 80:
                yield Piece(written, "natural/python_library", name)
            if len(told) > 80:
                shown = "\n".join(written.splitlines()[:8])
                yield Piece(f"{told}\n```\n{shown}\n```", "natural/python_library", name)
