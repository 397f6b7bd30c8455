"""What a provider file has to say, and the small readers those files share.

A provider is a value: how to know its requests, results and chunks by shape, how to read each into
the canonical record, and where the texts are that guards look at. Adding one is one file and one
line in the table. No provider's library is imported: fields are read from objects and from plain
dictionaries alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchpost import attributes as names
from watchpost.providers.stages import Visit, at, find_stage, find_stage_below
from watchpost.record import Attribute, Message, Part, Request, Result, cut

if TYPE_CHECKING:
    from watchpost.screening.guard import Direction

PARAMETERS: Mapping[str, str] = {
    "max_tokens": names.REQUEST_MAX_TOKENS,
    "max_completion_tokens": names.REQUEST_MAX_TOKENS,
    "max_output_tokens": names.REQUEST_MAX_TOKENS,
    "temperature": names.REQUEST_TEMPERATURE,
    "top_p": names.REQUEST_TOP_P,
    "top_k": names.REQUEST_TOP_K,
    "frequency_penalty": names.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": names.REQUEST_PRESENCE_PENALTY,
    "seed": names.REQUEST_SEED,
    "reasoning_effort": names.REQUEST_REASONING_LEVEL,
    "previous_response_id": names.REQUEST_PREVIOUS_RESPONSE_ID,
}
_TEXT_KEYS = frozenset(
    {
        *("content", "text", "output", "arguments", "refusal", "thinking", "code", "tool_plan"),
        *("message", "title", "context"),
    }
)
# Below these keys everything is somebody's data, whose own keys nobody knows.
_FREE_KEYS = frozenset({"input", "args", "json", "response"})
# So is what is nested below these; a string there is a text of the protocol, or bytes.
_OPEN_KEYS = frozenset({"arguments", "data", "document", "tool_results"})

# What says that a string under `data` is bytes in disguise.
_BYTES_KEYS = frozenset({"media_type", "mime_type", "mimeType", "format"})


def _own_nothing(value: Any) -> bool:
    return False


def _read_no_stream(chunks: Sequence[Any]) -> Result:
    return Result()


def _visit_nothing(value: Any, visit: Visit) -> None:
    return


def _empty_nothing(chunk: Any) -> None:
    return


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text that grows over a stream: what `field` of `target` holds.

    Pieces of one `key` are one text. Of the texts of one `lane` (a choice, an answer) one is
    written at a time: when another begins, the one before is whole. `stage` is what guards take it
    for.
    """

    lane: Hashable
    key: Hashable
    target: Any
    field: str
    stage: Direction = "output"


