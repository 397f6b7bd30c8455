"""Questions that dashboards, drivers and people ask every day; each must pass the gate and run."""

from __future__ import annotations

GENERATIONS = "watchpost.generations"
# What Grafana makes of its macros $__timeInterval, $__timeFilter and $__dateTimeFilter.
INTERVAL = "toStartOfInterval(toDateTime(start), INTERVAL 60 second)"
WITHIN = "start >= toDateTime64(1767225600, 3) AND start <= toDateTime64(1798761600, 3)"

ORDINARY = (
    "SELECT 1",
    "SELECT 1;",
    "select 1 -- a remark",
    "SELECT version(), timezone(), currentDatabase(), user(), uptime() >= 0",
    "SELECT displayName(), version(), revision(), timezone()",
    "SELECT name, value, readonly FROM system.settings LIMIT 10000",
    "SELECT database, name, engine, total_rows FROM system.tables WHERE database = 'watchpost'",
    "SELECT name, type, comment FROM system.columns WHERE table = 'spans'",
    "SELECT name FROM system.databases",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'watchpost'",
    "SHOW TABLES",
    "SHOW TABLES FROM watchpost LIKE 'gen%'",
    "SHOW DATABASES",
    "DESCRIBE TABLE watchpost.spans",
    "DESC watchpost.generations",
    "EXISTS TABLE watchpost.spans",
    "SHOW CREATE TABLE watchpost.spans",
    f"SELECT * FROM {GENERATIONS} ORDER BY start DESC LIMIT 10",
    "SELECT count() FROM spans",
    "SELECT trace_id, name, kind FROM watchpost.spans WHERE project = 'default' AND trace_id = 'x'",
    f"SELECT {INTERVAL} AS time, model, sum(cost) AS cost FROM {GENERATIONS} WHERE {WITHIN} "
    "GROUP BY time, model ORDER BY time ASC",
    f"SELECT {INTERVAL} AS time, count() AS c FROM {GENERATIONS} WHERE {WITHIN} GROUP BY time "
    "ORDER BY time WITH FILL STEP 60",
    f"SELECT model, quantilesTDigest(0.5, 0.95, 0.99)(duration_ms) AS q FROM "
    f"{GENERATIONS} GROUP BY 1",
    f"SELECT model, quantileIf(0.95)(ttft_ms, streaming) FROM {GENERATIONS} GROUP BY model",
    f"SELECT countIf(status = 'error') / greatest(count(), 1) AS rate FROM {GENERATIONS}",
    f"SELECT uniqExact(session_id), uniq(user_id), topK(3)(model) FROM {GENERATIONS}",
    f"SELECT prompt_name, argMax(prompt_version, start), anyLast(model) FROM "
    f"{GENERATIONS} GROUP BY 1",
    f"SELECT model, sum(cost) AS c FROM {GENERATIONS} GROUP BY model HAVING c > 0",
    f"SELECT service, model, count() FROM {GENERATIONS} GROUP BY ROLLUP(service, model)",
    f"SELECT grouping(model), count() FROM {GENERATIONS} GROUP BY GROUPING SETS ((model), ())",
    f"SELECT arrayJoin(tags) AS tag, count() FROM {GENERATIONS} GROUP BY tag ORDER BY "
    f"2 DESC LIMIT 5",
    f"SELECT segments['plan'] AS plan, sum(cost) FROM {GENERATIONS} GROUP BY plan",
    f"SELECT mapKeys(segments), mapContains(segments, 'plan') FROM {GENERATIONS} LIMIT 1",
    f"SELECT g.model, v.guard, count() FROM {GENERATIONS} AS g LEFT JOIN watchpost.verdicts AS v "
    "ON g.trace_id = v.trace_id AND g.span_id = v.span_id GROUP BY ALL",
    f"SELECT model FROM {GENERATIONS} WHERE trace_id IN (SELECT trace_id FROM watchpost.verdicts)",
    "SELECT guard, countIf(tripped), countIf(failed), avg(duration_ms) FROM watchpost.verdicts "
    "GROUP BY guard",
    "SELECT hour, sum(cost), sum(input_tokens) FROM watchpost.usage_hourly GROUP BY hour",
    "SELECT JSONExtractString(m, 'role'), JSONLength(m) FROM (SELECT arrayJoin("
    "JSONExtractArrayRaw(input_messages)) AS m FROM watchpost.content)",
    "SELECT JSON_VALUE('{\"a\":{\"b\":1}}', '$.a.b'), JSONHas('{}', 'a'), isValidJSON('{}')",
    "SELECT simpleJSONExtractInt('{\"a\":1}', 'a'), toJSONString(map('a', 1)), '{\"a\":1}'::JSON",
    "SELECT row_number() OVER (PARTITION BY number % 2 ORDER BY number DESC) AS r, "
    "lagInFrame(number, 1) OVER w, sum(number) OVER (ORDER BY number ROWS BETWEEN 2 PRECEDING "
    "AND CURRENT ROW) FROM numbers(10) WINDOW w AS (ORDER BY number)",
    "SELECT avg(x) OVER (ORDER BY t RANGE BETWEEN 3600 PRECEDING AND CURRENT ROW) "
    "FROM (SELECT now() + number AS t, number AS x FROM numbers(5))",
    "SELECT mannWhitneyUTest('two-sided')(number, number % 2) FROM numbers(20)",
    "SELECT welchTTest(0.95)(number, number % 2), studentTTest(number, number % 2) "
    "FROM numbers(20)",
    "SELECT kolmogorovSmirnovTest('two-sided')(number, number % 2) FROM numbers(20)",
    "SELECT proportionsZTest(10, 11, 100, 101, 0.95, 'unpooled')",
    "SELECT seriesDecomposeSTL(arrayMap(i -> toFloat64(i % 7), range(28)), 7)",
    "SELECT seriesOutliersDetectTukey([1., 2., 3., 100., 2., 1., 3., 2.])",
    "SELECT corr(number, number * 2), stddevPop(number), varSamp(number), entropy(number % 3) "
    "FROM numbers(10)",
    "SELECT histogram(5)(number), sparkbar(5)(number, number) FROM numbers(100)",
    "SELECT exponentialMovingAverage(5)(number, number), deltaSum(number) FROM numbers(10)",
    "SELECT arraySort(x -> -x, groupArray(number)), arrayZip([1], ['a']), "
    "arrayReduce('max', [1, 2])"
    " FROM numbers(3)",
    "SELECT sumMap(map('a', 1)), maxMap(map('a', number)), avgOrNullIf(number, number > 99) "
    "FROM numbers(3)",
    "SELECT quantilesTimingMerge(0.5)(s) FROM (SELECT quantilesTimingState(0.5)(number) AS s "
    "FROM numbers(9))",
    "SELECT windowFunnel(10)(toDateTime(number), number = 1, number = 2) FROM numbers(5)",
    "SELECT multiIf(1 = 1, 'a', 'b'), CASE WHEN 1 THEN 'x' ELSE 'y' END, 1 ? 2 : 3, if(0, 1, 2)",
    "SELECT formatReadableSize(1024), formatDateTime(now(), '%F %T'), toStartOfHour(now())",
    "SELECT toDate('2026-01-02') + INTERVAL 1 MONTH, dateDiff('day', today(), tomorrow) "
    "FROM (SELECT today() + 1 AS tomorrow)",
    "SELECT lower('A') || 'b', splitByChar(',', 'a,b'), extractAll('a1', '\\\\d'), "
    "match('a', '^a'), "
    "replaceRegexpAll('abc', '[bc]', ''), 'x' ILIKE 'X', position('abc', 'b'), "
    "domain('http://a/b')",
    "SELECT cityHash64('a'), sipHash64('a'), hex(MD5('a')), base64Encode('a'), unhex('61')",
    "SELECT toDecimal64('1.5', 9) * 2, toFloat64OrNull('x'), CAST('1' AS UInt8), '1'::Int64",
    "SELECT * EXCEPT (number) REPLACE (1 AS x) FROM (SELECT number, 2 AS x FROM numbers(1))",
    "SELECT COLUMNS('^n') FROM numbers(1)",
    "SELECT number FROM numbers(10) ORDER BY number DESC LIMIT 1 BY number % 3 LIMIT 2 OFFSET 1",
    "SELECT a, b FROM (SELECT 1 AS a) AS x CROSS JOIN (SELECT 2 AS b) AS y",
    "SELECT * FROM numbers(3) AS a SEMI JOIN numbers(2) AS b USING (number)",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) "
    "SELECT sum(n) FROM r",
    "WITH (SELECT max(number) FROM numbers(5)) AS top SELECT number / top FROM numbers(5)",
    "SELECT 1 UNION DISTINCT SELECT 2 INTERSECT SELECT 2",
    "(SELECT 1 AS x ORDER BY x LIMIT 1) UNION ALL (SELECT 2)",
    "SELECT x FROM values('x UInt8', 1, 2, 3) WHERE x BETWEEN 2 AND 3 AND x NOT IN (2)",
    "SELECT n FROM (SELECT number AS n FROM numbers(5)) ARRAY JOIN [1, 2] AS a WHERE has([1], a)",
    "SELECT tuple(1, 'a').2, (1, 2) = (1, 2), [1, 2, 3][-1], map('a', 1)['a'], NOT 1, -1, 5 % 3",
    "SELECT 'it''s', 'a;b', 'FORMAT JSON', '-- no remark', 'INTO OUTFILE', '{x:String}'",
    'SELECT `model` AS `my model`, "service" FROM watchpost.generations LIMIT 1',
)
