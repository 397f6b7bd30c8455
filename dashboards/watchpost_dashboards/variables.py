"""What can be chosen on the dashboards, the same everywhere: whose calls, and which of them."""

from watchpost_dashboards.panel import Variable


def _list(column: str, where: str = "") -> str:
    return (
        f"SELECT DISTINCT {column} FROM watchpost.usage_daily "  # noqa: S608
        f"WHERE {column} != ''{where} ORDER BY 1 LIMIT 1000"
    )


_OF_PROMPT = " AND $__conditionalAll(prompt_name IN (${prompt:singlequote}), $prompt)"
_PAIRS = (
    "SELECT DISTINCT {} FROM watchpost.usage_daily"
    " ARRAY JOIN mapKeys(segments) AS k, mapValues(segments) AS v ORDER BY 1 LIMIT 1000"
)

CALLS = (
    Variable("project", _list("project")),
    Variable("service", _list("service")),
    Variable("environment", _list("environment")),
    Variable("model", _list("model")),
    Variable("prompt", _list("prompt_name")),
    Variable("version", _list("prompt_version", _OF_PROMPT)),
    Variable("segment", _PAIRS.format("concat(k, '=', v)")),
)
# The user segment that panels tell apart by.
KEY = Variable("key", _PAIRS.format("k"), "Split by", single=True)
