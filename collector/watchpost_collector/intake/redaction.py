"""Redaction of what foreign emitters send: every text of a request is masked before the spool.

Named guards and a person's own patterns do the finding, the SDK's redactor the masking; a request
that could not be looked at is refused, never kept raw. It works on threads of its own, because it
takes milliseconds a call. This file knows requests; it knows no file, no socket and no guard.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from watchpost.errors import ConfigError, Full
from watchpost.masking.redaction import Redactor
from watchpost.screening.bulk import share_bulk_guard
from watchpost.screening.guard import Guard
from watchpost.screening.policy import Policy
from watchpost_collector.intake.patterns import read_patterns
from watchpost_collector.otlp.signals import LOGS, TRACES, Signal
from watchpost_collector.trouble import locate

log = logging.getLogger(__name__)

SETTING = "--redact"
MARK = "watchpost.redacted"
_THREADS = 2
_RETRY_S = 5.0
_YAML = (".yaml", ".yml")


class Redaction:
    """Masks requests by one policy; lives as long as the server. Thread-safe."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._own = threading.local()
        self._lock = threading.Lock()
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="watchpost-redact")
        self.requests = self.changed = 0

    def redact(self, body: bytes, signal: Signal) -> bytes:
        """The same request, masked; what was changed carries `watchpost.redacted` with a count.

        Raises Full when it could not be masked: whoever sent it may try again.
        """
        try:
            masked, changed = self._mask(body, signal)
        except Exception as error:
            # Whatever went wrong, what was not looked at is not kept.
            # Nor told: an error may quote it.
            kind, place = type(error).__name__, locate(error)
            log.error("a request could not be redacted: %s at %s", kind, place)
            raise Full(
                "the request could not be redacted, and is not kept raw", _RETRY_S
            ) from error
        with self._lock:
            self.requests += 1
            self.changed += changed
        return masked

    def close(self) -> None:
        """Take no more; what is under way ends by itself."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _mask(self, body: bytes, signal: Signal) -> tuple[bytes, int]:
        redactor = getattr(self._own, "redactor", None)
        if redactor is None:
            redactor = self._own.redactor = Redactor(self._policy)
        request = signal.request.FromString(body)
        redactor.redact_request(request)
        masked = bytes(request.SerializeToString())
        before = signal.request.FromString(body)
        if request == before:
            return masked, 0
        changed = 0
        for old, new in _pair_items(before, request, signal):
            count = _count_changes(old, new)
            if count:
                changed += 1
                new.attributes.append(KeyValue(key=MARK, value=AnyValue(int_value=count)))
        return bytes(request.SerializeToString()), max(changed, 1)


def load_redaction(setting: str) -> Redaction | None:
    """Redaction by the setting: names of guards and YAML files of patterns, with commas between.

    '' means none. Raises ConfigError for what does not exist, MissingExtra for a guard that is not
    installed.
    """
    names = [name.strip() for name in setting.split(",") if name.strip()]
    if not names:
        return None
    guards: list[Guard] = []
    for name in names:
        is_file = name.endswith(_YAML)
        guards += read_patterns(Path(name), SETTING) if is_file else [share_bulk_guard(name)]
    policy = Policy(redact=guards)
    for rule in policy.rules:
        warm = getattr(rule.guard, "warm", None)
        if warm is not None:
            warm()
    if not policy.rules:
        raise ConfigError(SETTING, setting, "name guards, or a YAML file of patterns")
    return Redaction(policy)


def _pair_items(before: Any, after: Any, signal: Signal) -> Iterator[tuple[Any, Any]]:
    """What can carry a mark, as it was and as it is: resources, spans, log records."""
    if signal not in (TRACES, LOGS):
        # Another attribute would make another series of a metric.
        return
    groups, scopes, items = (
        ("resource_spans", "scope_spans", "spans")
        if signal is TRACES
        else ("resource_logs", "scope_logs", "log_records")
    )
    for old, new in zip(getattr(before, groups), getattr(after, groups), strict=True):
        if old.resource != new.resource:
            yield old.resource, new.resource
        for old_scope, new_scope in zip(getattr(old, scopes), getattr(new, scopes), strict=True):
            yield from zip(getattr(old_scope, items), getattr(new_scope, items), strict=True)


def _count_changes(old: Any, new: Any) -> int:
    """How many fields, attributes, events and links of an item are not what they were."""
    if old == new:
        return 0
    count = 0
    for field in old.DESCRIPTOR.fields:
        was, now = getattr(old, field.name), getattr(new, field.name)
        if field.is_repeated:
            count += sum(a != b for a, b in zip(was, now, strict=False))
        else:
            count += was != now
    return count
