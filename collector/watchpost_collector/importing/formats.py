"""What one line of a log is, and the row it becomes: each line says by its fields what it is.

Request with response, line of a batch file, prompt with reply, or a list of messages. OTLP is told
apart here and read elsewhere. Nothing here knows about files, spans or guards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from watchpost import attributes
from watchpost.record import NO_USAGE, Generation, Message, Origin, Request, Result, Usage
from watchpost_collector.importing.conversation import read_messages, read_output, read_system
from watchpost_collector.importing.row import BadLine, Row, make_message, text_part
from watchpost_collector.importing.values import (
    TIME_FIELDS,
    read_duration,
    read_start,
    read_usage,
)

Format = Literal["exchange", "batch input", "batch output", "messages", "plain", "otlp"]

PROMPT_FIELDS = ("prompt", "question", "input", "query", "instruction")
REPLY_FIELDS = ("reply", "response", "completion", "answer", "output")
_REQUESTS = ("request", "kwargs", "req", "input")
_RESPONSES = ("response", "resp", "output")
_SESSION = ("session_id", "session", "conversation_id", "thread_id")
_USER = ("user_id", "user")
_COUNTS = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")
_KNOWN = frozenset(
    (*_SESSION, *_USER, *_COUNTS, *TIME_FIELDS, "model", "provider", "usage", "tags", "system")
)
_PREFIXES = (
    ("claude", "anthropic"),
    ("gemini", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("chatgpt", "openai"),
    ("text-", "openai"),
)


def sniff(line: Mapping[str, Any]) -> Format:
    """What the line is; raises BadLine, naming its fields, when it is nothing known."""
    if "resourceSpans" in line or "resource_spans" in line:
        return "otlp"
    if "custom_id" in line:
        if isinstance(line.get("body"), Mapping):
            return "batch input"
        if "response" in line or "error" in line:
            return "batch output"
    if _named_mapping(line, _REQUESTS) is not None:
        return "exchange"
    if _named_mapping(line, _RESPONSES) is not None and "messages" not in line:
        return "exchange"
    if isinstance(line.get("messages"), list):
        return "messages"
    if any(name in line for name in PROMPT_FIELDS):
        return "plain"
    fields = ", ".join(sorted(str(name)[:40] for name in line)[:8]) or "none"
    raise BadLine(f"no call found in it (its fields: {fields})")


def read_line(line: Mapping[str, Any], asked: Mapping[str, Any] | None = None) -> Row:
    """The row of one line that is not OTLP; `asked` is the request of a batch answer."""
    match sniff(line):
        case "exchange":
            return _read_exchange(line)
        case "batch input":
            return _read_call(line, line["body"], None, {"body"})
        case "batch output":
            return _read_batch_output(line, asked or {})
        case "messages":
            return _read_conversation(line)
        case "plain":
            return _read_plain(line)
        case _:
            raise BadLine("OTLP is not read line by line here")


def provider_of(model: str) -> str:
    """Whose a well-known model name is; empty when it does not say."""
    return next((provider for prefix, provider in _PREFIXES if model.startswith(prefix)), "")


def _read_exchange(line: Mapping[str, Any]) -> Row:
    request = _named_mapping(line, _REQUESTS) or {}
    response = _named_mapping(line, _RESPONSES)
    used = {name for name in (*_REQUESTS, *_RESPONSES) if isinstance(line.get(name), Mapping)}
    inner = request.get("body")
    return _read_call(line, inner if isinstance(inner, Mapping) else request, response, used)


def _read_batch_output(line: Mapping[str, Any], asked: Mapping[str, Any]) -> Row:
    response = line.get("response")
    if not isinstance(response, Mapping):
        failed = line.get("error")
        response = {"error": failed if isinstance(failed, Mapping) else {"code": "failed"}}
    row = _read_call(line, asked, response, {"response", "error"})
    # What a provider answers in a batch says nothing of it, and costs less.
    result = replace(row.generation.result, details={attributes.BATCH: True})
    return replace(row, generation=replace(row.generation, result=result))


def _read_call(
    line: Mapping[str, Any],
    request: Mapping[str, Any],
    response: Mapping[str, Any] | None,
    used: set[str],
) -> Row:
    """A request and, where there is one, its response: as parsed JSON of the provider."""
    asked = request.get("messages", request.get("input", request.get("prompt")))
    system, inputs = read_messages(asked) if asked is not None else ((), ())
    beside = read_system(request.get("system") or request.get("instructions"))
    fields, error = _unwrap(response)
    tools = request.get("tools")
    said = Result(
        id=str(fields.get("id") or ""),
        model=str(fields.get("model") or ""),
        messages=read_output(fields) if fields else (),
        usage=read_usage(fields.get("usage")),
        service_tier=str(fields.get("service_tier") or ""),
    )
    asking = Request(
        model=str(request.get("model") or line.get("model") or ""),
        messages=inputs,
        system=beside + system,
        tools=tools if isinstance(tools, list) else (),
    )
    row = _make_row({**line, "user": line.get("user") or request.get("user")}, asking, said, used)
    if row.started_ns is None and fields:
        created = {"created": fields.get("created"), "created_at": fields.get("created_at")}
        row = replace(row, started_ns=read_start(created))
    if error is None:
        return row
    kind = str(error.get("type") or error.get("code") or "error")
    return replace(
        row,
        generation=replace(row.generation, error_type=kind),
        error_message=str(error.get("message") or ""),
    )


def _unwrap(
    response: Mapping[str, Any] | None,
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The response's own fields, or the error it is."""
    if response is None:
        return {}, None
    body = response.get("body")
    inner = body if isinstance(body, Mapping) else response
    error = inner.get("error")
    if not error or inner.get("choices") or inner.get("output"):
        return inner, None
    if not isinstance(error, Mapping):
        error = {"message": str(error)}
    return {}, {"code": response.get("status_code"), **error}


