"""Readings: everything the collector measures of itself, as named values at one moment.

One list for both ways out: the text that Prometheus scrapes and the metrics sent as OTLP. This
file knows what is measured and by which name; it does not know how a reading is written.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from watchpost.serving.readings import Reading, Sample
from watchpost_collector.context import Context
from watchpost_collector.otlp.signals import LOGS, METRICS, SIGNALS
from watchpost_collector.spool.writer import Spool

_FATES = ("stored", "refused", "deduplicated", "set_aside", "dropped")
_STATES = ("starting", "ready", "away")
# A label a model is a time series a model: an alert needs the first few.
_MODELS_TOLD = 50


def take_readings(context: Context, project: str = "") -> Iterator[Reading]:
    """Everything measured, now; values by project for `project` alone unless it is ''."""
    yield from _read_spans(context)
    yield from _read_items(context)
    yield from _read_projects(context, project)
    yield from _read_spool(context)
    yield from _read_set_aside(context)
    yield from _read_redaction(context)
    yield from _read_prices(context, project)
    yield from _read_screening(context, project)
    yield from _read_alerting(context, project)
    yield from _read_times(context)
    yield from _read_process()


def _read_spans(context: Context) -> Iterator[Reading]:
    counts = context.counters.read()
    yield _count("spans_received", "Spans in requests that could be read.", counts.received)
    yield _count("spans_recovered", "Spans found in the spool at the start.", counts.recovered)
    yield Reading(
        "watchpost_spans_settled",
        "counter",
        "Spans by what became of them; with those waiting they add up to received and recovered.",
        "{span}",
        tuple(Sample(getattr(counts, fate), {"fate": fate}) for fate in _FATES),
    )
    yield _count(
        "spans_sampled_out", "Of the stored ones, those left out by rule.", counts.sampled_out
    )
    yield _count(
        "spans_content_sampled_out",
        "Spans whose content was left out by rule.",
        counts.sampled_out_content,
    )
    yield _gauge("spans_waiting", "Spans acknowledged and not stored yet.", counts.waiting)
    yield Reading(
        "watchpost_requests",
        "counter",
        "Requests by whether they were taken.",
        "{request}",
        (
            Sample(counts.requests_accepted, {"outcome": "accepted"}),
            Sample(counts.requests_refused, {"outcome": "refused"}),
        ),
    )


def _read_items(context: Context) -> Iterator[Reading]:
    """As of spans, of log records and data points."""
    others = {signal.name: context.counters.of(signal).read() for signal in (LOGS, METRICS)}
    for name, told in (
        ("received", "Log records and data points in requests that could be read."),
        ("recovered", "Log records and data points found in the spool at the start."),
    ):
        samples = [Sample(getattr(found, name), {"signal": key}) for key, found in others.items()]
        yield Reading(f"watchpost_items_{name}", "counter", told, "{item}", tuple(samples))
    yield Reading(
        "watchpost_items_settled",
        "counter",
        "Log records and data points by what became of them.",
        "{item}",
        tuple(
            Sample(getattr(found, fate), {"signal": name, "fate": fate})
            for name, found in others.items()
            for fate in _FATES
        ),
    )
    yield Reading(
        "watchpost_items_waiting",
        "gauge",
        "Log records and data points acknowledged and not stored yet.",
        "{item}",
        tuple(Sample(found.waiting, {"signal": name}) for name, found in others.items()),
    )


def _read_projects(context: Context, project: str) -> Iterator[Reading]:
    found = context.counters.read_projects()
    yield Reading(
        "watchpost_project_spans",
        "counter",
        "Spans by project: received, and of these refused or sent before.",
        "{span}",
        tuple(
            Sample(value, {"project": name, "fate": fate})
            for name, counts in sorted(found.items())
            if project in ("", name)
            for fate, value in counts.items()
        ),
    )
    yield Reading(
        "watchpost_project_requests_throttled",
        "counter",
        "Requests over their project's limit.",
        "{request}",
        tuple(
            Sample(refused["requests"], {"project": name})
            for name, refused in sorted(context.throttle.read().items())
            if project in ("", name)
        ),
    )


def _read_spool(context: Context) -> Iterator[Reading]:
    measured: tuple[tuple[str, str, str, Callable[[Spool], float]], ...] = (
        ("bytes", "Bytes accepted and not stored yet.", "By", lambda spool: spool.waiting_bytes),
        ("limit_bytes", "Bytes that may wait.", "By", lambda spool: spool.limits.bound_bytes),
        ("segments", "Sealed segments that wait.", "1", lambda spool: spool.waiting_segments),
        ("oldest_seconds", "Age of the oldest of them.", "s", lambda spool: spool.oldest_s),
        ("limit_seconds", "Age it may reach.", "s", lambda spool: spool.limits.bound_age_s),
    )
    for name, told, unit, read in measured:
        samples = (Sample(read(s), {"signal": of}) for of, s in sorted(context.spools.items()))
        yield Reading(f"watchpost_spool_{name}", "gauge", told, unit, tuple(samples))
    yield from _read_start(context)
    state = context.flusher.state.name
    yield Reading(
        "watchpost_store_state",
        "gauge",
        "1 for the state the store was last found in.",
        "1",
        tuple(Sample(float(name == state), {"state": name}) for name in _STATES),
    )


def _read_start(context: Context) -> Iterator[Reading]:
    """What the start found in the spool and could not use: nobody knows its spans."""
    found = {signal.name: context.counters.of(signal).read() for signal in SIGNALS}
    for column, told, unit in (
        ("torn_bytes", "Bytes found at the start that are no whole request.", "By"),
        ("unrecovered_segments", "Segments that could not be read at the start.", "1"),
    ):
        samples = (Sample(getattr(counts, column), {"signal": of}) for of, counts in found.items())
        yield Reading(f"watchpost_spool_{column}", "counter", told, unit, tuple(samples))


def _read_set_aside(context: Context) -> Iterator[Reading]:
    aside = context.set_aside.read()
    yield _gauge("set_aside_segments", "Segments nobody could store.", aside.segments)
    yield _gauge("set_aside_bytes", "Bytes of these.", aside.bytes, "By")
    yield _gauge("set_aside_oldest_seconds", "Age of the oldest.", aside.oldest_s, "s")
    dropped = context.counters.read().set_aside_dropped
    yield _count("set_aside_dropped_spans", "Spans no longer kept there.", dropped)


def _read_redaction(context: Context) -> Iterator[Reading]:
    """What was masked before it was kept, where that is asked for."""
    if (redaction := context.redaction) is None:
        return
    for name, told, unit, value in (
        ("requests", "Requests that were looked through.", "{request}", redaction.requests),
        ("items", "Resources, spans, records with something masked.", "{item}", redaction.changed),
    ):
        yield Reading(f"watchpost_redaction_{name}", "counter", told, unit, (Sample(value),))


def _read_prices(context: Context, project: str) -> Iterator[Reading]:
    """What nobody has a price for, and tokens counted here; both are of no one project."""
    if context.opened_store is None or project:
        return
    yield Reading(
        "watchpost_unpriced_calls",
        "gauge",
        "Calls of the last 7 days whose model has no price, by model; the most called ones.",
        "{call}",
        tuple(
            Sample(one.calls, {"provider": one.provider, "model": one.model})
            for one in context.opened_store.unpriced[:_MODELS_TOLD]
        ),
    )
    if (estimates := context.opened_store.estimates) is not None:
        state = estimates.state
        yield Reading(
            "watchpost_estimated_calls",
            "counter",
            "Calls whose tokens were counted here, because no emitter reported any.",
            "{call}",
            (Sample(state.counted),),
        )
        yield _gauge("calls_to_estimate", "Calls that wait to be counted so.", state.waiting)


def _read_screening(context: Context, project: str) -> Iterator[Reading]:
    """What guards looked at in the background, where a policy says so; it is of no one project."""
    if (screening := context.screening) is None or project:
        return
    state = screening.state
    fates = ("screened", "sampled_out", "without_text")
    yield Reading(
        "watchpost_screening_calls",
        "counter",
        "Stored calls by whether guards looked at them in the background.",
        "{call}",
        tuple(Sample(getattr(state, fate), {"fate": fate}) for fate in fates),
    )
    failed = (Sample(state.failed),)
    told = "Verdicts of these that failed."
    yield Reading("watchpost_screening_failed", "counter", told, "{verdict}", failed)
    yield _gauge("screening_behind_seconds", "Age of what waits for it.", state.behind_s, "s")


def _read_alerting(context: Context, project: str) -> Iterator[Reading]:
    """Rules that are run and what they tell, where there are any; they are of no one project."""
    if (alerting := context.alerting) is None or project:
        return
    state = alerting.state
    yield Reading(
        "watchpost_alerts",
        "gauge",
        "Alerts by state; of silenced ones nobody is told.",
        "{alert}",
        tuple(Sample(found, {"state": name}) for name, found in state.alerts.items()),
    )
    yield Reading(
        "watchpost_alert_evaluations",
        "counter",
        "Evaluations of rules by outcome.",
        "{evaluation}",
        tuple(Sample(found, {"outcome": name}) for (name,), found in state.evaluations.items()),
    )
    yield Reading(
        "watchpost_alert_deliveries",
        "counter",
        "Messages by channel and fate; each try that failed is one that is retried.",
        "{message}",
        tuple(
            Sample(found, {"channel": channel, "fate": fate})
            for (channel, fate), found in state.deliveries.items()
        ),
    )
    yield _gauge("alert_rules_failing", "Rules that cannot be evaluated now.", state.failing)
    yield _gauge("alert_deliveries_waiting", "Messages that wait.", state.waiting)
    at = state.evaluated_at
    yield _gauge("alert_evaluated_timestamp_seconds", "When rules were last evaluated.", at, "s")


def _read_times(context: Context) -> Iterator[Reading]:
    counters = context.counters
    times = (
        ("acknowledge", "From a request's last byte to its being on disk.", "acknowledge_seconds"),
        ("flush", "Storing a segment, tries and waits included.", "flush_seconds"),
    )
    for name, told, histogram in times:
        found = getattr(counters, histogram).read()
        yield Reading(f"watchpost_{name}_seconds", "histogram", told, "s", (Sample(found),))


def _read_process() -> Iterator[Reading]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = Sample(1, {"version": version("watchpost")})
    yield Reading("watchpost_build_info", "gauge", "The running version.", "1", (told,))
    cpu = Sample(used.ru_utime + used.ru_stime)
    yield Reading("process_cpu_seconds", "counter", "CPU time used.", "s", (cpu,))
    memory = Sample(_read_resident_bytes(used.ru_maxrss * 1024))
    yield Reading("process_resident_memory_bytes", "gauge", "Memory held.", "By", (memory,))
    started = Sample(round(_STARTED_S, 3))
    yield Reading("process_start_time_seconds", "gauge", "When it started.", "s", (started,))


def _read_resident_bytes(otherwise: int) -> int:
    """What /proc says is held now; the peak where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return otherwise
    return pages * resource.getpagesize()


def _count(name: str, told: str, value: int) -> Reading:
    return Reading(f"watchpost_{name}", "counter", told, "{span}", (Sample(value),))


def _gauge(name: str, told: str, value: float, unit: str = "1") -> Reading:
    return Reading(f"watchpost_{name}", "gauge", told, unit, (Sample(value),))


_STARTED_S = time.time()
