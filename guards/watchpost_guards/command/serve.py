"""`watchpost guards serve`: guards over HTTP, for many callers, on a CPU or a GPU.

The shell around `service`: arguments, keys, and the lines that say where it is and that it is
ready. One process for each GPU; it holds every model it was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from watchpost.serving.keys import load_keys

DEFAULT_PORT = 4319


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards serve` can be told."""
    add = parser.add_argument
    told = "embedded and names of the catalogue, separated by commas (%(default)s)"
    add("--models", default="embedded", metavar="NAMES", help=told)
    add("--guards", default="", metavar="NAMES", help="of the embedded guards only these")
    add("--catalogue", type=Path, metavar="FILE", help="YAML with entries of your own")
    add("--device", default="cpu", help="cpu, cuda or cuda:NUMBER, for models of the catalogue")
    add("--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="(%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on; others than loopback need keys")
    add("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    add("--allow-host", action="append", default=[], help="a name callers may reach this by")
    add("--keys", type=Path, help="file of keys (or WATCHPOST_GUARD_KEYS)")
    add("--threads", type=int, default=32, help="texts checked at a time (%(default)s)")
    add("--open-requests", type=int, default=512, help="more are refused (%(default)s)")
    add("--batch-tokens", type=int, default=8192, help="of a batch, with padding (%(default)s)")
    add("--waiting-tokens", type=int, default=262_144, help="more are refused (%(default)s)")
    add("--ready-file", type=Path, help="JSON of the URL when it is ready")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. ConfigError says what to change."""
    from watchpost_guards.service.api import KEY_RING
    from watchpost_guards.service.desk import Limits
    from watchpost_guards.service.listening import Address, serve
    from watchpost_guards.service.opening import Choice, open_desk, split_names
    from watchpost_guards.service.schedule import Bounds

    keys = load_keys(args.keys, os.environ, KEY_RING)
    # Said before anything is loaded, which can take minutes.
    keys.require_keys_for(args.host, KEY_RING)
    choice = Choice(
        models=split_names(args.models),
        guards=split_names(args.guards),
        catalogue=args.catalogue,
        device=args.device,
        dtype=args.dtype,
        bounds=Bounds(args.batch_tokens, args.waiting_tokens),
        limits=Limits(threads=args.threads, open_requests=args.open_requests),
    )
    desk = open_desk(choice, _say)
    address = Address(args.host, args.port, args.allow_host)
    asyncio.run(serve(desk, keys, address, _Announcer(args.ready_file)))
    return 0


class _Announcer:
    """Says the lines of a service, and writes the file that says it is ready."""

    def __init__(self, ready_file: Path | None) -> None:
        self._ready_file = ready_file
        self._url = ""

    def __call__(self, line: str) -> None:
        _say(line)
        if " at " in line:
            self._url = line.rpartition(" at ")[2]
        elif line == "ready" and self._ready_file is not None:
            self._ready_file.write_text(json.dumps({"url": self._url}))


def _say(line: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
