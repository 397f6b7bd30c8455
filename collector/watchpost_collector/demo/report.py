"""What the store says about the demo's traffic, as a person reads it.

Every figure comes from a statement in `questions`, asked over the query endpoint; nothing is
computed or remembered here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from watchpost_collector.demo import questions
from watchpost_collector.demo.questions import fill

Ask = Callable[[str], list[list[Any]]]
Format = Callable[[Any], str]


def print_report(ask: Ask, console: Console) -> None:
    """Asks everything and prints it."""
    [totals] = ask(questions.TOTALS)
    calls, failed, stopped, tokens_in, tokens_out, usd, without_price, streamed = totals
    console.print()
    console.print(
        f"[bold]{_count(calls)} calls[/bold], {_count(streamed)} streamed, "
        f"{_count(failed)} failed ({_count(stopped)} of them stopped by a guard)"
    )
    console.print(
        f"[bold]{_count(tokens_in)}[/bold] tokens in, [bold]{_count(tokens_out)}[/bold] out, "
        f"[bold]{_money(usd)}[/bold], {_count(without_price)} calls without a price"
    )
    _print_table(
        console,
        "By model",
        ("model", "calls", "tokens in", "tokens out", "cost", "p50 ms", "p95 ms", "errors"),
        (str, _count, _count, _count, _money, _whole, _whole, _percent),
        ask(questions.BY_MODEL),
    )
    _print_table(
        console,
        "By prompt version",
        ("prompt", "version", "calls", "cost", "cost / 1000", "tokens out", "p50 ms"),
        (str, str, _count, _money, _money, _whole, _whole),
        ask(questions.BY_PROMPT),
    )
    _print_table(
        console,
        "Guards",
        ("guard", "side", "checked", "tripped", "failed", "blocked", "masked", "p95 ms"),
        (str, str, _count, _count, _count, _count, _count, _small),
        ask(questions.VERDICTS),
    )
    console.print()
    console.print("[bold]What looks wrong[/bold]")
    found = find_trouble(ask)
    for line in found or ["nothing"]:
        console.print(f"  - {line}", highlight=False)


def find_trouble(ask: Ask) -> list[str]:
    """One sentence for everything the statistics find suspicious, the clearest first."""
    return [*_spikes(ask), *_worse_versions(ask), *_outages(ask), *_unpriced(ask)]


def _spikes(ask: Ask) -> list[str]:
    found = []
    for hour, calls, usd, times in ask(questions.COST_SPIKES):
        [(user, model, part, tokens)] = ask(fill(questions.SPIKE_CAUSE, {"hour": hour}))
        found.append(
            f"cost: in the hour of {hour} UTC a call cost {times:g} times the usual "
            f"({_money(usd)} for {_count(calls)} calls); {_money(part)} of it is {user} "
            f"on {model}, {_count(tokens)} tokens in per call"
        )
    return found


def _worse_versions(ask: Ask) -> list[str]:
    found = []
    for prompt, version, old, calls, was, now, p, tokens, cost in ask(questions.WORSE_VERSIONS):
        names = {"prompt": prompt, "version": version, "old": old}
        [(length_p,)] = ask(fill(questions.LENGTH_TEST, names))
        found.append(
            f"quality: prompt '{prompt}' {version} refuses {_percent(now)} of its calls, {old} "
            f"{_percent(was)} (z-test p = {p:.1g}, {_count(calls)} calls); its answers are "
            f"{tokens:g} times as long (Mann-Whitney p = {length_p:.1g}) and cost {cost:g} times"
        )
    return found


def _outages(ask: Ask) -> list[str]:
    return [
        f"errors: {model} failed {_count(failed)} of {_count(calls)} calls in the hour of {hour} "
        f"UTC, mostly {kind} (z-test p = {p:.1g})"
        for model, hour, failed, calls, kind, p in ask(questions.ERROR_HOURS)
    ]


def _unpriced(ask: Ask) -> list[str]:
    return [
        f"prices: {_count(calls)} calls of {model or 'an unnamed model'} have no price, so they "
        "are in no sum of cost"
        for model, calls in ask(questions.UNPRICED)
    ]


def _print_table(
    console: Console,
    title: str,
    heads: Sequence[str],
    formats: Sequence[Format],
    rows: Sequence[Sequence[Any]],
) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, head in enumerate(heads):
        is_text = formats[index] is str
        table.add_column(head, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(show(value) for show, value in zip(formats, row, strict=True)))
    console.print()
    console.print(table)


def _count(value: Any) -> str:
    return f"{int(value or 0):,}"


def _money(value: Any) -> str:
    return f"${float(value or 0):,.4f}"


def _whole(value: Any) -> str:
    return f"{float(value or 0):,.0f}"


def _small(value: Any) -> str:
    return f"{float(value or 0):.2f}"


def _percent(value: Any) -> str:
    return f"{float(value or 0):.1f}%"
