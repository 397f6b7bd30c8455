"""What is added to a generation after the call, off the caller's thread: tokens, cost, context.

Tokens are counted only where the provider reported none. A user's own prices go before the public
ones. It does not know spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from watchpost import attributes as names
from watchpost.pricing.cost import Rates, cost_of, find_rates
from watchpost.pricing.tokens import estimate
from watchpost.record import NO_USAGE, Generation, Usage

# What is asked for names the region, which has a price of its own; what answers, only the model.
_PRICED_AS_ASKED = "aws.bedrock"


def settle(generation: Generation, prices: Mapping[str, Rates], time_ns: int) -> Generation:
    """The generation with its usage, cost in USD and context window, as far as they are known."""
    usage = _usage_of(generation)
    rates = _rates_of(generation, prices, time_ns)
    if rates is None:
        return replace(generation, usage=usage)
    if rates.character is not None and generation.result.messages:
        # Such a model is paid for what it was given to say, and reports nothing.
        usage = replace(usage, characters=sum(map(len, _asked_texts(generation))))
    # What failed, or was never sent, costs nothing that anybody knows of.
    is_paid = usage.source != names.UNKNOWN or bool(generation.result.messages)
    return replace(
        generation,
        usage=usage,
        cost_usd=cost_of(usage, rates) if is_paid else None,
        context_window=rates.context_window,
    )


def _usage_of(generation: Generation) -> Usage:
    reported = generation.result.usage
    if reported is not None and reported.source != names.ESTIMATED:
        return reported
    if not _is_countable(generation, reported):
        return reported or NO_USAGE
    counted = estimate(generation.request, generation.result, generation.model)
    if counted is None:
        return reported or NO_USAGE
    if reported is not None:
        return replace(reported, output_tokens=max(counted[1], reported.output_tokens))
    return Usage(input_tokens=counted[0], output_tokens=counted[1], source=names.ESTIMATED)


def _is_countable(generation: Generation, reported: Usage | None) -> bool:
    """Whether everything that was answered is text; where nothing was, nothing is known."""
    said = [part for message in generation.result.messages for part in message["parts"]]
    if any(part.get("type") in ("blob", "uri", "file") for part in said):
        return False
    if generation.operation == names.EMBEDDINGS:
        # It answers with numbers; what is charged for is what was asked.
        return not generation.error_type
    return bool(said) or reported is not None


def _asked_texts(generation: Generation) -> Iterator[str]:
    for message in generation.request.messages:
        for part in message["parts"]:
            if part.get("type") == "text":
                yield str(part.get("content", ""))


def _rates_of(generation: Generation, prices: Mapping[str, Rates], time_ns: int) -> Rates | None:
    models = [m for m in (generation.result.model, generation.request.model) if m]
    if generation.provider == _PRICED_AS_ASKED:
        models.reverse()
    for model in models:
        own = prices.get(f"{generation.provider}/{model}") or prices.get(model)
        if own is not None:
            return _with_window(own, generation, model, time_ns)
    tier = generation.result.service_tier
    for model in models:
        public = find_rates(generation.provider, model, tier=tier, time_ns=time_ns)
        if public is not None:
            return public
    return None


def _with_window(own: Rates, generation: Generation, model: str, time_ns: int) -> Rates:
    """The user's prices, with the public context window where they name none."""
    if own.context_window is not None:
        return own
    public = find_rates(generation.provider, model, time_ns=time_ns)
    return replace(own, context_window=public.context_window if public else None)
