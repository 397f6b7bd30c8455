from __future__ import annotations

from collections.abc import Callable

import pytest
from known_calls import KnownCall, list_calls


@pytest.mark.parametrize("call", list_calls("vercel"), ids=str)
def test_a_vercel_ai_sdk_span_lands_as_the_call_it_describes(
    differences: Callable[[KnownCall], list[str]], call: KnownCall
) -> None:
    assert differences(call) == []
