-- Who may do what on a ClickHouse server: run once, by an administrator, after the first
-- `watchpost up` made the tables. Replace {writer_password}, {grafana_password} and
-- {team_a_password} by long random values, and repeat the last section for each project.
-- The users file deploy/clickhouse-users.xml does the same for the one reader of docker compose.

create settings profile if not exists watchpost_writer settings
    -- An acknowledged segment is on a majority of the replicas before the spool lets go of it.
    insert_quorum = 'auto', insert_quorum_timeout = 60000,
    -- What people delete is gone when the statement returns, on every replica.
    mutations_sync = 2, alter_sync = 2,
    -- Mutations of an erasure read the rows to erase from a table.
    allow_nondeterministic_mutations = 1,
    log_queries = 0;

create settings profile if not exists watchpost_reader settings
    readonly = 2,
    max_execution_time = 30 max 60,
    max_memory_usage = 4000000000 max 4000000000,
    max_result_rows = 2000000 max 2000000, result_overflow_mode = 'throw' const;

create role if not exists watchpost_writer settings profile 'watchpost_writer';
create role if not exists watchpost_reader settings profile 'watchpost_reader';
create role if not exists watchpost_project_reader settings profile 'watchpost_reader';

grant select, insert, alter, create, drop, truncate, optimize, dictGet on watchpost.* to watchpost_writer;
grant create database, create table, drop table, select on watchpost_all.* to watchpost_writer;
grant create database on watchpost.* to watchpost_writer;
grant select on system.* to watchpost_writer;
grant system reload dictionary, system cleanup on *.* to watchpost_writer;
grant cluster, remote on *.* to watchpost_writer;

grant select on watchpost.* to watchpost_reader;
grant select on watchpost_all.* to watchpost_reader;
grant dictGet on watchpost.* to watchpost_reader;

grant select on watchpost.generations to watchpost_project_reader;
grant select on watchpost.calls to watchpost_project_reader;
grant select on watchpost.spans to watchpost_project_reader;
grant select on watchpost.content to watchpost_project_reader;
grant select on watchpost.verdicts to watchpost_project_reader;
grant select on watchpost.messages to watchpost_project_reader;
grant select on watchpost.logs to watchpost_project_reader;
grant select on watchpost.scores to watchpost_project_reader;
grant select on watchpost.score_events to watchpost_project_reader;
grant select on watchpost.score_comments to watchpost_project_reader;
grant select on watchpost.settled_scores to watchpost_project_reader;
grant select on watchpost.metrics to watchpost_project_reader;
grant select on watchpost.prompts to watchpost_project_reader;
grant select on watchpost.prompt_versions to watchpost_project_reader;
grant select on watchpost.prompt_labels to watchpost_project_reader;

create quota if not exists watchpost_writer for interval 1 hour max errors = 100000 to watchpost_writer;
create quota if not exists watchpost_reader keyed by user_name
    for interval 1 minute max queries = 600, execution_time = 300,
    for interval 1 hour max queries = 10000, result_rows = 200000000, execution_time = 3600
    to watchpost_reader, watchpost_project_reader;

-- A project's own user sees its own rows. The name of the project is a constant of the user, which
-- the server's config lets it have (custom_settings_prefixes in config.xml) and nobody can change.
create row policy if not exists own_project
    on watchpost.calls, watchpost.spans, watchpost.content, watchpost.verdicts, watchpost.logs, watchpost.metrics, watchpost.score_events, watchpost.score_comments, watchpost.settled_scores, watchpost.prompt_versions, watchpost.prompt_labels
    using project = getSetting('watchpost_project') to watchpost_project_reader;
create row policy if not exists every_project
    on watchpost.calls, watchpost.spans, watchpost.content, watchpost.verdicts, watchpost.logs, watchpost.metrics, watchpost.score_events, watchpost.score_comments, watchpost.settled_scores, watchpost.prompt_versions, watchpost.prompt_labels
    using 1 to watchpost_writer, watchpost_reader;

create user if not exists watchpost identified with sha256_password by '{writer_password}'
    default role watchpost_writer;
grant watchpost_writer to watchpost;

create user if not exists grafana identified with sha256_password by '{grafana_password}'
    default role watchpost_reader;
grant watchpost_reader to grafana;

create user if not exists team_a identified with sha256_password by '{team_a_password}'
    default role watchpost_project_reader
    settings watchpost_project = 'team-a' const;
grant watchpost_project_reader to team_a;
