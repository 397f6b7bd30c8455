"""Fixtures of the tests of `watchpost.testing`: one patched client, and a question to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import watchpost
from watchpost.testing import ProviderServer


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=provider.openai_url, api_key="none", http_client=http) as made:
        yield watchpost.patch(made)


@pytest.fixture
def ask(client: Any) -> Callable[[str], str]:
    """Asks the patched client one question; gives the text of its answer."""

    def put(text: str) -> str:
        asked = [{"role": "user", "content": text}]
        reply = client.chat.completions.create(model="gpt-4o", messages=asked)
        return str(reply.choices[0].message.content)

    return put
