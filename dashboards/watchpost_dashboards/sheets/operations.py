"""Operations: whether the collector itself is well, from what it stores of its own telemetry."""

from dataclasses import replace

from watchpost_dashboards.own_metrics import (
    read_added,
    read_counter,
    read_gauge,
    read_highest,
    read_now,
    read_quantile,
)
from watchpost_dashboards.panel import Panel, Sheet
from watchpost_dashboards.reading import CALLS, read_total
from watchpost_dashboards.variables import CALLS as VARIABLES

_LOST = "series IN ('refused', 'set_aside', 'dropped')"

_STATS = (
    Panel(
        "Received",
        "Spans in requests that could be read, in the time chosen. If zero while services run, look"
        " at their exporters, at the key they use, and at the network between.",
        "stat",
        read_added("watchpost_spans_received"),
    ),
    Panel(
        "Lost or set aside",
        "Spans refused, dropped, or kept aside because nobody could store them. If not zero, see"
        " `watchpost doctor`, which names the reason and the segment.",
        "stat",
        read_added("watchpost_spans_settled", "fate", _LOST),
        limits=(1, 1000),
    ),
    Panel(
        "Waiting now",
        "Spans acknowledged and not stored yet. If it grows, the store is slow or away: see its"
        " state and the flush times below. Nothing is lost while it waits on disk.",
        "stat",
        read_now("watchpost_spans_waiting"),
        limits=(100_000, 1_000_000),
    ),
    Panel(
        "Longest wait",
        "Age of the oldest thing that waited, in the time chosen: how far dashboards lag behind. If"
        " it is minutes, the store was away or too slow.",
        "stat",
        read_highest("watchpost_spool_oldest_seconds"),
        "s",
        limits=(60, 600),
    ),
    Panel(
        "Segments set aside",
        "Segments of accepted requests that could not be stored. If not zero, read the reason with"
        " `watchpost doctor`, mend it, and put them back.",
        "stat",
        read_now("watchpost_set_aside_segments"),
        limits=(1,),
    ),
    Panel(
        "Calls without a price",
        "Calls whose model has no price, in the time chosen. If not zero, costs are too low: add a"
        " price (`watchpost prices`).",
        "stat",
        read_total(CALLS, "unpriced"),
        limits=(1,),
    ),
)
_OVER_TIME = (
    Panel(
        "Spans by what became of them",
        "In each interval. `stored` should be nearly all; `deduplicated` are repeated sends;"
        " `refused` or `dropped` are lost: the collector's log and `watchpost doctor` say why.",
        "bars",
        read_counter("watchpost_spans_settled", "fate"),
    ),
    Panel(
        "Requests by outcome",
        "Requests taken and refused. A rise of `refused`: a wrong key, a body too large, or a full"
        " spool; the answers that senders get say which.",
        "bars",
        read_counter("watchpost_requests", "outcome"),
    ),
    Panel(
        "Spool, bytes waiting",
        "Accepted and not stored yet, by signal. If it climbs towards the limit (next panel), mend"
        " the store; at the limit requests are refused and senders keep them.",
        "series",
        read_gauge("watchpost_spool_bytes", "signal"),
        "bytes",
    ),
    Panel(
        "Spool, limit",
        "Bytes that may wait, by signal. If the waiting bytes come near it, give the spool more"
        " disk (`--spool-bytes`) or the store more room.",
        "series",
        read_gauge("watchpost_spool_limit_bytes", "signal"),
        "bytes",
    ),
    Panel(
        "Lag",
        "Age of the oldest segment that waits, by signal. If it grows steadily, the store takes"
        " less than arrives; if it jumps, the store was away.",
        "series",
        read_gauge("watchpost_spool_oldest_seconds", "signal"),
        "s",
    ),
    Panel(
        "Acknowledged within",
        "95 % of requests, from the last byte to being on disk. If it grows, the disk is slow to"
        " sync: move the spool to a faster one.",
        "series",
        read_quantile("watchpost_acknowledge_seconds"),
        "s",
    ),
    Panel(
        "Stored within",
        "95 % of segments, tries and waits included. If it grows, ClickHouse is loaded by merges or"
        " by questions: look at both.",
        "series",
        read_quantile("watchpost_flush_seconds"),
        "s",
    ),
    Panel(
        "State of the store",
        "1 for the state it was found in. Anything but `ready`: see that ClickHouse runs, that its"
        " disk has room, and that the collector's address for it is right.",
        "series",
        read_gauge("watchpost_store_state", "state"),
        most=1,
    ),
    Panel(
        "Spans by project",
        "Received in each interval. If one project grows without reason, give it a limit or a"
        " sampling rule, so that it does not slow the others down.",
        "bars",
        read_counter(
            "watchpost_project_spans",
            "project",
            "$__conditionalAll(series IN (${project:singlequote}), $project)",
        ),
    ),
    Panel(
        "Left out by sampling",
        "Stored spans whose rows were left out by rule. If it is not what you meant, look at the"
        " project's sampling rules; totals are right whatever is left out.",
        "series",
        read_counter("watchpost_spans_sampled_out", shown="spans"),
    ),
    Panel(
        "Processor time",
        "Seconds of CPU used in each interval. If it is near the interval times the cores, the"
        " collector is full: send larger batches, or run one more.",
        "series",
        read_counter("process_cpu_seconds", shown="used"),
        "s",
    ),
    Panel(
        "Memory",
        "Held by the collector; with the store inside, the store's too. If it climbs without end,"
        " bound the store's memory, and report it.",
        "series",
        read_gauge("process_resident_memory_bytes", shown="held"),
        "bytes",
    ),
)

SHEET = Sheet(
    "operations",
    "operations",
    "The collector's own health, from the telemetry it stores every minute in `watchpost.metrics`"
    " (project `watchpost`). With `--telemetry off` these panels are empty; the same numbers are on"
    " `/metrics` for Prometheus.",
    (*(replace(panel, width=4, height=4) for panel in _STATS), *_OVER_TIME),
    VARIABLES,
    since="now-6h",
)
