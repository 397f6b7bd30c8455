"""Traces: find calls, and see the trace of one. Texts are never read here: the built-in page shows
them to whoever may see them."""

from watchpost_dashboards.panel import Column, Panel, Sheet, Variable
from watchpost_dashboards.reading import CHOSEN
from watchpost_dashboards.variables import CALLS as VARIABLES

_STATUS = "${status:singlequote}"
_FIND = "${find:singlequote}"
_ORDER = "${order:singlequote}"
_TRACE = "${trace:singlequote}"
_GUARD = "$__conditionalAll(guard IN (${guard:singlequote}), $guard)"
_CAUGHT = """(trace_id, span_id) IN (
    SELECT trace_id, span_id FROM watchpost.verdicts
    WHERE $__timeFilter(start) AND {}
  )"""
_WANTED = f"""$__timeFilter(start){CHOSEN}
  AND ({_FIND} = '' OR {_FIND} IN (trace_id, session_id, user_id))
  AND ({_STATUS} != 'error' OR status = 'error')
  AND ({_STATUS} != 'blocked' OR blocked)
  AND ({_STATUS} != 'tripped' OR {_CAUGHT.format(f"tripped AND {_GUARD}")})
  AND $__conditionalAll({_CAUGHT.format("guard IN (${guard:singlequote})")}, $guard)"""
# The newest are found among the versions of calls as they are stored, which is far quicker than to
# merge all of them first: ten rows for each that is shown are more than any call has versions.
_NOT_OLDER = f"""start >= if({_ORDER} = 'newest', (
    SELECT min(start) FROM (
      SELECT start FROM watchpost.calls WHERE counted AND {_WANTED}
      ORDER BY start DESC LIMIT 2000
    )
  ), toDateTime64(0, 9, 'UTC'))"""  # noqa: S608
_FOUND = f"""SELECT start AS time, trace_id AS trace, service, model, prompt_name, prompt_version,
  multiIf(blocked, 'blocked', status = 'error', error_type, 'ok') AS outcome,
  duration_ms, ttft_ms, input_tokens, output_tokens, toFloat64(cost) AS usd
FROM watchpost.generations
WHERE {_WANTED}
  AND {_NOT_OLDER}
ORDER BY multiIf({_ORDER} = 'slowest', duration_ms, {_ORDER} = 'dearest', ifNull(usd, -1),
  toFloat64(toUnixTimestamp64Milli(start))) DESC
LIMIT 200"""  # noqa: S608
_TAGS = ("kind", "model", "prompt_name", "prompt_version", "status", "error_type", "tool_name")
_SPANS = f"""SELECT trace_id AS traceID, span_id AS spanID, parent_span_id AS parentSpanID,
  service AS serviceName, name AS operationName, start AS startTime, duration_ms AS duration,
  arrayFilter(tag -> tag['value'] != '', [{
    ", ".join(f"map('key', '{name}', 'value', toString({name}))" for name in _TAGS)
}]) AS tags,
  [map('key', 'service.version', 'value', toString(service_version)),
   map('key', 'environment', 'value', toString(environment))] AS serviceTags
FROM watchpost.spans
WHERE trace_id = {_TRACE}
ORDER BY start
LIMIT 5000"""  # noqa: S608
_CALLS = f"""SELECT start AS time, name, provider, model, prompt_name, prompt_version,
  multiIf(blocked, 'blocked', g.status = 'error', g.error_type, 'ok') AS outcome,
  duration_ms, ttft_ms, input_tokens, output_tokens, toFloat64(cost) AS usd, context_use, retries
FROM watchpost.generations AS g
WHERE trace_id = {_TRACE}
ORDER BY start
LIMIT 500"""  # noqa: S608
_VERDICTS = f"""SELECT guard, direction, label, action, tripped ? 'yes' : '' AS caught,
  failed ? 'yes' : '' AS broken, probability, threshold, duration_ms
FROM watchpost.verdicts
WHERE trace_id = {_TRACE}
ORDER BY tripped DESC, start
LIMIT 500"""  # noqa: S608
_COLUMNS = {
    "time": Column("dateTimeAsIso", "Time", 160),
    "trace": Column(title="Trace", width=280, page="${page}/trace/${__value.raw}"),
    "name": Column(title="Call"),
    "service": Column(title="Service"),
    "provider": Column(title="Provider"),
    "model": Column(title="Model"),
    "prompt_name": Column(title="Prompt"),
    "prompt_version": Column(title="Version", width=80),
    "outcome": Column(title="Outcome", width=120),
    "duration_ms": Column("ms", "Duration", 90, 0),
    "ttft_ms": Column("ms", "First token", 100, 0),
    "input_tokens": Column("short", "Tokens in", 90),
    "output_tokens": Column("short", "Tokens out", 95),
    "usd": Column("currencyUSD", "Cost", 90, 5),
    "context_use": Column("percentunit", "Context", 80, 0),
    "retries": Column("short", "Retries", 75),
    "guard": Column(title="Guard"),
    "direction": Column(title="Text", width=80),
    "label": Column(title="Label"),
    "action": Column(title="Action", width=90),
    "caught": Column(title="Tripped", width=80),
    "broken": Column(title="Failed", width=75),
    "probability": Column("percentunit", "Probability", 95, 0),
    "threshold": Column("percentunit", "Threshold", 95, 0),
}

SHEET = Sheet(
    "traces",
    "traces",
    "Find calls by what is chosen above, and open the trace of one.",
    (
        Panel(
            "Calls",
            "At most 200, ordered as chosen. Click a trace to open it below, or on watchpost's own"
            " page, which has its texts. Empty: widen the time or choose fewer things. `Find` takes"
            " the whole id of a trace, a session or a user.",
            "table",
            _FOUND,
            width=24,
            height=11,
            narrows={"trace": "trace"},
            columns=_COLUMNS,
        ),
        Panel(
            "Trace",
            "The spans of the trace chosen. A long gap between spans is your own code; one long"
            " span is the provider or a tool. Empty: click a trace above; spans may also have been"
            " sampled out, while their calls are always kept.",
            "trace",
            _SPANS,
            width=24,
            height=12,
        ),
        Panel(
            "Its calls",
            "Each LLM call of the trace with tokens, cost and context. The row with most of the"
            " cost is where to save; a full context is where to cut history.",
            "table",
            _CALLS,
            width=14,
            columns=_COLUMNS,
        ),
        Panel(
            "Its verdicts",
            "What each guard said of the trace's texts. A verdict just above its threshold may be a"
            " false alarm: label it and calibrate the guard.",
            "table",
            _VERDICTS,
            width=10,
            columns=_COLUMNS,
        ),
    ),
    (
        *VARIABLES,
        Variable(
            "guard", "SELECT DISTINCT guard FROM watchpost.guards_daily ORDER BY 1 LIMIT 1000"
        ),
        Variable("status", "any,error,blocked,tripped", kind="choice"),
        Variable("order", "newest,slowest,dearest", kind="choice"),
        Variable("find", "", kind="text"),
        Variable("trace", "", kind="text"),
        Variable("page", "http://127.0.0.1:4318", "watchpost's page", kind="text"),
    ),
)
