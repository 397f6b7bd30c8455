"""What pricing imports, imported while nobody is calling a model yet.

The price list is imported by the export thread, when the first call is priced: the caller's thread
is spared half a second. This file does not know prices.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

# OpenAI's client looks for it in `sys.modules` in every request, and the price list imports it:
# half imported by another thread it has no attributes yet, and the request of that moment fails.
_LOOKED_FOR = "httpx2"
_LOOKS = "openai"


def load_ahead() -> None:
    """Import now, on this thread, what a client that is loaded must not find half imported."""
    if _LOOKS in sys.modules and _LOOKED_FOR not in sys.modules and find_spec(_LOOKED_FOR):
        import_module(_LOOKED_FOR)
