"""OpenAI embeddings as JSON: one vector for each text, the same text always the same vector.

Knows the shapes only; errors have the shape of chat completions and are spelled there.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from watchpost.testing.exchange import Answer, Failure, ProviderRequest

DIMENSIONS = 8


def refusal_of(request: ProviderRequest) -> Failure | None:
    """The error of a request the real service would not accept, if any."""
    for required in ("model", "input"):
        if not request.body.get(required):
            return Failure(
                400, f"you must provide a {required} parameter", code="missing_required_parameter"
            )
    return None


def whole(request: ProviderRequest, answer: Answer) -> dict[str, Any]:
    """The body of an answer."""
    asked = request.body["input"]
    texts = [asked] if isinstance(asked, str) else list(asked)
    size = int(request.body.get("dimensions") or DIMENSIONS)
    vectors = answer.vectors or [make_vector(str(text), size) for text in texts]
    used = answer.usage_for(request).input
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _spell(request, vector)}
            for index, vector in enumerate(vectors)
        ],
        "model": answer.model or request.model,
    }
    if answer.usage_reported:
        body["usage"] = {"prompt_tokens": used, "total_tokens": used}
    return body


def events(request: ProviderRequest, answer: Answer) -> Iterator[str]:
    """Embeddings are never streamed."""
    return iter(())


def make_vector(text: str, size: int = DIMENSIONS) -> list[float]:
    """A unit vector that hangs on the text alone."""
    raw = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * size)
    numbers = [value / 32768 for value in struct.unpack(f"<{size}h", raw)]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def _spell(request: ProviderRequest, vector: Sequence[float]) -> Any:
    # The official client asks for base64 unless its user says otherwise.
    if request.body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return list(vector)