@dataclass(frozen=True, slots=True)
class Flow:
    """How the chunks of a stream can be shown before the stream is whole.

    `pieces` are what a chunk adds to growing texts. `repeat` shows the texts that it says whole,
    most of them once more. `empty` takes out of a chunk what tells a changed text otherwise, as
    log-probabilities do; what cannot be told apart by chunks `waits` for the stream's end.
    """

    pieces: Callable[[Any], Iterable[Piece]]
    repeat: Callable[[Any, Visit], None] = _visit_nothing
    empty: Callable[[Any], None] = _empty_nothing
    waits: Callable[[Any], bool] = _own_nothing


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's protocol. `paths` are the ends of its URLs, `roots` the request's texts.

    What answers without streams and without texts, as embeddings do, leaves the rest out; a stream
    without a `flow` can be shown only when it is whole.
    """

    name: str
    operation: str
    paths: tuple[str, ...]
    roots: tuple[str, ...]
    owns_result: Callable[[Any], bool]
    read_request: Callable[[Mapping[str, Any]], Request]
    read_result: Callable[[Any], Result]
    owns_chunk: Callable[[Any], bool] = _own_nothing
    read_stream: Callable[[Sequence[Any]], Result] = _read_no_stream
    has_output: Callable[[Any], bool] = _own_nothing
    visit_result: Callable[[Any, Visit], None] = _visit_nothing
    visit_stream: Callable[[Sequence[Any], Visit], None] = _visit_nothing
    flow: Flow | None = None
    # Whether a result says the same as a `snapshot`, opened: it is then read later, elsewhere.
    reads_snapshots: bool = False


def get(source: Any, name: str, default: Any = None) -> Any:
    """A field of an object or of a dictionary; the default where it is missing or None."""
    # Asking whether something is a Mapping takes longer than all the rest of this.
    value = source.get(name) if isinstance(source, dict) else getattr(source, name, None)
    return default if value is None else value


def put(target: Any, name: str, value: Any) -> None:
    """Set a field of an object or of a dictionary."""
    if isinstance(target, dict):
        target[name] = value
    else:
        setattr(target, name, value)


def count(source: Any, *path: str) -> int:
    """A token count under a path of fields, 0 where there is none."""
    for name in path:
        source = get(source, name)
    return source if isinstance(source, int) else 0


def read_parameters(body: Mapping[str, Any]) -> dict[str, Attribute]:
    """The request's parameters under their attribute names."""
    found: dict[str, Attribute] = {}
    for key, name in PARAMETERS.items():
        value = body.get(key)
        if isinstance(value, str | int | float):
            found[name] = value
    stop = body.get("stop") or body.get("stop_sequences")
    if stop and isinstance(stop, str | list | tuple):
        found[names.REQUEST_STOP_SEQUENCES] = (stop,) if isinstance(stop, str) else tuple(stop)
    choices = body.get("n")
    if isinstance(choices, int) and choices > 1:
        found[names.REQUEST_CHOICE_COUNT] = choices
    return found


def summarise_logprobs(logprobs: Sequence[float]) -> dict[str, Attribute]:
    """The mean and the least of the tokens' log-probabilities, nothing where there are none."""
    if not logprobs:
        return {}
    mean = sum(logprobs) / len(logprobs)
    return {names.LOGPROB_MEAN: mean, names.LOGPROB_MIN: min(logprobs)}


def message(role: str, parts: Sequence[Part], finish_reason: str = "") -> Message:
    """A message in the OpenTelemetry shape."""
    if finish_reason:
        return {"role": role, "parts": parts, "finish_reason": finish_reason}
    return {"role": role, "parts": parts}


def text_part(text: str) -> Part:
    """A text."""
    return {"type": "text", "content": cut(text)}


