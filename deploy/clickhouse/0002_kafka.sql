-- The way in by Kafka: no process of ours in the path. Copy
-- collector/watchpost_collector/store/envelope.proto to the server's format_schema_path as
-- watchpost.proto. `envelopes` takes messages that are one Envelope each, which say their project;
-- `requests` takes what an OpenTelemetry Collector's kafka exporter writes (encoding otlp_proto),
-- one ExportTraceServiceRequest each, all of one project. Replace {brokers} and {project}.
-- Kafka delivers at least once: a message read twice is counted once among the calls, whose key is
-- the span's own, while `spans` may hold it twice. Exactly once is what the collector's spool does.

create table if not exists watchpost.kafka_envelopes as watchpost.wire
engine = Kafka
settings kafka_broker_list = '{brokers}', kafka_topic_list = 'watchpost-envelopes',
    kafka_group_name = 'watchpost', kafka_format = 'ProtobufSingle',
    kafka_schema = 'watchpost.proto:Envelope', kafka_num_consumers = 2,
    kafka_max_block_size = 65409, kafka_handle_error_mode = 'stream';

create materialized view if not exists watchpost.kafka_envelopes_to_wire to watchpost.wire as
select body, project, received_ns, concat('kafka-', _topic, '-', toString(_partition)) as segment, backfill
from watchpost.kafka_envelopes where empty(_error);

create table if not exists watchpost.kafka_requests
engine = Kafka
settings kafka_broker_list = '{brokers}', kafka_topic_list = 'otlp_spans',
    kafka_group_name = 'watchpost', kafka_format = 'ProtobufSingle',
    kafka_schema = 'watchpost.proto:Request', kafka_num_consumers = 2,
    kafka_max_block_size = 65409, kafka_handle_error_mode = 'stream'
empty as select body.resource_spans as resource_spans from watchpost.wire;

create materialized view if not exists watchpost.kafka_requests_to_wire to watchpost.wire as
select
    tuple(resource_spans) as body, '{project}' as project,
    toUInt64(toUnixTimestamp64Nano(now64(9))) as received_ns,
    concat('kafka-', _topic, '-', toString(_partition)) as segment, false as backfill
from watchpost.kafka_requests where empty(_error);

-- Messages that are no protobuf are kept with their place, not lost and not in the way.
create table if not exists watchpost.kafka_refused
    (topic String, partition UInt64, offset UInt64, error String, message String, stored DateTime default now())
engine = MergeTree order by stored ttl stored + interval 30 day;

create materialized view if not exists watchpost.kafka_envelopes_to_refused to watchpost.kafka_refused as
select _topic as topic, _partition as partition, _offset as offset, _error as error, _raw_message as message
from watchpost.kafka_envelopes where notEmpty(_error);

create materialized view if not exists watchpost.kafka_requests_to_refused to watchpost.kafka_refused as
select _topic as topic, _partition as partition, _offset as offset, _error as error, _raw_message as message
from watchpost.kafka_requests where notEmpty(_error);
