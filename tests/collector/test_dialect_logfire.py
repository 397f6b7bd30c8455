from __future__ import annotations

from collections.abc import Callable

import pytest
from known_calls import KnownCall, list_calls


@pytest.mark.parametrize("call", list_calls("logfire"), ids=str)
def test_a_logfire_or_pydantic_ai_span_lands_as_the_call_it_describes(
    differences: Callable[[KnownCall], list[str]], call: KnownCall
) -> None:
    assert differences(call) == []
