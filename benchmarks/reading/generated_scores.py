"""Scores of the generated traffic: every fifth trace has a thumb, given within the hour after it.

Half of them are of a call, half of the whole trace; one in ten says why. They go through the views
that real ones go through. This file knows what people say of answers; it does not know what is
measured.
"""

from __future__ import annotations

from watchpost_collector.store import scores
from watchpost_collector.store.client import Store

_SCORES = """
insert into watchpost.log_work
    (project, spool_segment, time, trace_id, span_id, event_name, attributes, resource)
select project, {scores:String}, start + toIntervalSecond(5 + draw % 3600), trace_id,
    if(draw % 2 = 0, span_id, ''), 'gen_ai.evaluation.result',
    mapFilter((k, v) -> v != '', map(
        'gen_ai.evaluation.name', 'helpful',
        'gen_ai.evaluation.score.value', toString(cityHash64(draw) % 100 < 80),
        'watchpost.score.kind', 'boolean', 'watchpost.score.source', 'http',
        'watchpost.score.author', concat('reader-', toString(draw % 10000)),
        'gen_ai.evaluation.explanation', if(draw % 10 = 0, 'it did not say when', ''))),
    map('service.name', service)
from (
    select project, start, trace_id, span_id, service, cityHash64(trace_id, 'score') as draw
    from watchpost.spans
    where spool_segment = {spans:String} and kind = 'generation' and cityHash64(trace_id) % 5 = 0
    limit 1 by trace_id
)
"""


def insert_scores(store: Store, segment: str) -> None:
    """Insert and settle the scores of a segment of generated spans."""
    named = f"{segment}-logs"
    store.command(_SCORES, {"spans": segment, "scores": named})
    scores.settle_new(store, named)
