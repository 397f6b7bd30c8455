"""The one canonical record of a model call, and how it becomes span attributes.

`Request` is what was asked and `Result` what came back, as a provider file reads them; `Generation`
is both together with whose call it was and how it went. Messages have the OpenTelemetry shape:
`{"role": ..., "parts": [{"type": "text", "content": ...}, ...]}`. This file knows no provider, no
span and no clock; everything in it is a frozen value or a pure function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from watchpost import attributes as names

Attribute = str | bool | int | float | Sequence[str]
Message = Mapping[str, Any]
Part = Mapping[str, Any]

# What the class of a pydantic model has, of its second version and of its first.
_FIELDS = ("__pydantic_fields_set__", "__fields_set__")
_SCALARS = frozenset({int, float, bool, type(None)})
# What is no generation; a moderation judges texts and makes none.
_KINDS = {names.EMBEDDINGS: names.EMBEDDING, names.MODERATION: names.GUARD}
_ABSENT = ("Omit", "NotGiven")  # what clients put where nothing was given
# What a dictionary or list weighs beside its strings.
_CONTAINER_BYTES = 200
TEXT_CHARACTERS = 200_000
"""A longer text of a message is cut, with a mark that says how much is missing."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; inclusive: input contains the cached ones, output the reasoning.

    `source` says who counted the tokens: "provider", "estimated" (tiktoken) or "none". What is
    charged by something else stands beside them: `images` made, `seconds` of sound, `characters`
    spoken and web `searches`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_read_image_tokens: int = 0
    images: int = 0
    seconds: float = 0.0
    characters: int = 0
    searches: int = 0
    source: str = names.FROM_PROVIDER


