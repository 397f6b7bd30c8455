-- Pricing: the one place where usage becomes money. A call comes by when it is stored, and again by an
-- insert into `to_price` when a price came after it. Of a tier that has no price the standard one is
-- paid. Cost is unknown (null) without a price, and without usage where the price asks for tokens.

create table if not exists {database}.to_price {on_cluster}
    as {database}.calls engine = Null;

create materialized view if not exists {database}.work_to_price {on_cluster} to {database}.to_price as
with
    (x, most) -> toUInt64(least(greatest(ifNotFinite(toFloat64OrZero(x), 0), 0), most)) as counted_up_to,
    (a, b) -> if(measured[a] != '', measured[a], measured[b]) as either
select
    * except (vcs_revision, agent_name, workflow_name, context_window, system_fingerprint,
        parameters, tool_name, tool_call_id, tool_arguments, tool_result, input_messages,
        output_messages, system_instructions, tool_definitions, documents, verdicts, events, links, attributes,
        resource, status_message, measured, adjusted_count, lot, rule, always, kept,
        fraction, span_weight)
        replace (has_content and (input_messages != '' or output_messages != '') as has_content,
            if(lower(either('watchpost.batch', 'gen_ai.request.batch')) in ('true', '1'), 'batch', service_tier) as service_tier),
    counted_up_to(either('gen_ai.usage.image.input_tokens', 'gen_ai.usage.image_input_tokens'), 1e9) as image_input_tokens,
    counted_up_to(either('gen_ai.usage.image.output_tokens', 'gen_ai.usage.image_output_tokens'), 1e9) as image_output_tokens,
    counted_up_to(measured['gen_ai.usage.audio.cache_read.input_tokens'], 1e9) as cache_read_audio_tokens,
    counted_up_to(measured['gen_ai.usage.image.cache_read.input_tokens'], 1e9) as cache_read_image_tokens,
    counted_up_to(measured['watchpost.usage.characters'], 1e9) as characters,
    counted_up_to(either('watchpost.usage.images', 'gen_ai.usage.image_count'), 1e5) as images,
    toUInt64(round(least(greatest(ifNotFinite(toFloat64OrZero(either('watchpost.usage.seconds', 'gen_ai.usage.audio_seconds')), 0), 0), 2678400) * 1000)) as media_ms,
    counted_up_to(either('gen_ai.usage.web_search_requests', 'gen_ai.usage.details.web_search_requests'), 1e5) as searches,
    if(response_id = '', 0, xxHash32(project, response_id)) as response_key,
    true as counted,
    1 as version
from (
    select
        *,
        -- One pass over the attributes, and then a look into what is nearly always empty.
        mapFilter((k, v) -> k in ('watchpost.batch', 'gen_ai.request.batch',
            'gen_ai.usage.image.input_tokens', 'gen_ai.usage.image_input_tokens',
            'gen_ai.usage.image.output_tokens', 'gen_ai.usage.image_output_tokens',
            'gen_ai.usage.audio.cache_read.input_tokens', 'gen_ai.usage.image.cache_read.input_tokens',
            'watchpost.usage.characters', 'watchpost.usage.images', 'gen_ai.usage.image_count',
            'watchpost.usage.seconds', 'gen_ai.usage.audio_seconds',
            'gen_ai.usage.web_search_requests', 'gen_ai.usage.details.web_search_requests'), attributes) as measured
    from {database}.work
    where kind in ('generation', 'embedding')
);

create materialized view if not exists {database}.to_price_to_calls {on_cluster} to {database}.calls as
-- A level a look-up, because every use of an alias repeats its whole expression to the planner.
select
    * except (tiered, first_band, steps, band, rates, terms, known)
        replace (
            -- Of what is charged by something else than tokens, and of which nobody told any, nothing is known.
            if(known and terms.name != '', nullIf(toDecimal64(least((dotProduct(rates, ({quantities})) + {half_digit}) / 1000000, toDecimal128(9000000000, 9)), 9), if(terms.by_other, 0, -1)), null) as cost,
            multiIf(terms.name = '', 'unpriced', terms.own, 'overridden', 'priced') as price_state,
            terms.name as price_source)
from (
    select
        *,
        dictGet('{database}.price_rates', ({rate_names}), band) as rates,
        dictGet('{database}.price_rates', ('name', 'own', 'token_free', 'by_other'), band)::Tuple(name String, own UInt8, token_free UInt8, by_other UInt8) as terms,
        usage_source != 'none' or (terms.token_free and not blocked) as known
    from (
        select
            *,
            dictGet('{database}.price_rates', ('upto', 'next', 'upto_2', 'next_2', 'upto_3', 'next_3'), first_band) as steps,
            multiIf(input_tokens <= steps.1, first_band, input_tokens <= steps.3, steps.2, input_tokens <= steps.5, steps.4, steps.6) as band
        from (
            select
                *,
                dictGet('{database}.price_numbers', 'id', (provider::String, lower(model), lower(service_tier)), toDate(start)) as tiered,
                if(tiered != 0, tiered, dictGet('{database}.price_numbers', 'id', (provider::String, lower(model), ''), toDate(start))) as first_band
            from {database}.to_price
        )
    )
);
