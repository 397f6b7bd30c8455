"""The collector's settings: argument, then environment, then default, read in one place.

This file knows names and defaults; it opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_collector.intake.reception import IntakeLimits
from watchpost_collector.spool.set_aside import SetAsideBounds
from watchpost_collector.spool.writer import Limits

DATA_SETTING = "WATCHPOST_DATA"
STORE_SETTING = "WATCHPOST_STORE"
PRICES_SETTING = "WATCHPOST_PRICES"
ESTIMATE_SETTING = "WATCHPOST_ESTIMATE_TOKENS"
SEGMENTS_SETTING = "WATCHPOST_SEGMENTS"
REDACT_SETTING = "WATCHPOST_REDACT"
POLICY_SETTING = "WATCHPOST_POLICY"
ALERTS_SETTING = "WATCHPOST_ALERTS"
CLUSTER_SETTING = "WATCHPOST_CLUSTER"
TELEMETRY_SETTING = "WATCHPOST_TELEMETRY"
_OFF = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything `watchpost up` can be told. Port 0 takes a free one.

    `grpc_port` None: no gRPC. `segments` are the keys of user segments that the rollups keep apart
    (None: those the store was told before). `redact` names guards and YAML files of patterns,
    `policy_file` says which guards look at what arrived, `alerts_file` which rules are evaluated
    and whom they tell, `cluster` is the server's cluster over
    whose replicas the tables are made.
    """

    data: Path
    store: str
    host: str = "127.0.0.1"
    port: int = 4318
    grpc_port: int | None = 4317
    query_port: int = 8123
    allow_hosts: tuple[str, ...] = ()
    keys_file: Path | None = None
    ready_file: Path | None = None
    prices_file: Path | None = None
    estimate_tokens: bool = True
    redact: str = ""
    policy_file: Path | None = None
    alerts_file: Path | None = None
    segments: tuple[str, ...] | None = None
    cluster: str = ""
    telemetry: str = "here"
    telemetry_every_s: float = 60.0
    spool: Limits = field(default_factory=Limits)
    set_aside: SetAsideBounds = field(default_factory=SetAsideBounds)
    intake: IntakeLimits = field(default_factory=IntakeLimits)


def default_data(environ: Mapping[str, str]) -> Path:
    """The directory of everything kept: WATCHPOST_DATA, else ./watchpost-data."""
    return Path(environ.get(DATA_SETTING) or "watchpost-data").absolute()


def read_telemetry(given: str | None, environ: Mapping[str, str]) -> str:
    """Where own telemetry goes: what was given, else WATCHPOST_TELEMETRY, else `here`."""
    where = given or environ.get(TELEMETRY_SETTING) or "here"
    if where not in ("here", "off") and not where.startswith(("http://", "https://")):
        cure = "say here, off, or an address such as http://collector:4318"
        raise ConfigError(TELEMETRY_SETTING, where, cure)
    return where


def default_prices(environ: Mapping[str, str]) -> Path | None:
    """The file of own prices: WATCHPOST_PRICES, else none."""
    named = environ.get(PRICES_SETTING)
    return Path(named).absolute() if named else None


def default_policy(environ: Mapping[str, str]) -> Path | None:
    """The policy of what looks at arriving calls: WATCHPOST_POLICY, else none."""
    named = environ.get(POLICY_SETTING)
    return Path(named).absolute() if named else None


def default_alerts(environ: Mapping[str, str]) -> Path | None:
    """The alert rules that are run: WATCHPOST_ALERTS, else none."""
    named = environ.get(ALERTS_SETTING)
    return Path(named).absolute() if named else None


def default_estimate(environ: Mapping[str, str]) -> bool:
    """Whether tokens nobody reported are counted here: WATCHPOST_ESTIMATE_TOKENS, else yes."""
    return environ.get(ESTIMATE_SETTING, "").lower() not in _OFF


def default_segments(environ: Mapping[str, str]) -> str | None:
    """The declared segment keys: WATCHPOST_SEGMENTS, else none said."""
    return environ.get(SEGMENTS_SETTING)


def read_segments(text: str | None) -> tuple[str, ...] | None:
    """Keys out of `plan,region`; None where nothing was said, () where nothing is wanted."""
    if text is None:
        return None
    return tuple(key.strip() for key in text.split(",") if key.strip())


def default_store(data: Path, environ: Mapping[str, str]) -> str:
    """The store's DSN: WATCHPOST_STORE, else the engine embedded in this process."""
    return environ.get(STORE_SETTING) or f"chdb://{data / 'store'}"
