"""The SQL of the list of traces: first which ones, by narrow columns and newest first, then what is
shown of those few. Values are bound; only constants of this file are joined."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from watchpost_collector.page.narrowing import OF_PROJECT, SINCE, UNTIL

_WHEN = f"start >= {SINCE} and start < {UNTIL}"


def _of(table: str, condition: str, limit: str = "") -> str:
    return f"""(project, trace_id) in (
        select project, trace_id from {table}
        where {OF_PROJECT} and {_WHEN} and {condition}{limit})"""  # noqa: S608


# What each filter asks of a trace; `indexed` and `phrase` are the two ways of looking for a text.
NARROWINGS: Mapping[str, str] = {
    "service": "service = {service:String}",
    "environment": "environment = {environment:String}",
    "user": "user_id = {user:String}",
    "session": "session_id = {session:String}",
    "model": _of("listed_calls", "model = {model:String}"),
    "prompt": _of("listed_calls", "prompt_name = {prompt:String}"),
    "version": _of("listed_calls", "prompt_version = {version:String}"),
    "blocked": _of("listed_calls", "blocked"),
    "guard": _of("verdicts", "tripped and guard = {guard:String}"),
    "indexed": _of("content", "hasAllTokens(words, {needle:String})", " limit 5000"),
    "indexed phrase": _of(
        "content",
        "hasAllTokens(words, {needle:String}) and position(words, {needle:String}) > 0",
        " limit 5000",
    ),
    "phrase": _of(
        "content",
        "positionCaseInsensitiveUTF8(concat(input_messages, ' ', output_messages),"
        " {needle:String}) > 0",
        " limit 5000",
    ),
}
# A call has all of these at once.
_OF_ONE_CALL = {
    "model": "model = {model:String}",
    "prompt": "prompt_name = {prompt:String}",
    "version": "prompt_version = {version:String}",
}


def write_matching(names: Collection[str]) -> str:
    """The identities of the traces that fulfil these narrowings, newest first.

    Only those that begin at or after `edge`: before it, the window may hold a trace's end only.
    """
    call = [condition for name, condition in _OF_ONE_CALL.items() if name in names]
    others = [NARROWINGS[name] for name in sorted(names) if name not in _OF_ONE_CALL]
    if call:
        others.append(_of("listed_calls", " and ".join(call)))
    narrowed = "".join(f"\n        and {condition}" for condition in others)
    return f"""
select trace_id, min(start) as started,
    toUnixTimestamp64Milli(toDateTime64(started, 3, 'UTC')) as started_ms
from spans
where {OF_PROJECT} and {_WHEN}{narrowed}
group by trace_id
having started >= fromUnixTimestamp64Milli({{edge:Int64}}, 'UTC')
    and ({{status:String}} not in ('ok', 'error')
        or (countIf(status = 'error') > 0) = ({{status:String}} = 'error'))
order by started desc, trace_id
limit {{limit:UInt32}} offset {{offset:UInt32}}
"""  # noqa: S608


# The shown traces lie between their own first and last moment, give or take: an hour before the
# first one's start, a day after the last one's.
_OF_THESE = f"""{OF_PROJECT}
        and start >= fromUnixTimestamp64Milli({{first:Int64}} - 3600000, 'UTC')
        and start < fromUnixTimestamp64Milli({{last:Int64}} + 86400000, 'UTC')
        and trace_id in {{traces:Array(String)}}"""

# Three readings, put together by trace outside: a join of them takes the engine as long again.
SHOWN = f"""
select trace_id,
    argMin(name, (parent_span_id != '', start)) as name,
    argMin(service, (parent_span_id != '', start)) as service,
    min(start) as started,
    (max(toUnixTimestamp64Nano(start) + toInt64(duration_ms * 1000000))
        - min(toUnixTimestamp64Nano(start))) / 1000000 as duration_ms,
    count() as spans,
    countIf(status = 'error') as errors,
    max(user_id) as user_id,
    max(session_id) as session_id
from spans
where {_OF_THESE}
group by trace_id
order by started desc, trace_id
"""  # noqa: S608

CALLED = f"""
select trace_id, count() as calls, groupUniqArray(4)(model) as models,
    groupUniqArray(4)((prompt_name, prompt_version)) as prompts,
    sum(input_tokens + output_tokens) as tokens, sum(cost) as cost,
    countIf(price_state = 'unpriced') as unpriced, countIf(blocked) as blocked
from listed_calls
where {_OF_THESE}
group by trace_id
"""  # noqa: S608

JUDGED = f"""
select trace_id, groupUniqArrayIf(6)(guard, tripped) as guards
from verdicts
where {_OF_THESE}
group by trace_id
"""  # noqa: S608

# What stands in a list for a trace without a call and without a verdict.
WITHOUT: Mapping[str, object] = {
    **dict.fromkeys(("calls", "tokens", "unpriced", "blocked"), 0),
    "models": [],
    "prompts": [],
    "cost": None,
    "guards": [],
}


# For a test: every text that can come of these.
ALL = {
    "MATCHING": write_matching(()),
    "MATCHING_NARROWED": write_matching(NARROWINGS),
    "SHOWN": SHOWN,
    "CALLED": CALLED,
    "JUDGED": JUDGED,
}


def choose_search(text: str) -> tuple[str, str]:
    """How a text is looked for (a name of `NARROWINGS`, or '') and what exactly.

    Words of ASCII are found by the index, whole; several in their order, as they stand. Other
    scripts are read through. The messages are stored as JSON, so quotes are escaped as there.
    """
    needle = json.dumps(text, ensure_ascii=False)[1:-1].lower()
    if not needle:
        return "", ""
    if not text.isascii() or not any(letter.isalnum() for letter in text):
        return "phrase", needle
    return ("indexed" if text.isalnum() else "indexed phrase"), needle
