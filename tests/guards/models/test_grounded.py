"""The guard `grounded`: real files, and a comparer that doubts words no document holds."""

from pathlib import Path

import pytest
from tiny_comparer import make_comparer
from tiny_model import make_model

import watchpost
from watchpost.errors import ConfigError
from watchpost.screening.guard import NOT_CHECKABLE, Question, Verdict
from watchpost_guards.models.comparer import GRAPH, MOST_CLAIMS
from watchpost_guards.models.folder import SETTING
from watchpost_guards.models.grounded import LABEL, create

DOCUMENT = "Anna came by the calm sea. A day was by the sea."
SUPPORTED, UNSUPPORTED = "The sea was calm.", "The bomb was by Oslo."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "text")
    make_comparer(folder / "grounded")
    return folder


@pytest.fixture
def ask(models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SETTING, str(models))

    def check(answer: str, *documents: str) -> Verdict:
        return create().check(Question(answer, "output", context=documents))

    return check


def test_a_sentence_no_document_supports_is_found_where_it_stands(ask) -> None:
    verdict = ask(f"{SUPPORTED} {UNSUPPORTED} {SUPPORTED}", DOCUMENT)
    assert verdict.tripped
    assert verdict.label == LABEL
    start = len(SUPPORTED) + 1
    assert [(f.start, f.end) for f in verdict.findings] == [(start, start + len(UNSUPPORTED))]


def test_an_answer_is_as_doubtful_as_its_most_doubtful_sentence(ask) -> None:
    alone = ask(UNSUPPORTED, DOCUMENT).probability
    assert ask(f"{SUPPORTED} {UNSUPPORTED}", DOCUMENT).probability == pytest.approx(alone)
    assert ask(SUPPORTED, DOCUMENT).probability < 0.1


@pytest.mark.parametrize("documents", [(), ("",), (" \n", "")])
def test_without_documents_it_says_that_it_cannot_tell(ask, documents: tuple[str, ...]) -> None:
    verdict = ask(UNSUPPORTED, *documents)
    assert verdict.label == NOT_CHECKABLE
    assert not verdict.tripped
    assert "no documents" in verdict.reason


@pytest.mark.parametrize("answer", ["", "Is Oslo nice?", "Hello there!", "I do not know.", "?!"])
def test_what_claims_nothing_is_not_called_unsupported(ask, answer: str) -> None:
    verdict = ask(answer, DOCUMENT)
    assert not verdict.tripped
    assert verdict.reason == "nothing in the answer is a claim"


@pytest.mark.parametrize("before", [0, 3, 400])
def test_support_is_found_anywhere_in_documents_of_any_length(ask, before: int) -> None:
    filling = "A day was by the document. " * before
    assert not ask("The sea was calm.", filling, filling + DOCUMENT + filling).tripped
    assert ask(UNSUPPORTED, filling + DOCUMENT).tripped


def test_more_claims_than_are_compared_are_told(ask) -> None:
    verdict = ask((SUPPORTED + " ") * (MOST_CLAIMS + 3), DOCUMENT)
    assert (
        verdict.reason == f"only the first {MOST_CLAIMS} of {MOST_CLAIMS + 3} claims were checked"
    )


def test_a_sentence_longer_than_a_claim_may_be_is_judged_to_its_end(ask) -> None:
    assert ask("The sea was calm by the day " * 60 + "and Oslo.", DOCUMENT).tripped
    assert not ask("The sea was calm by the day " * 60 + "and calm.", DOCUMENT).tripped


@pytest.mark.usefixtures("ask")
def test_an_answer_is_checked_against_the_documents_given_with_it() -> None:
    policy = watchpost.Policy(block=(create(),))
    asked = {"stage": "output", "policy": policy}
    assert watchpost.screen(UNSUPPORTED, context=[DOCUMENT], **asked).action == "block"
    assert watchpost.screen(UNSUPPORTED, context=[UNSUPPORTED], **asked).action == "allow"
    assert watchpost.screen(UNSUPPORTED, **asked).action == "allow"
    assert watchpost.screen(UNSUPPORTED, policy, context=[DOCUMENT]).verdicts == ()


@pytest.mark.usefixtures("ask")
def test_a_graph_its_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = make_comparer(tmp_path / "grounded")
    (folder / GRAPH).write_bytes(b"another")
    with pytest.raises(ConfigError, match="not the one its manifest names"):
        create(folder).warm()
