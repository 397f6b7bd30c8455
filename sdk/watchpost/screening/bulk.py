"""Guards for masking in bulk: every text of every span or imported line, most of them no prose.

There a guard looks for what has a form, in microseconds a text; reading each attribute with a model
would take longer than the call it tells of. Which guards have such a setting is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from watchpost.screening.factory import make_guard, share_guard
from watchpost.screening.guard import Guard

_SETTINGS: Mapping[str, Mapping[str, object]] = {"pii": {"learned": ()}}


@cache
def share_bulk_guard(name: str) -> Guard:
    """The one guard of a name for texts in bulk. Raises what `find_guard` raises."""
    settings = _SETTINGS.get(name)
    return share_guard(name) if settings is None else make_guard(name, settings)
