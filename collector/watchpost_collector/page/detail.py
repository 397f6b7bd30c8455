"""Everything known of one span, drawn: messages, numbers, verdicts, errors, events, attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from watchpost_collector.page.conversation import Turn, read_turns
from watchpost_collector.page.elements import box, chip, draw_table, text
from watchpost_collector.page.figures import (
    NOTHING,
    format_count,
    format_duration,
    format_money,
    format_share,
    format_time,
)
from watchpost_collector.page.reading import Row
from watchpost_collector.page.scores import draw_scores

ROLES = ("system", "developer", "user", "assistant", "tool")
CODE = ("tool_call", "tool_result", "json", "media")
SHOWN_ATTRIBUTES = 200
SHOWN_EVENTS = 100
VALUE_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class SpanDetail:
    """A span, its call and content if it has them, the verdicts and scores about it."""

    span: Row
    call: Row | None
    content: Row | None
    verdicts: list[Row]
    scores: list[Row] = field(default_factory=list)


def draw_detail(detail: SpanDetail) -> None:
    """Draw `detail` into the current place."""
    span, call = detail.span, detail.call
    with box("div", "wp-head").style("margin-bottom: 8px"):
        text("h1", span["name"] or "(no name)", test="span-name").style("font-size: 16px")
        chip(span["kind"], "info")
        if span["status"] == "error":
            chip("error", "bad")
        if call and call["blocked"]:
            chip("blocked", "warn")
    _draw_error(span)
    if call:
        _draw_call(call)
    draw_scores(detail.scores)
    if detail.content:
        _draw_content(detail.content)
    _draw_tool(span)
    if detail.verdicts:
        _draw_verdicts(detail.verdicts)
    _draw_events(span.get("events"))
    _draw_pairs("Span", _identity(span), "span-identity")
    _draw_pairs("Attributes", _flatten(span.get("attributes")), "attributes")
    _draw_pairs("Resource", _flatten(span.get("resource")), "resource")


def _draw_error(span: Row) -> None:
    words = [span.get("error_type") or "", span.get("status_message") or ""]
    if span["status"] == "error" and any(words):
        text("div", ": ".join(filter(None, words)), "wp-alert", "span-error")


def _draw_call(call: Row) -> None:
    facts = [
        ("Model", call["model"], "model"),
        ("Provider", call["provider"], "provider"),
        ("Cost", _cost(call), "cost"),
        ("Input tokens", _tokens(call, "input_tokens", "cache_read_tokens", "cached"), "input"),
        (
            "Output tokens",
            _tokens(call, "output_tokens", "reasoning_tokens", "reasoning"),
            "output",
        ),
        ("First token", format_duration(call["ttft_ms"]) if call["ttft_ms"] else "", "ttft"),
        (
            "Context used",
            format_share(call["context_use"], 1) if call["context_use"] else "",
            "use",
        ),
        ("Finished", ", ".join(call["finish_reasons"]), "finish"),
        ("Prompt", call["prompt_name"], "prompt"),
        ("Version", call["prompt_version"], "version"),
        ("Session", call["session_id"], "session"),
        ("User", call["user_id"], "user"),
        ("Tags", ", ".join(call["tags"]), "tags"),
        *((str(key), str(value), "segment") for key, value in dict(call["segments"]).items()),
    ]
    with box("div", "wp-facts wp-section").style("gap: 8px 22px; margin-bottom: 4px"):
        for label, value, name in facts:
            if value:
                with box("div"):
                    text("div", label, "name")
                    text("div", value, "value", f"call-{name}").style("overflow-wrap: anywhere")


def _cost(call: Row) -> str:
    if call["cost"] is not None:
        return format_money(call["cost"])
    return "" if call["usage_source"] == "none" else "unpriced"


def _tokens(call: Row, name: str, part: str, words: str) -> str:
    if call["usage_source"] == "none":
        return ""
    shown = format_count(call[name])
    if call["usage_source"] == "estimated":
        shown += " (estimated)"
    return f"{shown}, {format_count(call[part])} {words}" if call[part] else shown


def _draw_content(content: Row) -> None:
    if content["system_instructions"]:
        turns = read_turns(content["system_instructions"], "system")
        _draw_turns("Instructions", turns, "system-instructions")
    _draw_turns("Input", read_turns(content["input_messages"], "user"), "input-messages")
    _draw_turns("Output", read_turns(content["output_messages"], "assistant"), "output-messages")
    if content["tool_definitions"]:
        turns = read_turns(content["tool_definitions"], "tools")
        _draw_turns("Tools offered", turns, "tool-definitions")
    _draw_turns("Retrieved", read_turns(content["documents"], "document"), "documents")


def _draw_turns(heading: str, turns: list[Turn], test: str) -> None:
    if not turns:
        return
    with box("section", "wp-section", test):
        text("h3", heading)
        for turn in turns:
            role = turn.role if turn.role in ROLES else ""
            with box("div", f"wp-turn {role}", "turn"):
                text("div", turn.role, "role")
                for part in turn.parts:
                    if part.title:
                        text("div", f"{part.kind.replace('_', ' ')} {part.title}", "wp-part-title")
                    look = "code mono" if part.kind in CODE else part.kind
                    text("div", part.text, f"wp-part {look}")


def _draw_tool(span: Row) -> None:
    names = ("tool_name", "tool_call_id", "tool_arguments", "tool_result")
    pairs = {name.replace("_", " "): str(span[name]) for name in names if span.get(name)}
    _draw_pairs("Tool", pairs, "tool")


def _draw_verdicts(verdicts: list[Row]) -> None:
    heads = [
        ("Guard", False), ("Revision", False), ("Label", False), ("On", False), ("Action", False),
        ("Score", True), ("Threshold", True), ("Took", True),
    ]  # fmt: skip

    def act(row: Row) -> None:
        tone = "bad" if row["action"] == "block" else "warn" if row["tripped"] else ""
        chip(
            "failed" if row["failed"] else row["action"] or NOTHING,
            "bad" if row["failed"] else tone,
        )

    with box("section", "wp-section"):
        text("h3", "Guard verdicts")
        rows: list[list[Any]] = [
            [
                row["guard"],
                row["revision"] or NOTHING,
                row["label"] or NOTHING,
                f"{row['direction']}, afterwards" if row["in_background"] else row["direction"],
                lambda row=row: act(row),
                f"{row['probability']:.3f}",
                f"{row['threshold']:.3f}",
                format_duration(row["duration_ms"]),
            ]
            for row in verdicts
        ]
        draw_table(heads, rows, "verdicts")


def _draw_events(events: object) -> None:
    if isinstance(events, str):
        try:
            events = json.loads(events) if events else []
        except (ValueError, RecursionError):
            events = [events]
    if not isinstance(events, list) or not events:
        return
    with box("section", "wp-section", "events"):
        text("h3", "Events")
        for event in events[:SHOWN_EVENTS]:
            text("div", _describe_event(event), "wp-event mono")


def _describe_event(event: object) -> str:
    if not isinstance(event, Mapping):
        return str(event)[:VALUE_LIMIT]
    name = str(event.get("name") or "event")
    attributes = event.get("attributes")
    body = {key: value for key, value in event.items() if key not in ("name", "attributes")}
    body.update(attributes if isinstance(attributes, Mapping) else {})
    if str(body.get("time_ns", "")).isdecimal():
        seconds = int(body.pop("time_ns")) // 1_000_000_000
        name += f"  {format_time(datetime.fromtimestamp(min(seconds, 1 << 33), UTC))}"
    lines = [f"{key} = {value}" for key, value in body.items() if value not in (None, "", {})]
    return "\n".join([name, *lines])[:VALUE_LIMIT]


def _identity(span: Row) -> dict[str, str]:
    names = ("service", "service_version", "environment", "scope_name", "span_id", "parent_span_id")
    found = {
        "started (UTC)": format_time(span["start"]),
        "took": format_duration(span["duration_ms"]),
    }
    found.update({n.replace("_", " "): str(span[n]) for n in names if span.get(n)})
    return found


def _flatten(values: object) -> dict[str, str]:
    if not isinstance(values, Mapping):
        return {}
    return {str(key): str(value) for key, value in sorted(values.items())}


def _draw_pairs(heading: str, pairs: Mapping[str, str], test: str) -> None:
    if not pairs:
        return
    with box("section", "wp-section", test):
        text("h3", heading)
        with box("div", "wp-pairs"):
            for key, value in list(pairs.items())[:SHOWN_ATTRIBUTES]:
                text("div", key, "key")
                cut = value if len(value) <= VALUE_LIMIT else value[:VALUE_LIMIT] + " …"
                text("div", cut, "value mono")
        if len(pairs) > SHOWN_ATTRIBUTES:
            text("div", f"{len(pairs) - SHOWN_ATTRIBUTES} more are stored", "sub")
