"""What the demo asks of ClickHouse: every figure of its report, as one SQL statement each.

Statements only; they can be pasted into any ClickHouse client. Nothing here runs them. Money is in
USD, times in UTC, latency in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping

TOTALS = """
SELECT count() AS calls, countIf(status = 'error') AS failed, countIf(blocked) AS stopped,
       sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost) AS usd,
       countIf(price_state = 'unpriced' AND usage_source != 'none') AS without_price,
       countIf(streaming) AS streamed
FROM watchpost.generations
"""

BY_MODEL = """
SELECT request_model AS asked, count() AS calls, sum(input_tokens) AS tokens_in,
       sum(output_tokens) AS tokens_out, sum(cost) AS usd,
       quantileExactIf(0.5)(duration_ms, status = 'ok') AS p50_ms,
       quantileExactIf(0.95)(duration_ms, status = 'ok') AS p95_ms,
       round(100 * countIf(status = 'error') / count(), 2) AS error_percent
FROM watchpost.generations
GROUP BY asked ORDER BY usd DESC, asked
"""

BY_PROMPT = """
SELECT prompt_name AS prompt, prompt_version AS version, count() AS calls, sum(cost) AS usd,
       round(1000 * toFloat64(sum(cost)) / count(), 4) AS usd_per_1000,
       round(avgIf(output_tokens, status = 'ok'), 1) AS tokens_out,
       quantileExactIf(0.5)(duration_ms, status = 'ok') AS p50_ms
FROM watchpost.generations
GROUP BY prompt, version ORDER BY prompt, version
"""

VERDICTS = """
SELECT guard, direction, count() AS checked, countIf(tripped) AS tripped,
       countIf(failed) AS failed, countIf(action = 'block') AS blocked,
       countIf(action = 'redact') AS redacted, round(quantileExact(0.95)(duration_ms), 3) AS p95_ms
FROM watchpost.verdicts
GROUP BY guard, direction ORDER BY guard, direction
"""

# An hour is suspicious when a call costs several times what it costs in the usual hour: more
# traffic alone is no mistake.
COST_SPIKES = """
WITH hours AS (
    SELECT toStartOfHour(start) AS at, count() AS calls, toFloat64(sum(cost)) AS usd,
           usd / calls AS usd_per_call
    FROM watchpost.generations GROUP BY at HAVING calls >= 20
),
usual AS (SELECT quantileExact(0.5)(usd_per_call) AS usual_per_call FROM hours)
SELECT formatDateTime(at, '%Y-%m-%d %H:00') AS hour, calls, round(usd, 4),
       round(usd_per_call / usual_per_call, 1) AS times_usual
FROM hours CROSS JOIN usual
WHERE times_usual >= 2.5
ORDER BY times_usual DESC LIMIT 3
"""

SPIKE_CAUSE = """
SELECT user_id, request_model AS asked, round(toFloat64(sum(cost)), 4) AS usd,
       round(avg(input_tokens)) AS tokens_in
FROM watchpost.generations
WHERE formatDateTime(toStartOfHour(start), '%Y-%m-%d %H:00') = '{hour}'
GROUP BY user_id, asked ORDER BY usd DESC LIMIT 1
"""

# Each version against the one before it, over the time both were in use: shares by a z-test for
# proportions, lengths by Mann and Whitney's test.
WORSE_VERSIONS = """
WITH replies AS (
    SELECT prompt_name, prompt_version, output_tokens, toFloat64(cost) AS cost, trace_id, span_id
    FROM watchpost.generations WHERE status = 'ok' AND prompt_name = 'reply' AND output_tokens > 0
),
refusals AS (
    SELECT trace_id, span_id, max(tripped) AS refused
    FROM watchpost.verdicts WHERE guard = 'refusal' GROUP BY trace_id, span_id
),
judged AS (
    SELECT replies.*, refusals.refused AS refused
    FROM replies LEFT JOIN refusals USING (trace_id, span_id)
),
versions AS (
    SELECT prompt_name, prompt_version, count() AS calls, countIf(refused) AS refused,
           avg(output_tokens) AS tokens, avg(cost) AS cost
    FROM judged GROUP BY prompt_name, prompt_version HAVING calls >= 30
),
pairs AS (
    SELECT new.prompt_name AS prompt, old.prompt_version AS old, new.prompt_version AS version,
           old.calls AS old_calls, new.calls AS new_calls, old.refused AS old_refused,
           new.refused AS new_refused, new.tokens / old.tokens AS token_ratio,
           new.cost / old.cost AS cost_ratio
    FROM versions AS new JOIN versions AS old ON new.prompt_name = old.prompt_name
    WHERE old.prompt_version = concat('v', toString(toUInt32OrZero(
        substring(new.prompt_version, 2)) - 1))
)
SELECT prompt, version, old, new_calls,
       round(100 * old_refused / old_calls, 2) AS old_refused_percent,
       round(100 * new_refused / new_calls, 2) AS refused_percent,
       proportionsZTest(toUInt64(new_refused), toUInt64(old_refused), toUInt64(new_calls),
                        toUInt64(old_calls), 0.95, 'pooled').2 AS refused_p,
       round(token_ratio, 2) AS token_ratio, round(cost_ratio, 2) AS cost_ratio
FROM pairs
WHERE refused_p < 0.01 AND new_refused / new_calls > old_refused / old_calls
ORDER BY refused_p
"""

LENGTH_TEST = """
SELECT mannWhitneyUTest('less')(toFloat64(output_tokens), prompt_version = '{version}').2 AS p
FROM watchpost.generations
WHERE status = 'ok' AND output_tokens > 0 AND prompt_name = '{prompt}'
  AND prompt_version IN ('{old}', '{version}')
"""

ERROR_HOURS = """
WITH hours AS (
    SELECT request_model AS asked, toStartOfHour(start) AS at, count() AS hour_calls,
           countIf(status = 'error') AS hour_failed,
           topKIf(1)(error_type, status = 'error')[1] AS kind
    FROM watchpost.generations WHERE NOT blocked GROUP BY asked, at
),
usual AS (
    SELECT asked, sum(hour_failed) AS all_failed, sum(hour_calls) AS all_calls
    FROM hours GROUP BY asked
)
SELECT asked, formatDateTime(at, '%Y-%m-%d %H:00') AS hour, hour_failed, hour_calls, kind,
       proportionsZTest(toUInt64(hour_failed), toUInt64(all_failed), toUInt64(hour_calls),
                        toUInt64(all_calls), 0.95, 'pooled').2 AS p
FROM hours JOIN usual USING (asked)
WHERE hour_failed >= 5 AND p < 0.0001 AND hour_failed / hour_calls > 2 * all_failed / all_calls
ORDER BY p LIMIT 4
"""

UNPRICED = """
SELECT request_model AS asked, count() AS calls
FROM watchpost.generations
WHERE price_state = 'unpriced' AND usage_source != 'none'
GROUP BY asked ORDER BY calls DESC LIMIT 5
"""

PERSONAL = """
SELECT countIf(tripped) AS masked, count() AS checked
FROM watchpost.verdicts WHERE guard = 'pii' AND direction = 'input'
"""


def fill(sql: str, values: Mapping[str, str]) -> str:
    """The statement with values in their places; quotes in a value cannot end its literal."""
    for name, value in values.items():
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        sql = sql.replace("{" + name + "}", quoted)
    return sql
