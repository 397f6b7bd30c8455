-- Decisions: named texts become typed values, and every span is told what it is. `work` is the one row
-- from which every stored table takes its columns.

-- How much of a project is stored (sampling.py): the share of its traces, the share of those whose
-- content is, and from how long on a call is slow and always stored.
create table if not exists {database}.sampling_rules {on_cluster}
(
    project String, keep Float64, content Float64, slow_ms Float64,
    changed DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree(changed)
order by project
settings {durable};

create dictionary if not exists {database}.sampling {on_cluster}
(
    project String, keep Float64 default 1, content Float64 default 1, slow_ms Float64 default 0
)
primary key project
source(clickhouse({login}query 'select project, keep, content, slow_ms from {database}.sampling_rules final'))
layout(complex_key_hashed())
lifetime(0);

create table if not exists {database}.work {on_cluster}
(
    project LowCardinality(String), spool_segment String,
    trace_id String, span_id String, parent_span_id String,
    start DateTime64(9, 'UTC'), duration_ms Float64, name String, kind LowCardinality(String),
    status LowCardinality(String), status_message String, error_type LowCardinality(String),
    service LowCardinality(String), service_version LowCardinality(String),
    environment LowCardinality(String), vcs_revision String, scope_name LowCardinality(String),
    operation LowCardinality(String), provider LowCardinality(String),
    request_model LowCardinality(String), response_model LowCardinality(String),
    model LowCardinality(String), response_id String,
    prompt_name LowCardinality(String), prompt_version LowCardinality(String), template_hash String,
    session_id String, user_id String, agent_name LowCardinality(String),
    workflow_name LowCardinality(String),
    finish_reasons Array(LowCardinality(String)),
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64,
    cache_write_1h_tokens UInt64, reasoning_tokens UInt64, audio_input_tokens UInt64,
    audio_output_tokens UInt64, usage_source LowCardinality(String),
    cost_reported Nullable(Decimal(18, 9)), ttft_ms Nullable(Float64), streaming Bool,
    context_window UInt64, context_use Float64, retries UInt32, blocked Bool,
    guard_action LowCardinality(String), service_tier LowCardinality(String),
    system_fingerprint LowCardinality(String),
    parameters Map(LowCardinality(String), String),
    tags Array(LowCardinality(String)), segments Map(LowCardinality(String), String),
    tool_name LowCardinality(String), tool_call_id String, tool_arguments String, tool_result String,
    input_messages String, output_messages String, system_instructions String, tool_definitions String,
    documents String,
    -- It is called a model's call and tells nothing of one (settle.py says what becomes of it).
    hollow Bool,
    verdicts Array(Map(String, String)), events String, links Array(String),
    attributes Map(LowCardinality(String), String), resource Map(LowCardinality(String), String),
    -- How many spans this one stands for, as its emitter says.
    adjusted_count Float64,
    -- What is stored of it is decided once, here, for all the views that follow. A trace draws one lot
    -- between 0 and 1, the same in every piece, process and retry.
    lot Float64 default bitShiftRight(xxHash64(concat(project::String, '\0', trace_id)), 11) / 9007199254740992,
    rule Tuple(keep Float64, content Float64, slow_ms Float64)
        default dictGetOrDefault('{database}.sampling', ('keep', 'content', 'slow_ms'), project::String,
            dictGet('{database}.sampling', ('keep', 'content', 'slow_ms'), '*')),
    always Bool default status = 'error' or blocked or guard_action not in ('', 'allow')
        or arrayExists(v -> v['watchpost.guard.tripped'] = 'true' or v['watchpost.guard.failed'] = 'true', verdicts)
        or (rule.slow_ms > 0 and duration_ms > rule.slow_ms and kind in ('generation', 'embedding', 'tool', 'retriever')),
    kept Bool default always or lot < rule.keep,
    -- Without usage the messages are all there is to count tokens from.
    has_content Bool default (input_messages != '' or output_messages != '' or system_instructions != '' or tool_definitions != '' or documents != '')
        and rule.content > 0
        and (always or lot < rule.keep * rule.content or (usage_source = 'none' and kind in ('generation', 'embedding'))),
    -- Weights are whole numbers, so that every sum is exact: one of the two around it, by the trace.
    fraction Float64 default bitShiftRight(intHash64(reinterpretAsUInt64(lot)), 11) / 9007199254740992,
    weight UInt32 default toUInt32(floor(adjusted_count + fraction)),
    span_weight UInt32 default if(always, weight, toUInt32(least(4e9, floor(adjusted_count / rule.keep + fraction))))
)
engine = Null;

create materialized view if not exists {database}.named_to_work {on_cluster} to {database}.work as
-- Two levels, because every use of an alias repeats its whole expression to the planner: below, what
-- many columns need (counts, kind, model); here the columns.
with
    x -> toUInt64(least(greatest(ifNotFinite(toFloat64OrZero(x), 0), 0), 1e9)) as tokens,
    -- Input is inclusive everywhere. Where the parts are more than the whole, the source was exclusive
    -- (raw Anthropic, OpenLIT's Anthropic scope, Bedrock Converse) and the whole is their sum.
    if(read_found + write_found > in_found, in_found + read_found + write_found, in_found) as in_whole,
    transform(lower(replaceRegexpOne(trimBoth(named.provider, '"'), '\\.(chat|responses|messages|embedding|embeddings|completion)$', '')),
        ['azure', 'azure_openai', 'azure-openai', 'az.ai.openai', 'az.ai.inference', 'bedrock', 'amazon-bedrock', 'amazon_bedrock',
         'aws_bedrock', 'vertexai', 'vertex_ai', 'google_vertexai', 'google.vertex', 'gemini', 'google_genai', 'google.generative-ai',
         'mistral', 'mistralai', 'xai', 'moonshot', 'moonshotai'],
        ['azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.inference', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock',
         'aws.bedrock', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini',
         'mistral_ai', 'mistral_ai', 'x_ai', 'moonshot_ai', 'moonshot_ai']) as provider_name,

    -- OpenTelemetry's consistent sampling: kept were the traces whose randomness, of 2^56, reached `th`.
    extract(trace_state, '(?:^|,)\\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[,;\\s]|$)') as threshold,

    -- Messages. An event may hold them too: the operation's details, or the legacy one event a message.
    (wanted) -> event_maps[indexOf(event_names, 'gen_ai.client.inference.operation.details')][wanted] as detail,
    arrayFilter((m, n) -> n in ('gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message', 'gen_ai.tool.message', 'gen_ai.content.prompt'), event_maps, event_names) as asked,
    arrayFilter(n -> n in ('gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message', 'gen_ai.tool.message', 'gen_ai.content.prompt'), event_names) as askers,
    arrayFilter((m, n) -> n in ('gen_ai.choice', 'gen_ai.content.completion'), event_maps, event_names) as answered,
    if(empty(asked), '', concat('[', arrayStringConcat(arrayMap((m, n) -> toJSONString(mapUpdate(map('role', splitByChar('.', n)[2]), m)), asked, askers), ','), ']')) as asked_json,
    if(empty(answered), '', concat('[', arrayStringConcat(arrayMap(m -> toJSONString(mapUpdate(map('role', 'assistant'), m)), answered), ','), ']')) as answered_json,
    -- Indexed keys become an array of messages in one pass; inner paths stay dotted ("tool_calls.0...")
    -- and are nested by messages.py when one trace is read, which is three times cheaper than here.
    family -> arrayMap(t -> (t.2, t.3, t.4), arraySort(t -> t.2, arrayFilter(t -> t.1 = family and t.2 < 1000, indexed))) as family_of,
    entries -> if(empty(entries), '', concat('[', substring(arrayStringConcat(arrayMap((t, before) ->
        concat(if(t.1 = before, ',', '},{'), toJSONString(if(t.2 = '', 'value', t.2)), ':', toJSONString(t.3)),
        entries, arrayPushFront(arrayPopBack(entries.1), 65535::UInt16)), ''), 3), '}]')) as to_messages,
    if(vercel_text = '' and vercel_tool_calls = '', '', concat('[{"role":"assistant"',
        if(vercel_text = '', '', concat(',"content":', toJSONString(vercel_text))),
        if(vercel_tool_calls = '', '', concat(',"tool_calls":', if(isValidJSON(vercel_tool_calls), vercel_tool_calls, toJSONString(vercel_tool_calls)))),
        '}]')) as vercel_answer,

    if(decided = 'tool', attributes['tool.parameters'], '') as declared,

    -- Langfuse's client puts the tools it offered beside the messages.
    kind_langfuse != '' and startsWith(input_fallback, '{') and JSONHas(input_fallback, 'messages') as with_tools,

    -- A JSON list, a JSON string, or a bare word; where it is only among the messages, from there.
    multiIf(named.finish_reasons = '' and startsWith(named.output_messages, '['),
        arrayFilter(r -> r != '', JSONExtract(named.output_messages, 'Array(Tuple(finish_reason String))').finish_reason),
        named.finish_reasons = '', [], startsWith(named.finish_reasons, '['), JSONExtract(named.finish_reasons, 'Array(String)'),
        startsWith(named.finish_reasons, '"'), [JSONExtractString(named.finish_reasons)], [named.finish_reasons]) as reasons,
    arrayFilter((p, v) -> v != '',
        ['temperature', 'top_p', 'top_k', 'max_tokens', 'seed', 'frequency_penalty', 'presence_penalty', 'stop', 'reasoning'],
        [param_temperature, param_top_p, param_top_k, param_max_tokens, param_seed, param_frequency_penalty, param_presence_penalty, param_stop, param_reasoning] as param_values) as param_names,
    if(params_json = '', [], arrayFilter(t -> t.1 in ('temperature', 'top_p', 'top_k', 'max_tokens', 'max_completion_tokens', 'max_output_tokens', 'seed', 'frequency_penalty', 'presence_penalty', 'stop', 'stream', 'tool_choice'),
        JSONExtractKeysAndValuesRaw(params_json))) as params_found,
    -- Logfire tells of a stream when it is over: that span stands at the end and says how long it took.
    if(startsWith(scope_name, 'logfire.') and attributes['logfire.span_type'] = 'log', least(toFloat64OrZero(attributes['duration']), 86400), 0) as streamed_s,
    fromUnixTimestamp64Nano(start_ns - toInt64(streamed_s * 1e9)) as started,
    toFloat64OrNull(replaceAll(named.cost_reported, '"', '')) as cost_whole,
    toFloat64OrZero(cost_input) + toFloat64OrZero(cost_output) as cost_parts,
    if(cost_json = '', 0, greatest(JSONExtractFloat(cost_json, 'total'), JSONExtractFloat(cost_json, 'total_cost'),
        if(JSONHas(cost_json, 'total') or JSONHas(cost_json, 'total_cost'), 0, arraySum(arrayMap(t -> t.2, JSONExtractKeysAndValues(cost_json, 'Float64')))))) as cost_listed,
    -- 0 means missing: OpenLIT writes it for every model it has no price for.
    coalesce(nullIf(cost_whole, 0), nullIf(cost_parts, 0), nullIf(cost_listed, 0)) as cost_found
select
    project, spool_segment, trace_id, span_id, parent_span_id,
    started as start,
    (end_ns - start_ns) / 1e6 + streamed_s * 1e3 as duration_ms,
    name,
    decided as kind,
    if(status_code = 2 or level = 'ERROR', 'error', 'ok') as status,
    multiIf(named.status_message != '', named.status_message, level_message != '', level_message, thrown['exception.message']) as status_message,
    multiIf(named.error_type != '', named.error_type, status_code = 2, thrown['exception.type'], '') as error_type,
    if(service_name != '', service_name, application) as service,
    resource['service.version'] as service_version,
    if(named.environment != '', named.environment, deployment) as environment,
    if(named.vcs_revision != '', named.vcs_revision, resource['vcs.ref.head.revision']) as vcs_revision,
    scope_name,
    multiIf(named.operation != '', named.operation,
        decided = 'generation' and request_type = 'completion', 'text_completion',
        transform(decided, ['generation', 'embedding', 'tool', 'agent', 'retriever'],
            ['chat', 'embeddings', 'execute_tool', 'invoke_agent', 'retrieval'], '')) as operation,
    provider_name as provider,
    requested as request_model,
    responded as response_model,
    responded as model,
    -- OpenInference keeps the provider's answer as it came, and its id only there.
    if(named.response_id != '' or kind_openinference = '' or decided != 'generation' or not startsWith(output_fallback, '{'), named.response_id, JSONExtractString(output_fallback, 'id')) as response_id,
    -- A prompt of OpenAI's own store is named among the parameters of the request.
    multiIf(named.prompt_name != '', named.prompt_name, prompt_json != '', JSONExtractString(prompt_json, 'name'),
        params_json != '', JSONExtractString(params_json, 'prompt', 'id'), '') as prompt_name,
    multiIf(named.prompt_version != '', named.prompt_version, prompt_json != '', replaceAll(JSONExtractRaw(prompt_json, 'version'), '"', ''),
        params_json != '', JSONExtractString(params_json, 'prompt', 'version'), '') as prompt_version,
    template_hash, session_id, user_id, agent_name, workflow_name,
    reasons as finish_reasons,
    in_whole as input_tokens, out_found as output_tokens, read_found as cache_read_tokens,
    write_found as cache_write_tokens, write_1h_found as cache_write_1h_tokens,
    think_found as reasoning_tokens,
    heard_found as audio_input_tokens, spoken_found as audio_output_tokens,
    multiIf(named.usage_source != '', named.usage_source, in_whole + out_found > 0, 'provider', 'none') as usage_source,
    if(cost_found between 0 and 1e8, toDecimal64(assumeNotNull(cost_found), 9), null) as cost_reported,
    multiIf(ttft_s != '', toFloat64OrNull(ttft_s) * 1000, named.ttft_ms != '', toFloat64OrNull(named.ttft_ms),
        first_chunk_at = '', null,
        -- A timestamp, JSON-quoted once or twice by Langfuse's SDK.
        greatest(0, (toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(replaceRegexpAll(first_chunk_at, '["\\\\]', ''), 9, 'UTC')) - start_ns) / 1e6)) as ttft_ms,
    lower(if(named.streaming != '' or params_json = '', named.streaming, JSONExtractRaw(params_json, 'stream'))) in ('true', '1')
        or streamed_s > 0 or first_chunk_at != '' as streaming,
    tokens(named.context_window) as context_window,
    ifNotFinite(toFloat64OrZero(named.context_use), 0) as context_use,
    toUInt32(least(tokens(named.retries), 1000000)) as retries,
    lower(named.blocked) in ('true', '1') as blocked,
    guard_action, service_tier, system_fingerprint,
    mapFromArrays(
        arrayConcat(param_names, arrayFilter(n -> not has(param_names, n), params_found.1)),
        arrayConcat(arrayFilter(v -> v != '', param_values),
            arrayMap(t -> t.2, arrayFilter(t -> not has(param_names, t.1), params_found)))) as parameters,
    multiIf(named.tags = '', [], startsWith(named.tags, '['), JSONExtract(named.tags, 'Array(String)'), splitByChar(',', named.tags)) as tags,
    segments,
    named.tool_name as tool_name, tool_call_id,
    -- `tool.parameters` is what a tool takes, as a schema, and with some old emitters what it was given.
    -- OpenInference repeats it under OpenTelemetry's name when asked to. The span's input tells for sure.
    multiIf(decided != 'tool', named.tool_arguments,
        named.tool_arguments != '' and named.tool_arguments != declared, named.tool_arguments,
        input_fallback != '', input_fallback,
        JSONExtractString(declared, 'type') = 'object' and hasAll(
            ['type', 'properties', 'required', 'title', 'description', 'additionalProperties', '$schema', '$defs', 'definitions'],
            JSONExtractKeys(declared)), '', declared) as tool_arguments,
    if(named.tool_result != '' or decided != 'tool', named.tool_result, output_fallback) as tool_result,
    -- Branches, not coalesce: texts are long, and only a branch that is taken is worked out.
    multiIf(named.input_messages != '', named.input_messages,
        detail('gen_ai.input.messages') != '', detail('gen_ai.input.messages'),
        notEmpty(family_of(1)), to_messages(family_of(1)),
        notEmpty(asked), asked_json,
        with_tools, JSONExtractRaw(input_fallback, 'messages'), input_fallback) as input_messages,
    multiIf(named.output_messages != '', named.output_messages,
        detail('gen_ai.output.messages') != '', detail('gen_ai.output.messages'),
        notEmpty(family_of(2)), to_messages(family_of(2)),
        vercel_answer != '', vercel_answer, notEmpty(answered), answered_json, output_fallback) as output_messages,
    if(named.system_instructions != '', named.system_instructions, detail('gen_ai.system_instructions')) as system_instructions,
    multiIf(named.tool_definitions != '', named.tool_definitions,
        detail('gen_ai.tool.definitions') != '', detail('gen_ai.tool.definitions'),
        notEmpty(family_of(3)), to_messages(family_of(3)),
        tool_definitions_json != '', JSONExtractRaw(tool_definitions_json, 'function_tools'),
        with_tools, JSONExtractRaw(input_fallback, 'tools'), '') as tool_definitions,
    multiIf(named.documents != '', named.documents, notEmpty(family_of(4)), to_messages(family_of(4)), '') as documents,
    -- OpenInference wraps every method of a model's class, also one that only makes the request ready:
    -- no usage, no reason to end, no message, and what came out of it is nothing, or a request.
    kind_openinference != '' and decided = 'generation' and status_code != 2 and in_whole + out_found = 0
        and named.response_id = '' and named.finish_reasons = '' and named.input_messages = '' and named.output_messages = ''
        and input_fallback not in ('', '__REDACTED__') and empty(event_names) and cost_found is null
        and attributes['llm.prompts'] = '' and not arrayExists(t -> t.1 in (1, 2), indexed)
        and (output_fallback = '' or (startsWith(output_fallback, '{') and JSONHas(output_fallback, 'messages')
            and not JSONHas(output_fallback, 'choices') and not JSONHas(output_fallback, 'id'))) as hollow,
    arrayFilter((m, n) -> n = 'watchpost.guard.verdict', event_maps, event_names) as verdicts,
    -- What the content and the verdicts do not hold already. Chunks are progress, not messages.
    if(empty(event_names), '', toJSONString(arrayFilter(t -> t.1 not in ('gen_ai.content.completion.chunk', 'watchpost.guard.verdict') and not (startsWith(t.1, 'gen_ai.') and (endsWith(t.1, '.message') or t.1 in ('gen_ai.choice', 'gen_ai.content.prompt', 'gen_ai.content.completion', 'gen_ai.client.inference.operation.details'))),
        arrayMap((n, t, m) -> tuple(n, t, m)::Tuple(name String, time_ns UInt64, attributes Map(String, String)), event_names, event_times, event_maps)))) as events,
    links, attributes, resource,
    greatest(1, least(1e6, multiIf(sampling_weight != '', ifNotFinite(toFloat64OrZero(sampling_weight), 1),
        threshold != '', 72057594037927936 / (72057594037927936 - reinterpretAsUInt64(reverse(unhex(concat('00', rightPad(threshold, 14, '0')))))),
        1))) as adjusted_count
from (
    with
        -- Numbers arrive as integers, floats or text; anything else, or a negative, is 0. The bound keeps
        -- a hostile count from overflowing the money computed with it.
        x -> toUInt64(least(greatest(ifNotFinite(toFloat64OrZero(x), 0), 0), 1e9)) as tokens,
        (usage, a, b, c) -> coalesce(nullIf(JSONExtractString(usage, a), ''), nullIf(JSONExtractRaw(usage, a), ''),
            nullIf(JSONExtractRaw(usage, b), ''), nullIf(JSONExtractRaw(usage, c), ''), '') as from_json,
        -- One JSON usage, whoever wrote it: the dialects' own first, then the provider's body as sent.
        if(named.usage_json != '', named.usage_json, named.usage_raw) as usage,
        input_tokens as in_text, output_tokens as out_text,
        cache_read_tokens as read_text, cache_write_tokens as write_text, reasoning_tokens as think_text,
        cache_write_5m_tokens as write_5m_text, cache_write_1h_tokens as write_1h_text,
        tokens(if(in_text != '' or usage = '', in_text, from_json(usage, 'prompt_tokens', 'input_tokens', 'input'))) as in_found,
        tokens(if(read_text != '' or usage = '', read_text, multiIf(
            JSONHas(usage, 'prompt_tokens_details', 'cached_tokens'), JSONExtractRaw(usage, 'prompt_tokens_details', 'cached_tokens'),
            JSONHas(usage, 'input_tokens_details', 'cached_tokens'), JSONExtractRaw(usage, 'input_tokens_details', 'cached_tokens'),
            from_json(usage, 'input_cached_tokens', 'cache_read_input_tokens', 'cached_input_tokens')))) as read_found,
        tokens(if(write_1h_text != '' or usage = '', write_1h_text,
            JSONExtractRaw(usage, 'cache_creation', 'ephemeral_1h_input_tokens'))) as write_1h_found,
        greatest(tokens(if(write_text != '' or usage = '', write_text,
            from_json(usage, 'cache_creation_input_tokens', 'input_cache_creation', 'cache_write_tokens'))),
            tokens(write_5m_text) + write_1h_found) as write_found,
        tokens(if(out_text != '' or usage = '', out_text,
            from_json(usage, 'completion_tokens', 'output_tokens', 'output'))) as out_found,
        tokens(if(think_text != '' or usage = '', think_text, multiIf(
            JSONHas(usage, 'completion_tokens_details', 'reasoning_tokens'), JSONExtractRaw(usage, 'completion_tokens_details', 'reasoning_tokens'),
            JSONHas(usage, 'output_tokens_details', 'reasoning_tokens'), JSONExtractRaw(usage, 'output_tokens_details', 'reasoning_tokens'),
            from_json(usage, 'output_reasoning_tokens', 'reasoning_tokens', 'thoughts_token_count')))) as think_found,
        audio_input_tokens as heard_text, audio_output_tokens as spoken_text,
        tokens(if(heard_text != '' or usage = '', heard_text, coalesce(
            nullIf(JSONExtractRaw(usage, 'prompt_tokens_details', 'audio_tokens'), ''), JSONExtractRaw(usage, 'input_tokens_details', 'audio_tokens')))) as heard_found,
        tokens(if(spoken_text != '' or usage = '', spoken_text, coalesce(
            nullIf(JSONExtractRaw(usage, 'completion_tokens_details', 'audio_tokens'), ''), JSONExtractRaw(usage, 'output_tokens_details', 'audio_tokens')))) as spoken_found,

        -- What the span is: the first dialect that says so, each in its own words; then what it carries.
        lower(coalesce(nullIf(kind_own, ''), nullIf(kind_langfuse, ''), nullIf(kind_openinference, ''), '')) as said,
        -- (MLflow's exporter writes its attributes as JSON, quotes and all.)
        lower(coalesce(nullIf(kind_traceloop, ''), nullIf(kind_laminar, ''), trimBoth(kind_mlflow, '"'))) as said_late,
        -- OpenInference names the model that was asked for among the parameters, and of a failed call only
        -- there: `llm.model_name` is the one that answered.
        if(params_json != '' and (named.request_model = '' or kind_openinference != ''), JSONExtractString(params_json, 'model'), '') as parameter_model,
        if(parameter_model != '', parameter_model, trimBoth(named.request_model, '"')) as requested,
        multiIf(named.response_model != '', named.response_model, parameter_model != '' and named.request_model != '', trimBoth(named.request_model, '"'), requested) as responded,
        multiIf(
            said != '', transform(said,
                ['generation', 'llm', 'embedding', 'tool', 'agent', 'chain', 'span', 'prompt', 'retriever', 'reranker', 'guard', 'guardrail', 'wrapper'],
                ['generation', 'generation', 'embedding', 'tool', 'agent', 'chain', 'chain', 'chain', 'retriever', 'retriever', 'guard', 'guard', 'wrapper'], 'other'),
            -- Logfire's span of a stream's request ends before the answer is known; another one tells it.
            startsWith(scope_name, 'logfire.') and named.operation = 'chat' and status_code != 2 and in_text = '' and usage = '' and named.response_id = '' and named.output_messages = '', 'wrapper',
            named.operation != '', transform(lower(named.operation),
                ['chat', 'generate_content', 'text_completion', 'embeddings', 'execute_tool', 'invoke_agent', 'create_agent', 'invoke_workflow', 'retrieval'],
                ['generation', 'generation', 'generation', 'embedding', 'tool', 'agent', 'agent', 'chain', 'retriever'], 'other'),
            said_late != '' and said_late not in ('default', 'unknown'), transform(said_late,
                ['llm', 'chat_model', 'tool', 'agent', 'workflow', 'task', 'chain', 'embedding', 'embeddings', 'retriever', 'reranker', 'executor', 'evaluator'],
                ['generation', 'generation', 'tool', 'agent', 'chain', 'chain', 'chain', 'embedding', 'embedding', 'retriever', 'retriever', 'chain', 'other'], 'other'),
            -- Vercel: only *.doGenerate, *.doStream and *.doEmbed are calls; their parents repeat the usage.
            match(vercel_operation, '\\.do(Generate|Stream)$'), 'generation',
            endsWith(vercel_operation, '.doEmbed'), 'embedding',
            vercel_operation = 'ai.toolCall', 'tool',
            vercel_operation != '', 'wrapper',
            kind_genkit != '', transform(kind_genkit, ['model', 'embedder', 'tool', 'retriever', 'agent'],
                ['generation', 'embedding', 'tool', 'retriever', 'agent'], 'chain'),
            request_type != '', transform(request_type, ['embedding', 'rerank'], ['embedding', 'retriever'], 'generation'),
            named.tool_name != '', 'tool',
            -- PydanticAI's agent runs carry the sum of their calls' usage and say no operation.
            named.agent_name != '', 'agent',
            requested != '' or named.response_model != '', 'generation',
            'other') as decided
    select
        *, in_found, read_found, write_1h_found, write_found, out_found, think_found, heard_found, spoken_found, requested, responded, decided,
        arrayFirst((m, n) -> n = 'exception', event_maps, event_names) as thrown
    from {database}.named
) as named;
