-- Prompts: what applications ask to have filled in, in numbered versions that are never changed, and the
-- labels that say which version is meant. A label is moved by a row more, so that where it stood is
-- known. They are nobody's personal data: no retention, no erasure.

create table if not exists {database}.prompt_versions {on_cluster}
(
    project LowCardinality(String), name String,
    version UInt32,                    -- 1, 2, 3 within project and name
    kind LowCardinality(String),       -- text, or chat: a JSON array of messages
    template String codec(ZSTD(3)),
    sha String,                        -- SHA-256 of the template; spans say its first twelve digits
    note String,
    created DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree
order by (project, name, version, sha)
settings {durable};

create table if not exists {database}.prompt_labels {on_cluster}
(
    project LowCardinality(String), name String, label LowCardinality(String),
    version UInt32,
    move UInt32,                       -- 1, 2, 3 within a label: no clock decides where it stands
    moved DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}MergeTree
order by (project, name, label, move)
settings {durable};

create view if not exists {database}.prompts {on_cluster} as
select
    v.project as project, v.name as name, v.version as version, v.kind as kind, v.template as template,
    v.sha as sha, v.note as note, v.created as created, l.labels as labels
from (
    -- Two collectors may give out a number at once: it is the first one's, and the other takes the next.
    select * from {database}.prompt_versions final
    where (project, name, version, sha) in (
        select project, name, version, argMin(sha, (created, sha))
        from {database}.prompt_versions group by project, name, version)
) as v
left join (
    select project, name, stands, arraySort(groupArray(label)) as labels
    from (
        select project, name, label, argMax(version, (move, moved)) as stands
        from {database}.prompt_labels group by project, name, label
    )
    group by project, name, stands
) as l on v.project = l.project and v.name = l.name and v.version = l.stands;
