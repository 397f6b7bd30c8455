"""Azure's OpenAI: deployments under names of their own, priced as the model that answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
from openai_calls import chat, chat_reply, chat_stream, usage_of
from openai_line import attributes_of
from wire_server import WireServer

import watchpost


class Redirect(httpx.BaseTransport):
    """Takes every request to the wire, whatever host it names."""

    def __init__(self, url: str) -> None:
        self.inner = httpx.HTTPTransport(verify=False)
        self.to = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=self.to.host, port=self.to.port, scheme="http")
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def make_azure(wire: WireServer) -> Iterator[Callable[[str], Any]]:
    made: list[Any] = []

    def make(endpoint: str) -> Any:
        http = httpx.Client(transport=Redirect(wire.url))
        client = openai.AzureOpenAI(
            azure_endpoint=endpoint,
            api_version="2024-10-21",
            api_key="test",
            http_client=http,
        )
        made.append(client)
        return watchpost.patch(client)

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("endpoint", ["http://mine.openai.azure.com", "http://gateway.example"])
async def test_an_azure_deployment_is_priced_as_the_model_that_answered(
    endpoint: str, make_azure: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(chat_reply({"content": "hi"}, usage_of(1000, 100)))
    chat(make_azure(endpoint), model="my-deployment")

    assert wire.requests[0].path.startswith("/openai/deployments/my-deployment/chat/completions")
    found = attributes_of(recorder)
    assert found["gen_ai.provider.name"] == "azure.ai.openai"
    assert found["gen_ai.request.model"] == "my-deployment"
    assert found["gen_ai.response.model"] == "gpt-4o-2024-08-06"
    # 1,000 x 2.50 + 100 x 10
    assert Decimal(found["watchpost.cost.usd"]) == Decimal("0.0035")


async def test_a_plain_stream_of_azure_has_its_tokens(
    make_azure: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(chat_stream({"content": "hi"}, usage=usage_of(1000, 100)))
    chunks = list(chat(make_azure("http://mine.openai.azure.com"), stream=True))

    assert all(chunk.choices for chunk in chunks)
    assert wire.requests[0].body["stream_options"] == {"include_usage": True}
    assert attributes_of(recorder)["gen_ai.usage.input_tokens"] == 1000
