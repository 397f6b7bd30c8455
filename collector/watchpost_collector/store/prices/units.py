"""What a call is charged for: each kind of unit, how many of it a row of `calls` holds, its column.

The one list from which the price table, the dictionaries, the sum of a call in SQL and its
explanation line by line are made, so that none of them can know a unit the others do not. It knows
columns of `calls`; it does not know a price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that is charged for.

    `name` is its column in `prices`, in USD per million; `quantity` is SQL over a row of `calls`,
    never negative; `told` names it to people, with `scale` units to one that they speak of.
    """

    name: str
    quantity: str
    told: str
    scale: int = 1


# The details are parts of the whole: what is left of it pays the plain rate. Details that
# contradict the whole (a provider's slip) must not make a sum negative.
_CACHED_AUDIO = "toInt64(least(cache_read_audio_tokens, audio_input_tokens, cache_read_tokens))"
_CACHED_IMAGE = (
    "least(toInt64(least(cache_read_image_tokens, image_input_tokens)),"
    f" toInt64(cache_read_tokens) - {_CACHED_AUDIO})"
)
# What of a kind came out of a cache is among the cached tokens: it is taken off once.
_PLAIN_INPUT = (
    "greatest(toInt64(input_tokens) - toInt64(cache_read_tokens) - toInt64(cache_write_tokens)"
    f" - toInt64(audio_input_tokens) + {_CACHED_AUDIO}"
    f" - toInt64(image_input_tokens) + {_CACHED_IMAGE}, 0)"
)
_PLAIN_OUTPUT = (
    "greatest(toInt64(output_tokens) - toInt64(reasoning_tokens) - toInt64(audio_output_tokens)"
    " - toInt64(image_output_tokens), 0)"
)
_LONG_WRITES = "least(cache_write_1h_tokens, cache_write_tokens)"

TOKENS = (
    Unit("input", _PLAIN_INPUT, "input tokens"),
    Unit("output", _PLAIN_OUTPUT, "output tokens"),
    Unit(
        "cache_read",
        f"toInt64(cache_read_tokens) - {_CACHED_AUDIO} - {_CACHED_IMAGE}",
        "tokens read from a cache",
    ),
    Unit("cache_read_audio", _CACHED_AUDIO, "audio tokens read from a cache"),
    Unit("cache_read_image", _CACHED_IMAGE, "image tokens read from a cache"),
    Unit(
        "cache_write",
        f"toInt64(cache_write_tokens - {_LONG_WRITES})",
        "tokens written to a cache (5 minutes)",
    ),
    Unit("cache_write_1h", f"toInt64({_LONG_WRITES})", "tokens written to a cache (1 hour)"),
    Unit("reasoning", "toInt64(least(reasoning_tokens, output_tokens))", "reasoning tokens"),
    Unit("audio_input", f"toInt64(audio_input_tokens) - {_CACHED_AUDIO}", "audio tokens in"),
    Unit("audio_output", "toInt64(audio_output_tokens)", "audio tokens out"),
    Unit("image_input", f"toInt64(image_input_tokens) - {_CACHED_IMAGE}", "image tokens in"),
    Unit("image_output", "toInt64(image_output_tokens)", "image tokens out"),
)
# A call that failed with nothing to show for it was not a request anybody charges for; a GPU was
# busy with it all the same.
OTHERS = (
    Unit("request", "toInt64(status != 'error' or input_tokens + output_tokens > 0)", "requests"),
    Unit("image", "toInt64(images)", "images"),
    Unit("media_ms", "toInt64(media_ms)", "seconds of audio or video", 1000),
    Unit("gpu_ms", "toInt64(round(duration_ms))", "seconds of GPU", 1000),
    Unit("search", "toInt64(searches)", "searches"),
    Unit("character", "toInt64(characters)", "characters spoken"),
)
UNITS = (*TOKENS, *OTHERS)
NAMES = tuple(unit.name for unit in UNITS)

# A sum is in millionths of a dollar until it is divided; half of the last digit kept rounds it.
DIVISOR = 1_000_000
HALF_DIGIT = "0.0005"


def name_words() -> Mapping[str, str]:
    """What the migrations put for the words in braces that are about rates."""
    token_rates = " + ".join(unit.name for unit in TOKENS)
    return {
        "{rates}": ", ".join(NAMES),
        "{rate_columns}": ", ".join(f"{name} Decimal(18, 9)" for name in NAMES),
        "{rate_attributes}": ", ".join(f"{name} Decimal128(9)" for name in NAMES),
        "{rate_names}": ", ".join(f"'{name}'" for name in NAMES),
        "{token_rates}": token_rates,
        "{other_rates}": " + ".join(unit.name for unit in OTHERS),
        "{quantities}": ",\n                ".join(unit.quantity for unit in UNITS),
        "{half_digit}": f"toDecimal128({HALF_DIGIT}, 9)",
    }
