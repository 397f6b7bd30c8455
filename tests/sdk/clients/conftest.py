"""Fixtures of the clients' tests: a server, and every client of the table in every shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from provider_cases import SHAPES, Line, ProviderCase
from provider_table import PARAMETERS
from wire_server import WireServer

Open = Callable[..., Line]


@pytest.fixture
async def open_line(wire: WireServer) -> AsyncIterator[Open]:
    """Makes clients that are closed at the end."""
    made: list[Line] = []

    def make(case: ProviderCase, shape: str, **options: Any) -> Line:
        made.append(Line(case, shape, wire, **options))
        return made[-1]

    yield make
    for line in made:
        await line.close()


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=PARAMETERS["line"], ids=repr)
def line(request: pytest.FixtureRequest, shape: str, open_line: Open) -> Line:
    """Every case in every shape."""
    return open_line(request.param, shape)


@pytest.fixture(params=PARAMETERS["tooled"], ids=repr)
def tooled(request: pytest.FixtureRequest, shape: str, open_line: Open) -> Line:
    """Every case that knows tools, in every shape."""
    return open_line(request.param, shape)


@pytest.fixture(params=PARAMETERS["listed"], ids=repr)
def listed(request: pytest.FixtureRequest, shape: str, open_line: Open) -> Line:
    """Every case that is asked with a list of messages, in every shape."""
    return open_line(request.param, shape)


@pytest.fixture(params=PARAMETERS["either"])
def either(request: pytest.FixtureRequest, open_line: Open) -> Line:
    """Every case in the two shapes that have the least in common."""
    return open_line(*request.param)


@pytest.fixture(params=PARAMETERS["case_in_shape"])
def case_in_shape(request: pytest.FixtureRequest) -> tuple[ProviderCase, str]:
    """Every case and every shape, for a test that opens the line itself."""
    found: tuple[ProviderCase, str] = request.param
    return found


@pytest.fixture(params=PARAMETERS["thinking"])
def thinking(request: pytest.FixtureRequest, open_line: Open) -> Line:
    """Every case that tells what was thought, in two shapes."""
    return open_line(*request.param)


@pytest.fixture(params=PARAMETERS["insistent"])
def insistent(request: pytest.FixtureRequest, open_line: Open) -> Line:
    """Every case whose client asks a busy server again, in the shapes in which it does."""
    return open_line(*request.param)