def _read_conversation(line: Mapping[str, Any]) -> Row:
    """A list of messages: what the last assistant message says is the reply to the others."""
    system, messages = read_messages(line["messages"])
    response = line.get("response", line.get("reply"))
    outputs: tuple[Message, ...] = ()
    if response is not None:
        outputs = _read_reply(line, "response" if "response" in line else "reply")
    elif messages and messages[-1]["role"] == "assistant":
        messages, outputs = messages[:-1], messages[-1:]
    asking = Request(str(line.get("model") or ""), messages=messages, system=system)
    return _make_row(line, asking, Result(messages=outputs), {"messages", "response", "reply"})


def _read_plain(line: Mapping[str, Any]) -> Row:
    asked = next(name for name in PROMPT_FIELDS if name in line)
    said = next((name for name in REPLY_FIELDS if name in line and name != asked), None)
    if not isinstance(line[asked], str | list):
        raise BadLine(f"{asked} is not a text")
    system, inputs = read_messages(line[asked])
    asking = Request(
        model=str(line.get("model") or ""),
        messages=inputs,
        system=read_system(line.get("system")) + system,
    )
    outputs = _read_reply(line, said) if said else ()
    return _make_row(line, asking, Result(messages=outputs), {asked, said or asked})


def _read_reply(line: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    reply = line[name]
    if isinstance(reply, str):
        return (make_message("assistant", [text_part(reply)]),)
    if isinstance(reply, Mapping):
        return read_output(reply)
    if isinstance(reply, list):
        _, messages = read_messages(reply)
        return (make_message("assistant", [p for message in messages for p in message["parts"]]),)
    raise BadLine(f"{name} is not a text")


def _make_row(line: Mapping[str, Any], request: Request, result: Result, used: set[str]) -> Row:
    """The row, with whose it was and everything else the line has as metadata."""
    tags = line.get("tags")
    reasons = [m["finish_reason"] for m in result.messages if "finish_reason" in m]
    result = replace(result, finish_reasons=reasons, usage=result.usage or _line_usage(line))
    generation = Generation(
        provider=str(line.get("provider") or provider_of(result.model or request.model)),
        request=request,
        result=result,
        usage=result.usage or NO_USAGE,
        origin=Origin(
            session=str(next((line[name] for name in _SESSION if line.get(name)), "")),
            user=str(next((line[name] for name in _USER if line.get(name)), "")),
            tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        ),
    )
    return Row(
        generation=generation,
        started_ns=read_start(line),
        duration_ns=read_duration(line),
        metadata={
            name: value
            for name, value in line.items()
            if name not in used and name not in _KNOWN and value is not None
        },
    )


def _line_usage(line: Mapping[str, Any]) -> Usage | None:
    return read_usage(line.get("usage")) or read_usage(line)


def _named_mapping(line: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    return next((line[name] for name in names if isinstance(line.get(name), Mapping)), None)
