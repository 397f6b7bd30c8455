"""How watchpost is set up: argument, else environment variable, else default. One pure function.

It reads a mapping, starts nothing and opens nothing; what a setting leads to is telemetry's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from watchpost.errors import ConfigError
from watchpost.export import CAPTURES, Capture
from watchpost.runtime import STREAM_USAGE_HOSTS, Collector

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
_LOGIN = re.compile(r"//.*@")
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting for the documentation: its argument, its variables in order, its default."""

    argument: str
    variables: tuple[str, ...]
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "endpoint",
        ("WATCHPOST_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        DEFAULT_ENDPOINT,
        "URL of the collector; spans go to its /v1/traces",
    ),
    Setting("key", ("WATCHPOST_KEY",), "", "ingest key, sent as `Authorization: Bearer`"),
    Setting("service", ("OTEL_SERVICE_NAME",), "unknown_service", "name of the application"),
    Setting("service_version", ("WATCHPOST_SERVICE_VERSION",), "", "version of the application"),
    Setting("environment", ("WATCHPOST_ENVIRONMENT",), "", "production, staging, ..."),
    Setting("project", ("WATCHPOST_PROJECT",), "", "project, where one key serves several"),
    Setting(
        "capture",
        ("WATCHPOST_CAPTURE",),
        "",
        "full, redacted, metadata or off; by default full to a loopback collector, redacted where "
        "the policy redacts or blocks, metadata to a remote one",
    ),
    Setting("prices", ("WATCHPOST_PRICES",), "", "own prices: a mapping or a JSON file"),
    Setting(
        "data_dir", ("WATCHPOST_DATA_DIR",), "", "where spans wait while the collector is away"
    ),
    Setting("segments", ("WATCHPOST_SEGMENTS",), "", "names of the segments, comma-separated"),
    Setting(
        "stream_usage",
        ("WATCHPOST_STREAM_USAGE",),
        "true",
        "ask OpenAI, Azure and DeepSeek for the tokens of plain streams; false asks nobody, names "
        "of hosts, comma-separated, are asked as well",
    ),
    Setting(
        "heed_sigterm",
        ("WATCHPOST_HEED_SIGTERM",),
        "true",
        "deliver what waits before SIGTERM ends the process; false leaves the signal alone",
    ),
    Setting("enabled", ("WATCHPOST_ENABLED",), "true", "false records nothing; guards still run"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `configure` was told, checked. `capture` None leaves it to the endpoint."""

    endpoint: str = DEFAULT_ENDPOINT
    key: str | None = None
    service: str | None = None
    service_version: str | None = None
    environment: str | None = None
    project: str | None = None
    capture: Capture | None = None
    prices: Any = None
    data_dir: str | None = None
    segments: tuple[str, ...] = ()
    stream_usage: tuple[str, ...] = STREAM_USAGE_HOSTS
    heed_sigterm: bool = True
    enabled: bool = True

    @property
    def collector(self) -> Collector:
        """Where links lead and prompts are fetched."""
        return Collector(self.endpoint, self.key or "", self.project or "")


def read_settings(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings in force. An argument of None was not given. Raises ConfigError."""
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        value, said_by = _find(setting, arguments, environment)
        if value is not None:
            found[setting.argument] = _check(setting.argument, said_by, value)
    return Settings(**found)


def _find(
    setting: Setting, arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Any, str]:
    value = arguments.get(setting.argument)
    if value is not None and value != ():
        return value, setting.argument
    for variable in setting.variables:
        if environment.get(variable):
            return environment[variable], variable
    return None, ""


def _check(argument: str, said_by: str, value: Any) -> Any:
    if argument == "endpoint":
        return _check_endpoint(said_by, value)
    if argument == "capture":
        return _check_capture(said_by, value)
    if argument in ("enabled", "heed_sigterm"):
        return _check_flag(said_by, value)
    if argument == "stream_usage":
        return _check_stream_usage(said_by, value)
    if argument == "segments":
        return _check_segments(said_by, value)
    return value if argument == "prices" else str(value)


def _check_endpoint(said_by: str, value: Any) -> str:
    try:
        parts = urlsplit(str(value))
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(said_by, _hide_login(value), f"give a URL like {DEFAULT_ENDPOINT}")
    if "@" in parts.netloc:
        # It is told in errors and reasons, and nobody would send it.
        cure = "leave user and password out of the URL; what opens the collector is `key`"
        raise ConfigError(said_by, _hide_login(value), cure)
    return str(value).rstrip("/")


def _hide_login(value: Any) -> Any:
    """The value as an error may show it: of a URL without what stands before its host."""
    return _LOGIN.sub("//...@", value) if isinstance(value, str) else value


def _check_capture(said_by: str, value: Any) -> Capture:
    if value not in CAPTURES:
        raise ConfigError(said_by, value, f"say one of {', '.join(CAPTURES)}")
    return cast(Capture, value)


def _check_flag(said_by: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in (*_YES, *_NO):
        raise ConfigError(said_by, value, "say true or false")
    return word in _YES


def _check_stream_usage(said_by: str, value: Any) -> tuple[str, ...]:
    word = str(value).lower()
    if word in (*_YES, *_NO):
        return STREAM_USAGE_HOSTS if word in _YES else ()
    parts = value.split(",") if isinstance(value, str) else value
    hosts = [str(part).strip().lower() for part in parts] if isinstance(parts, Iterable) else []
    if not hosts or not all(host.replace("-", "").replace(".", "").isalnum() for host in hosts):
        raise ConfigError(said_by, value, "say true, false or names of hosts like llm.example.com")
    return (*STREAM_USAGE_HOSTS, *hosts)


def _check_segments(said_by: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    names = tuple(str(part).strip() for part in parts)
    if not all(name.replace("_", "").replace("-", "").isalnum() for name in names):
        raise ConfigError(said_by, value, "use letters, digits, - and _ in segment names")
    return names
