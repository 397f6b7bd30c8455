"""One framework's page of the docs, run as it is written; `make interop` has them all."""

from __future__ import annotations

from emitter_venvs import list_frameworks
from live_frameworks import PAGES, check, record
from running_server import RunningServer

# The one with the fewest packages.
FRAMEWORK = "pydantic_ai"


def test_what_a_page_of_the_docs_says_lands_whole_and_once(server: RunningServer) -> None:
    service = record(FRAMEWORK, server)
    server.flush()
    landed = check(FRAMEWORK, service, server)
    assert landed.wrong == []
    assert landed.spans >= 4


def test_the_check_sees_what_did_not_arrive(server: RunningServer) -> None:
    assert check(FRAMEWORK, "nobody", server).wrong == ["nothing arrived"]


def test_every_page_has_an_environment_and_every_environment_a_page() -> None:
    pages = {path.stem.replace("-", "_") for path in PAGES.glob("*.md")}
    assert pages == set(list_frameworks())
