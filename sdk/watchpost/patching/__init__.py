"""`patch(client)`: see every model call a client makes, whichever of its methods made it.

Only the given object is changed, never a class, and nobody's library is imported: the adapters
know clients by their shape. A new kind of client is one file beside this one, and one line in the
table.
"""

from __future__ import annotations

from typing import TypeVar

from watchpost.errors import ConfigError
from watchpost.patching import (
    bedrock,
    cohere,
    google,
    huggingface,
    litellm,
    local_models,
    mistral,
    ollama,
    request_seam,
)
from watchpost.patching.adapter import Adapter, attach_once, detach_from
from watchpost.pricing.loading import load_ahead
from watchpost.runtime import SHIELD

C = TypeVar("C")

ADAPTERS: tuple[Adapter, ...] = (
    request_seam.ADAPTER,
    google.ADAPTER,
    mistral.ADAPTER,
    *cohere.ADAPTERS,
    ollama.ADAPTER,
    bedrock.ADAPTER,
    huggingface.ADAPTER,
    litellm.ADAPTER,
    local_models.ENGINES,
    local_models.PIPELINES,
)
"""Asked in order; the first that a client fits is taken."""


def patch(client: C) -> C:
    """Record every model call of a provider's client, sync or async; returns the client.

    Patching twice is patching once. Undone by `unpatch`. Raises ConfigError for anything that is
    not a client we know.
    """
    for adapter in ADAPTERS:
        if adapter.fits(client):
            with SHIELD:
                load_ahead()
            attach_once(adapter, client)
            return client
    cure = (
        "patch a model provider's client object; for others use @observe and "
        "watchpost.current().record(response)"
    )
    raise ConfigError("client", type(client).__name__, cure)


def unpatch(client: C) -> C:
    """Undo `patch`; returns the client. Nothing happens to one that is not patched."""
    detach_from(client)
    return client
