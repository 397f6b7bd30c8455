"""`watchpost up`: the collector, its page and its query port in one process.

This file reads arguments and prints; everything it starts lives elsewhere.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from watchpost.serving.keys import load_keys
from watchpost_collector.access.issued_keys import KeyFile
from watchpost_collector.intake.reception import IntakeLimits
from watchpost_collector.settings import (
    ALERTS_SETTING,
    CLUSTER_SETTING,
    DATA_SETTING,
    ESTIMATE_SETTING,
    POLICY_SETTING,
    PRICES_SETTING,
    REDACT_SETTING,
    SEGMENTS_SETTING,
    STORE_SETTING,
    TELEMETRY_SETTING,
    ServerSettings,
    default_alerts,
    default_data,
    default_estimate,
    default_policy,
    default_prices,
    default_segments,
    default_store,
    read_segments,
    read_telemetry,
)
from watchpost_collector.spool.set_aside import SetAsideBounds
from watchpost_collector.spool.writer import WHEN_OLD, Limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `watchpost up`."""
    spool, intake, aside = Limits(), IntakeLimits(), SetAsideBounds()
    add = parser.add_argument
    add("--data", type=Path, help=f"directory of everything kept ({DATA_SETTING})")
    add("--store", help=f"chdb:///path or http://user:password@host:8123 ({STORE_SETTING})")
    add("--host", default="127.0.0.1", help="address to listen on; others than loopback need keys")
    add("--port", type=int, default=4318, help="OTLP, page and API; 0 takes a free one")
    add("--grpc-port", type=int, default=4317, help="OTLP over gRPC")
    add("--no-grpc", action="store_true", help="no OTLP over gRPC")
    add("--query-port", type=int, default=8123, help="ClickHouse HTTP, read-only")
    add("--allow-host", action="append", default=[], help="a name browsers may reach this by")
    add("--keys", type=Path, help="file of keys (or WATCHPOST_KEYS)")
    add("--prices", type=Path, help=f"YAML file of your own prices ({PRICES_SETTING})")
    told = "user segments the hourly rollups keep apart, at most 8"
    add("--segments", metavar="KEYS", help=f"{told}: plan,region ({SEGMENTS_SETTING})")
    told = f"leave calls whose emitter reported no tokens uncounted ({ESTIMATE_SETTING}=off)"
    add("--no-token-estimates", action="store_true", help=told)
    told = "mask what these guards, or a YAML file of patterns, find, before anything is kept"
    add("--redact", metavar="NAMES", help=f"{told} ({REDACT_SETTING})")
    told = "YAML file of guards that look at calls in the background when these have arrived"
    add("--policy", type=Path, metavar="FILE", help=f"{told} ({POLICY_SETTING})")
    told = "YAML file of alert rules to evaluate, and of whom to tell"
    add("--alerts", type=Path, metavar="FILE", help=f"{told} ({ALERTS_SETTING})")
    add("--cluster", metavar="NAME", help=f"make the tables on this cluster ({CLUSTER_SETTING})")
    add("--ready-file", type=Path, help="JSON of the URLs when all is up (DATA/ready.json)")
    add("--flush-interval", type=float, default=spool.segment_age_s, help="seconds to a seal")
    add("--segment-bytes", type=int, default=spool.segment_bytes, help="bytes to a seal")
    add("--spool-bytes", type=int, default=spool.bound_bytes, help="bytes that may wait on disk")
    add("--spool-age", type=float, default=spool.bound_age_s, help="seconds spans may wait on disk")
    old = "what then: keep and say so, refuse new ones, or drop the old ones (and count them)"
    add("--spool-when-old", choices=WHEN_OLD, default=spool.when_old, help=old)
    add("--set-aside-bytes", type=int, default=aside.bytes, help="bytes kept of what is poisoned")
    add("--set-aside-age", type=float, default=aside.age_s, help="seconds it is kept")
    told = "where metrics of the collector itself go: here, off, or an OTLP address"
    add("--telemetry", metavar="WHERE", help=f"{told} ({TELEMETRY_SETTING})")
    add("--telemetry-interval", type=float, default=60.0, help="seconds between them")
    add("--max-request-bytes", type=int, default=intake.request_bytes, help="of one request")


def read_settings(given: argparse.Namespace) -> ServerSettings:
    """Arguments over environment over defaults."""
    data = given.data.absolute() if given.data else default_data(os.environ)
    return ServerSettings(
        data=data,
        store=given.store or default_store(data, os.environ),
        host=given.host,
        port=given.port,
        grpc_port=None if given.no_grpc else given.grpc_port,
        query_port=given.query_port,
        allow_hosts=tuple(given.allow_host),
        keys_file=given.keys,
        prices_file=given.prices.absolute() if given.prices else default_prices(os.environ),
        segments=read_segments(
            given.segments if given.segments is not None else default_segments(os.environ)
        ),
        estimate_tokens=not given.no_token_estimates and default_estimate(os.environ),
        redact=given.redact or os.environ.get(REDACT_SETTING, ""),
        policy_file=given.policy.absolute() if given.policy else default_policy(os.environ),
        alerts_file=given.alerts.absolute() if given.alerts else default_alerts(os.environ),
        cluster=given.cluster or os.environ.get(CLUSTER_SETTING, ""),
        ready_file=(given.ready_file or data / "ready.json").absolute(),
        spool=Limits(
            segment_bytes=given.segment_bytes,
            segment_age_s=given.flush_interval,
            bound_bytes=given.spool_bytes,
            bound_age_s=given.spool_age,
            when_old=given.spool_when_old,
        ),
        telemetry=read_telemetry(given.telemetry, os.environ),
        telemetry_every_s=given.telemetry_interval,
        set_aside=SetAsideBounds(given.set_aside_bytes, given.set_aside_age),
        intake=IntakeLimits(request_bytes=given.max_request_bytes),
    )


def run(given: argparse.Namespace) -> int:
    """Run until a signal; ConfigError says what to change."""
    import uvloop

    from watchpost_collector.alerting.running import load_run
    from watchpost_collector.page import build_page
    from watchpost_collector.screening.observing import load_observing
    from watchpost_collector.server import serve
    from watchpost_collector.store.prices.own import load_own_prices

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = read_settings(given)
    if settings.prices_file is not None:
        load_own_prices(settings.prices_file)  # what is wrong with it is said before anything runs
    if settings.policy_file is not None:
        load_observing(settings.policy_file)
    if settings.alerts_file is not None:
        load_run(settings.alerts_file, os.environ)
    given_keys = load_keys(settings.keys_file, os.environ)
    keys = replace(given_keys, issued=KeyFile(settings.data))
    uvloop.run(serve(settings, keys, _say, build_page))
    return 0


def _say(line: str) -> None:
    # A full disk under a redirected output is no reason to stop taking spans.
    with suppress(OSError):
        sys.stdout.write(f"watchpost: {line}\n" if line != "ready" else "ready\n")
        sys.stdout.flush()
