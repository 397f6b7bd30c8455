-- Sampling: what was not stored of a segment's spans, which were received and are proved to have been
-- dropped on purpose. (The decision is in 0003_work.sql, the rules come from sampling.py.) It holds
-- promises about other tables, so a row outlives its segment's spool file and no more: should one
-- be gone before its segment is proved, the segment is removed and sent again.

create table if not exists {database}.sampled_out {on_cluster}
(
    spool_segment LowCardinality(String), project LowCardinality(String),
    spans UInt64, contents UInt64,
    -- What the other tables hold nevertheless of these spans: their calls (as hashes), verdicts, content.
    promised_contents UInt64, promised_verdicts UInt64, promised_calls Array(UInt64),
    stored Date default today()
)
engine = {replicated}MergeTree
order by (spool_segment, project)
ttl stored + interval 7 day
settings {durable};

create materialized view if not exists {database}.work_to_sampled_out {on_cluster} to {database}.sampled_out as
select
    spool_segment, project,
    countIf(not kept) as spans,
    countIf(not has_content and (input_messages != '' or output_messages != '' or system_instructions != '' or tool_definitions != '' or documents != '')) as contents,
    countIf(not kept and has_content) as promised_contents,
    sumIf(length(verdicts), not kept) as promised_verdicts,
    groupArrayIf(xxHash64(project, trace_id, span_id), not kept and kind in ('generation', 'embedding')) as promised_calls
from {database}.work
group by spool_segment, project
having spans > 0 or contents > 0;
