"""What traffic would cost on another model: list prices of today, tokens re-counted where the
tokenizer differs. It knows price rows and the rollups; it counts no tokens itself."""

from watchpost_dashboards.reading import IN_RANGE, ROLLED

# Models of one family read a text as the same number of tokens, near enough.
_FAMILIES = (
    "['claude', 'gemini', 'llama', 'mistral', 'qwen', 'deepseek', 'grok', 'command', 'nova']"
)
_FAMILY = (
    "multiIf(match({0}, 'gpt-5|gpt-4o|gpt-4[.]1|gpt-4[.]5|gpt-oss|chatgpt|(^|/)o[1-9]'), 'o200k',"
    " match({0}, 'gpt-4|gpt-3'), 'cl100k',"
    " match({0}, 'mixtral|ministral|codestral|magistral'), 'mistral',"
    f" arrayFirst(f -> position({{0}}, f) > 0, {_FAMILIES}) != '',"
    f" arrayFirst(f -> position({{0}}, f) > 0, {_FAMILIES}), {{0}})"
)
_TIMES = "if(same OR r.ratio <= 0, 1, r.ratio)"
_LISTED = "tier = '' AND above = 0 AND input > 0 AND output > 0 AND valid_from <= today()"
# Providers that are in use here come first.
CHOICES = f"""SELECT concat(provider, ' ', model) AS candidate FROM watchpost.prices_in_force
WHERE {_LISTED}
GROUP BY provider, model
ORDER BY provider IN (SELECT DISTINCT toString(provider) FROM watchpost.usage_daily) DESC,
  provider, model
LIMIT 5000"""  # noqa: S608
# Models and ratios are of all calls of the project, `sums` of those that are chosen.
_OF_PROJECT = (
    f"{IN_RANGE} AND $__conditionalAll(project IN (${{project:singlequote}}), $project)"
    " AND operation != 'embeddings'"
)
_ALL = "plain + s.read + s.written + said"
COMPARED = f"""
WITH met AS (
  SELECT groupArray((family, n, long)) AS families FROM (
    SELECT cityHash64(hour, prompt_name, prompt_version) AS cell,
      {_FAMILY.format("lower(model)")} AS family, toFloat64(sum(u.calls)) AS n,
      toFloat64(sum(u.input_tokens)) / n AS long
    FROM watchpost.usage_rolled AS u
    WHERE {_OF_PROJECT} AND prompt_name != ''
    GROUP BY cell, family
    HAVING long > 0
  )
  GROUP BY cell
  HAVING length(families) > 1
), ratios AS (
  SELECT one.1 AS from_family, two.1 AS to_family,
    quantileExactWeighted(0.5)(two.3 / one.3, toUInt64(least(one.2, two.2))) AS ratio
  FROM (SELECT families, arrayJoin(families) AS one FROM met) ARRAY JOIN families AS two
  WHERE from_family != to_family
  GROUP BY from_family, to_family
), sums AS (
  SELECT {_FAMILY.format("lower(model)")} AS family,
    toFloat64(sum(u.cache_read_tokens)) AS read, toFloat64(sum(u.cache_write_tokens)) AS written,
    greatest(toFloat64(sum(u.input_tokens)) - read - written, 0) AS plain,
    toFloat64(sum(u.output_tokens)) AS said, toFloat64(sum(u.cost)) AS usd
  FROM watchpost.usage_rolled AS u
  WHERE {ROLLED} AND operation != 'embeddings'
  GROUP BY family
), candidates AS (
  SELECT concat(provider, ' ', model) AS candidate, {_FAMILY.format("model")} AS family,
    argMax((toFloat64(input), toFloat64(output), toFloat64(cache_read), toFloat64(cache_write)),
      (own, valid_from)) AS rates
  FROM watchpost.prices_in_force
  WHERE {_LISTED} AND ((provider, model) IN (
      SELECT DISTINCT toString(provider), lower(model) FROM watchpost.usage_rolled
      WHERE {_OF_PROJECT})
    OR concat(provider, ' ', model) = ${{other:singlequote}})
  GROUP BY provider, model
)
SELECT candidate, sum(s.usd) AS cost_now,
  sum((plain * rates.1 + said * rates.2 + s.read * rates.3 + s.written * rates.4) * {_TIMES}) / 1e6
    AS cost_then,
  cost_then / nullIf(cost_now, 0) - 1 AS change,
  sum(({_ALL}) * {_TIMES}) / sum({_ALL}) AS ratio,
  sumIf({_ALL}, same OR r.ratio > 0) / sum({_ALL}) AS known
FROM (
  SELECT c.candidate AS candidate, c.family AS to_family, c.rates AS rates, s.family AS from_family,
    s.plain AS plain, s.read AS read, s.written AS written, s.said AS said, s.usd AS usd,
    c.family = s.family AS same
  FROM candidates AS c CROSS JOIN sums AS s
) AS s
LEFT JOIN ratios AS r ON r.from_family = s.from_family AND r.to_family = s.to_family
GROUP BY candidate
ORDER BY cost_then"""  # noqa: S608