NO_USAGE = Usage(source=names.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `parameters` already carry their attribute names."""

    model: str = ""
    parameters: Mapping[str, Attribute] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    system: Sequence[Part] = ()
    tools: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came back. `usage` is None when the provider reported none.

    `provider` is the conventions' name of who answered, where only the answer tells.
    """

    id: str = ""
    model: str = ""
    provider: str = ""
    messages: Sequence[Message] = ()
    finish_reasons: Sequence[str] = ()
    usage: Usage | None = None
    details: Mapping[str, Attribute] = field(default_factory=dict)
    service_tier: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose call it was: the prompt, the conversation and the dimensions a user declared.

    `sizes` are the characters of the prompt's variables, by name. `said` orders prompts by when
    they were named; 0 is one that nobody named here.
    """

    prompt: str = ""
    version: str = ""
    template_hash: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    session: str = ""
    user: str = ""
    tags: tuple[str, ...] = ()
    segments: Mapping[str, str] = field(default_factory=dict)
    said: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """One model call, complete. Times in seconds, money in USD."""

    operation: str = "chat"
    provider: str = ""
    server: str = ""
    request: Request = Request()
    result: Result = Result()
    usage: Usage = NO_USAGE
    origin: Origin = Origin()
    streaming: bool = False
    time_to_first_token_s: float | None = None
    retries: int = 0
    error_type: str = ""
    http_status: int = 0
    stream_end: str = ""
    blocked: bool = False
    guard_action: str = ""
    cost_usd: Decimal | None = None
    context_window: int | None = None

    @property
    def model(self) -> str:
        """The model that answered, else the one that was asked."""
        return self.result.model or self.request.model

    @property
    def context_use(self) -> float | None:
        """The share of the model's context window this call filled, 0 to 1 and more."""
        if not self.context_window or self.usage.source == names.UNKNOWN:
            return None
        return (self.usage.input_tokens + self.usage.output_tokens) / self.context_window


def to_attributes(generation: Generation, *, content: bool) -> dict[str, Attribute]:
    """The span attributes of a generation; messages only where `content` is true.

    What accounting reads comes last, because a full OpenTelemetry span drops its oldest.
    """
    request, result = generation.request, generation.result
    found: dict[str, Attribute] = {}
    if content:
        found.update(_content_attributes(request, result))
    found.update(request.parameters)
    found.update(result.details)
    found.update(origin_attributes(generation.origin))
    _put(found, names.SERVER_ADDRESS, generation.server)
    _put(found, names.RESPONSE_ID, result.id)
    _put(found, names.RESPONSE_FINISH_REASONS, tuple(result.finish_reasons))
    if generation.time_to_first_token_s is not None:
        found[names.RESPONSE_TIME_TO_FIRST_CHUNK_S] = generation.time_to_first_token_s
    _put(found, names.STREAM_END, generation.stream_end)
    _put(found, names.ERROR_TYPE, generation.error_type)
    _put(found, names.HTTP_STATUS, generation.http_status)
    _put(found, names.GUARD_ACTION, generation.guard_action)
    if generation.blocked:
        found[names.BLOCKED] = True
    found[names.RETRIES] = generation.retries
    found[names.REQUEST_STREAM] = generation.streaming
    found[names.KIND] = _KINDS.get(generation.operation, names.GENERATION)
    found[names.OPERATION] = generation.operation
    found[names.PROVIDER] = generation.provider
    _put(found, names.REQUEST_MODEL, request.model)
    _put(found, names.RESPONSE_MODEL, result.model)
    found.update(_accounting_attributes(generation))
    return found


def origin_attributes(origin: Origin) -> dict[str, Attribute]:
    """The attributes that say whose call or function this was; absent where nobody said."""
    found: dict[str, Attribute] = {}
    for key, value in origin.segments.items():
        found[names.SEGMENT_PREFIX + key] = value
    _put(found, names.TAGS, origin.tags)
    _put(found, names.PROMPT_NAME, origin.prompt)
    _put(found, names.PROMPT_VERSION, origin.version)
    _put(found, names.TEMPLATE_HASH, origin.template_hash)
    for name, size in origin.sizes.items():
        found[f"{names.PROMPT_VARIABLE_PREFIX}{name}{names.PROMPT_VARIABLE_SUFFIX}"] = size
    _put(found, names.SESSION, origin.session)
    _put(found, names.USER, origin.user)
    return found


def dump(value: object) -> str:
    """Compact JSON of recorded content; what JSON cannot say is named by its type."""
    return _ENCODER.encode(value)


def cut(text: str) -> str:
    """The text, or its beginning and a mark when it is longer than a message may be."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    return f"{text[:TEXT_CHARACTERS]}[cut: {len(text) - TEXT_CHARACTERS} characters]"


def snapshot(value: Any, *, most_opened: int = 0) -> tuple[Any, int]:
    """A copy that a caller's later `append` does not reach, and about how many bytes it holds.

    Strings and foreign objects are shared. With `most_opened` a pydantic model becomes a dictionary
    of its fields, with none of its own code run; raises OverflowError where there are more
    containers than that.
    """
    weight = containers = 0

    def copy(value: Any) -> Any:
        nonlocal weight, containers
        kind = type(value)
        if kind is str:
            weight += len(value)
            return value
        if kind in _SCALARS:
            return value
        containers += 1
        if most_opened and containers > most_opened:
            raise OverflowError
        weight += _CONTAINER_BYTES
        if kind is dict:
            found = value.copy()
        elif kind is list or kind is tuple:
            return [copy(item) for item in value]
        elif most_opened and (hasattr(kind, _FIELDS[0]) or hasattr(kind, _FIELDS[1])):
            found = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
        elif isinstance(value, Mapping):
            found = {key: value[key] for key in value}
        else:
            # A prompt's text that knows where it came from, or an image.
            weight += len(value) if isinstance(value, str | bytes) else 0
            return None if kind.__name__ in _ABSENT else value
        for key, item in found.items():
            # Most of a request is strings in dictionaries: they must not cost a call each.
            if type(item) is str:
                weight += len(item)
            elif type(item) not in _SCALARS:
                found[key] = copy(item)
        return found

    return copy(value), weight


def _content_attributes(request: Request, result: Result) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    if request.messages:
        found[names.INPUT_MESSAGES] = dump(request.messages)
    if request.system:
        found[names.SYSTEM_INSTRUCTIONS] = dump(request.system)
    if request.tools:
        found[names.TOOL_DEFINITIONS] = dump(request.tools)
    if result.messages:
        found[names.OUTPUT_MESSAGES] = dump(result.messages)
    return found


def _accounting_attributes(generation: Generation) -> dict[str, Attribute]:
    usage = generation.usage
    found: dict[str, Attribute] = {names.USAGE_SOURCE: usage.source}
    if usage.source != names.UNKNOWN:
        found[names.USAGE_INPUT] = usage.input_tokens
        found[names.USAGE_OUTPUT] = usage.output_tokens
    if usage.source == names.FROM_PROVIDER:
        found[names.USAGE_CACHE_READ] = usage.cache_read_tokens
        found[names.USAGE_CACHE_WRITE] = usage.cache_write_tokens
        found[names.USAGE_REASONING] = usage.reasoning_tokens
        if usage.cache_write_1h_tokens:
            found[names.ANTHROPIC_CACHE_WRITE_1H] = usage.cache_write_1h_tokens
        _put(found, names.USAGE_CACHE_READ_AUDIO, usage.cache_read_audio_tokens)
        _put(found, names.USAGE_CACHE_READ_IMAGE, usage.cache_read_image_tokens)
        _put(found, names.USAGE_AUDIO_INPUT, usage.audio_input_tokens)
        _put(found, names.USAGE_AUDIO_OUTPUT, usage.audio_output_tokens)
        _put(found, names.USAGE_IMAGE_INPUT, usage.image_input_tokens)
        _put(found, names.USAGE_IMAGE_OUTPUT, usage.image_output_tokens)
    _put(found, names.USAGE_IMAGES, usage.images)
    _put(found, names.USAGE_SECONDS, usage.seconds)
    _put(found, names.USAGE_CHARACTERS, usage.characters)
    _put(found, names.USAGE_SEARCHES, usage.searches)
    if generation.context_window and generation.context_use is not None:
        found[names.CONTEXT_WINDOW] = generation.context_window
        found[names.CONTEXT_USE] = round(generation.context_use, 6)
    if generation.cost_usd is not None:
        found[names.COST_USD] = format(generation.cost_usd, "f")
    return found


def _put(found: dict[str, Attribute], name: str, value: Attribute) -> None:
    if value:
        found[name] = value


def _name_type(value: object) -> object:
    # Foreign objects are not asked for their repr: it may be slow, or leak what nobody chose.
    dump_model = getattr(value, "model_dump", None)
    if callable(dump_model):
        return dump_model(mode="json", exclude_none=True)
    return f"<{type(value).__name__}>"


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_name_type)
