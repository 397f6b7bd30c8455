"""The demo's last ten days for a running server, at a fraction of what living through them costs.

Of every kind of ticket some dozens are handled by the demo's own assistant, through the SDK and
OTLP. The plan's other moments repeat their calls, with ids, times and response ids of their own and
without the messages. It does not know what happens in those days.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from otlp_tap import OtlpTap
from running_server import RunningServer

from watchpost_collector.demo.history import relive
from watchpost_collector.demo.own_server import STORE_S, wait_until_stored
from watchpost_collector.demo.plot import PASTING_CUSTOMER, Moment, plan_traffic

# As busy as the demo, whose fourteen days have 9,220 tickets.
DAYS = 10
TICKETS = 6_600
SAMPLE = 40
_TICKETS_A_REQUEST = 250
_MESSAGES = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
)

Trace = list[tuple[ResourceSpans, Span]]


def send_demo(server: RunningServer, now: datetime) -> None:
    """Store the demo's traffic up to `now`, as tickets of its service."""
    kinds: dict[object, list[Moment]] = defaultdict(list)
    moments = list(plan_traffic(now, DAYS, TICKETS))
    for moment in moments:
        kinds[_kind(moment)].append(moment)
    sample = sorted(
        (moment for same in kinds.values() for moment in same[:: -(-len(same) // SAMPLE)]),
        key=lambda moment: moment.at,
    )
    with OtlpTap(server.otlp_url) as tap:
        relive(sample, tap.url, lambda _: None)
    handled: dict[object, list[tuple[Moment, Trace]]] = defaultdict(list)
    for moment, trace in zip(sample, _read_traces(tap), strict=True):
        handled[_kind(moment)].append((moment, trace))
    lived = {id(moment) for moment in sample}
    _repeat([moment for moment in moments if id(moment) not in lived], handled, server)
    wait_until_stored(server.otlp_url, STORE_S)


def _kind(moment: Moment) -> object:
    pasted = moment.ticket.customer == PASTING_CUSTOMER
    return moment.version, moment.release, pasted, bool(moment.overloaded)


def _read_traces(tap: OtlpTap) -> list[Trace]:
    """The calls that were sent, by trace, in the order in which the traces begin."""
    traces: dict[bytes, Trace] = defaultdict(list)
    for relayed in tap.relayed:
        assert relayed.status == 200
        if not relayed.path.endswith("/v1/traces"):
            continue
        for resource in ExportTraceServiceRequest.FromString(relayed.body).resource_spans:
            for scope in resource.scope_spans:
                frame = ResourceSpans(resource=resource.resource)
                frame.scope_spans.add(scope=scope.scope)
                for span in scope.spans:
                    traces[span.trace_id].append((frame, span))
    in_order = sorted(
        traces.values(), key=lambda trace: min(span.start_time_unix_nano for _, span in trace)
    )
    return [[(frame, span) for frame, span in trace if _strip(span)] for trace in in_order]


def _strip(span: Span) -> bool:
    """Take the messages away; whether the span is a model's call."""
    for place in reversed(range(len(span.attributes))):
        if span.attributes[place].key in _MESSAGES:
            del span.attributes[place]
    return any(attribute.key == "gen_ai.request.model" for attribute in span.attributes)


def _repeat(
    moments: Sequence[Moment],
    handled: dict[object, list[tuple[Moment, Trace]]],
    server: RunningServer,
) -> None:
    chance = random.Random(1)
    for first in range(0, len(moments), _TICKETS_A_REQUEST):
        frames: dict[bytes, ResourceSpans] = {}
        for moment in moments[first : first + _TICKETS_A_REQUEST]:
            then, trace = chance.choice(handled[_kind(moment)])
            _copy(trace, int((moment.at - then.at).total_seconds() * 1e9), chance, frames)
        request = ExportTraceServiceRequest(resource_spans=frames.values())
        answer = server.send(request.SerializeToString(), **{"X-Watchpost-Backfill": "1"})
        assert answer.status == 200


def _copy(
    trace: Trace, later_ns: int, chance: random.Random, frames: dict[bytes, ResourceSpans]
) -> None:
    trace_id = chance.randbytes(16)
    names: dict[bytes, bytes] = defaultdict(lambda: chance.randbytes(8))
    names[b""] = b""
    for frame, span in trace:
        kept = frames.setdefault(frame.SerializeToString(), frame.__deepcopy__())
        copied = kept.scope_spans[0].spans.add()
        copied.CopyFrom(span)
        copied.trace_id = trace_id
        copied.span_id, copied.parent_span_id = names[span.span_id], names[span.parent_span_id]
        copied.start_time_unix_nano += later_ns
        copied.end_time_unix_nano += later_ns
        for event in copied.events:
            event.time_unix_nano += later_ns
        for attribute in copied.attributes:
            if attribute.key == "gen_ai.response.id":
                attribute.value.string_value = copied.span_id.hex()
