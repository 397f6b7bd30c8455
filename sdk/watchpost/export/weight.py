"""About how many bytes a finished span holds in memory, found without computing any of it."""

from opentelemetry.sdk.trace import ReadableSpan

from watchpost.deferred import weight_of

# What a span weighs beside its strings: objects, ids, times.
_SPAN_BYTES = 1500
_VALUE_BYTES = 100


def weigh(span: ReadableSpan) -> int:
    """About how many bytes a span holds in memory."""
    bags = [event.attributes for event in span.events]
    deferred = weight_of(span)
    if deferred is None:
        bags.append(span.attributes)
    # Deferred attributes say what they weigh; reading them here would compute them here.
    size = _SPAN_BYTES + (deferred or 0)
    for bag in bags:
        if not bag:
            continue
        copy = getattr(bag, "copy", None)
        # Reading a bounded mapping item by item asks it twice for each.
        for value in (copy() if copy is not None else bag).values():
            size += _VALUE_BYTES
            if isinstance(value, str | bytes | tuple | list):
                size += len(value)
            if isinstance(value, tuple | list):
                size += sum(len(item) if isinstance(item, str) else 8 for item in value)
    return size