def reasoning_part(text: str) -> Part:
    """What the model thought before it answered."""
    return {"type": "reasoning", "content": cut(text)}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """A tool the model wants called; the arguments as it wrote them."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def response_part(call_id: Any, response: Any) -> Part:
    """What a tool answered."""
    shown = cut(response) if isinstance(response, str) else response
    return {"type": "tool_call_response", "id": call_id, "response": shown}


def media_part(modality: str, source: Any, mime_type: str = "") -> Part:
    """An image, sound or file: a link is kept, bytes are only counted."""
    if isinstance(source, str) and not source.startswith("data:") and not mime_type:
        return {"type": "uri", "modality": modality, "uri": source}
    text = source if isinstance(source, str) else ""
    if text.startswith("data:"):
        mime_type = text[5:].partition(";")[0]
        text = text.partition(",")[2]
    return blob_part(modality, mime_type, len(text) * 3 // 4)


def blob_part(modality: str, mime_type: str, size: int) -> Part:
    """An image, sound or file of so many bytes, which are not kept."""
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "size_bytes": size}


def visit_request(body: Mapping[str, Any], roots: Sequence[str], visit: Visit) -> dict[str, Any]:
    """A copy of a request body with every text under the roots replaced by what `visit` says.

    Raises TypeError for a root that can be read only once: nobody could send it afterwards.
    """
    changed = dict(body)
    for root in roots:
        if root in changed:
            stage = find_stage_below(root)
            value = changed[root]
            # Documents and tools' results have whatever keys their owners gave them.
            changed[root] = (
                visit_leaves(value, at(visit, stage)) if stage else _visit_root(value, visit)
            )
    return changed


def visit_leaves(value: Any, visit: Visit) -> Any:
    """A copy with every string replaced: for tool arguments, whose keys nobody knows."""
    if isinstance(value, str):
        return visit(value)
    if isinstance(value, Mapping):
        return {key: visit_leaves(item, visit) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [visit_leaves(item, visit) for item in value]
    return value


def visit_field(target: Any, name: str, visit: Visit) -> bool:
    """Replace one text in place; says whether it changed."""
    text = get(target, name)
    if not isinstance(text, str) or not text:
        return False
    replaced = visit(text)
    if replaced is text or replaced == text:
        return False
    put(target, name, replaced)
    return True


def withhold(target: Any, *fields: str) -> None:
    """Empty fields that say again what a guard has just taken out: parsed objects, tokens."""
    for name in fields:
        if get(target, name) is not None:
            put(target, name, None)


def visit_pieces(pieces: Sequence[tuple[Any, str]], visit: Visit) -> bool:
    """A text that came in pieces: visited whole; a new one is put where the first piece stood.

    Says whether it changed.
    """
    whole = "".join(get(target, name, "") for target, name in pieces)
    if not whole:
        return False
    replaced = visit(whole)
    if replaced == whole:
        return False
    for index, (target, name) in enumerate(pieces):
        put(target, name, replaced if index == 0 else "")
    return True


def visit_flow(flow: Flow, chunks: Sequence[Any], visit: Visit) -> None:
    """Show every growing text of a stream whole, replacing in place."""
    pieces: dict[Hashable, list[tuple[Any, str]]] = {}
    stages: dict[Hashable, Direction] = {}
    for chunk in chunks:
        for piece in flow.pieces(chunk):
            pieces.setdefault(piece.key, []).append((piece.target, piece.field))
            stages[piece.key] = piece.stage
    changed = [visit_pieces(found, at(visit, stages[key])) for key, found in pieces.items()]
    for chunk in chunks if any(changed) else ():
        flow.empty(chunk)


def _visit_root(value: Any, visit: Visit) -> Any:
    """Messages, parts or texts, alone or in lists: a plain string among them is a text too."""
    if isinstance(value, str):
        return visit(value)
    if isinstance(value, list | tuple):
        return [_visit_root(item, visit) for item in value]
    if isinstance(value, Iterator):
        raise TypeError("a request that can be read only once cannot be shown to a guard")
    return _visit(value, visit)


def _visit(value: Any, visit: Visit, *, is_inner: bool = False) -> Any:
    """A copy, its texts replaced. `is_inner` is what stands in a document or a tool's result."""
    if isinstance(value, Mapping):
        if not is_inner and (stage := find_stage(value)) is not None:
            visit, is_inner = at(visit, stage), True
        return {key: _visit_field(value, key, visit, is_inner) for key in value}
    if isinstance(value, list | tuple):
        return [_visit(item, visit, is_inner=is_inner) for item in value]
    return value


def _visit_field(holder: Mapping[str, Any], key: str, visit: Visit, is_inner: bool) -> Any:
    item = holder[key]
    if not is_inner and (stage := find_stage_below(key)) is not None:
        visit, is_inner = at(visit, stage), True
    if isinstance(item, str):
        is_text = key in _TEXT_KEYS or key in _FREE_KEYS or key == "document"
        return visit(item) if is_text or (key == "data" and _is_plain(holder)) else item
    if key in _FREE_KEYS or key in _OPEN_KEYS:
        return visit_leaves(item, visit)
    return _visit(item, visit, is_inner=is_inner)


def _is_plain(holder: Mapping[str, Any]) -> bool:
    """Whether a string under `data` is a text: said to be one, or nothing says what else it is."""
    return holder.get("type") == "text" or ("type" not in holder and _BYTES_KEYS.isdisjoint(holder))
