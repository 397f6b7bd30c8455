"""What a worker process does in tests: it continues a trace and says what it recorded."""

from __future__ import annotations

from collections.abc import Mapping

import watchpost
from watchpost.testing import capture


def work(headers: Mapping[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Name, trace, parent, user and tenant of every span."""
    step = watchpost.observe("step", kind="tool")(len)
    with capture() as seen, watchpost.continue_from(headers), watchpost.span("job"):
        step("")
    return [
        (
            span.name,
            f"{span.context.trace_id:032x}",
            f"{span.parent.span_id:016x}" if span.parent else "",
            str((span.attributes or {}).get("user.id")),
            str((span.attributes or {}).get("watchpost.segment.tenant")),
        )
        for span in seen.spans
    ]
