"""The way out of the process: spans are cut to the capture level, redacted, sent, kept.

Everything but `on_end` happens on one background thread. This package does not know how a span
was made or what is in it, and it never raises into the application.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from watchpost.export.processor import ExportProcessor
    from watchpost.screening.policy import Policy

Capture = Literal["full", "redacted", "metadata", "off"]
CAPTURES: tuple[Capture, ...] = get_args(Capture)

QUEUE_BYTES = 64 * 1024 * 1024
SPILL_BYTES = 512 * 1024 * 1024


def build_processor(
    *,
    endpoint: str,
    key: str | None = None,
    capture: Capture | None = None,
    policy: Policy | None = None,
    spill_dir: Path | str | None = None,
    backfill: bool = False,
    queue_bytes: int = QUEUE_BYTES,
    spill_bytes: int = SPILL_BYTES,
    interval_s: float = 1.0,
) -> ExportProcessor:
    """A span processor that delivers to `endpoint`/v1/traces and loses nothing by surprise.

    `capture` None chooses: "redacted" where the policy redacts or blocks, else "full" to a
    loopback collector and "metadata" to a remote one. `spill_dir` None is the user's state
    directory. `backfill` tells the collector that times may be old. `queue_bytes` bounds memory,
    `spill_bytes` disk. `interval_s` is the longest a finished span waits for company, in seconds.
    Returned object: `flush(timeout_s) -> bool`, `shutdown()`, `counts`.
    """
    from watchpost.export.processor import make_processor

    return make_processor(
        endpoint=endpoint,
        key=key,
        capture=capture,
        policy=policy,
        spill_dir=Path(spill_dir) if spill_dir is not None else None,
        backfill=backfill,
        queue_bytes=queue_bytes,
        spill_bytes=spill_bytes,
        interval_s=interval_s,
    )
