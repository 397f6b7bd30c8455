"""Bedrock's InvokeModel: every maker's own body inside one envelope.

The bodies of Anthropic, Amazon Nova and those that speak OpenAI's chat are read by their
protocols' own files; Llama's, Titan's, Mistral's and DeepSeek's are read here. What is read is the
parsed body; tokens are counted by the model's maker, else by Bedrock itself, in headers or at a
stream's end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from watchpost import attributes as names
from watchpost.providers import anthropic_messages, bedrock_converse, openai_chat
from watchpost.providers.provider import (
    Provider,
    count,
    get,
    message,
    read_parameters,
    text_part,
    visit_field,
    visit_pieces,
)
from watchpost.providers.stages import Visit
from watchpost.record import Attribute, Request, Result, Usage

METRICS = "amazon-bedrock-invocationMetrics"
"""What Bedrock adds to the last piece of a stream."""

_PARAMETERS: Mapping[str, str] = {
    "max_gen_len": names.REQUEST_MAX_TOKENS,
    "maxTokenCount": names.REQUEST_MAX_TOKENS,
    "topP": names.REQUEST_TOP_P,
}


class Body(dict[str, Any]):
    """A parsed body and, beside it, what the headers counted: equal to one parsed without them."""

    __slots__ = ("metrics",)

    def __init__(self, parsed: Mapping[str, Any], metrics: Mapping[str, int]) -> None:
        super().__init__(parsed)
        self.metrics = metrics


@dataclass(frozen=True, slots=True)
class _Text:
    """How a maker of plain text models spells an answer; `items` holds several of them."""

    text: str
    reason: str
    asked: str = ""
    said: str = ""
    items: str = ""


_TEXTS = (
    _Text("generation", "stop_reason", "prompt_token_count", "generation_token_count"),
    _Text("outputText", "completionReason", "inputTextTokenCount", "tokenCount", "results"),
    _Text("outputText", "completionReason", "inputTextTokenCount", "totalOutputTextTokenCount"),
    _Text("text", "stop_reason", items="outputs"),
    _Text("text", "stop_reason", items="choices"),
)
_MAKERS = (anthropic_messages.PROVIDER, bedrock_converse.PROVIDER, openai_chat.PROVIDER)


def owns_result(result: Any) -> bool:
    """Whether this is the parsed body of an answer that only Bedrock gives."""
    if isinstance(result, Body):
        return True
    if anthropic_messages.owns_result(result):
        return str(get(result, "id", "")).startswith("msg_bdrk_")
    form = _find_text(result) if isinstance(result, dict) else None
    return form is not None and form.asked in result


def owns_embedding(result: Any) -> bool:
    """Whether this is the parsed body of a Titan embedding."""
    return isinstance(result, dict) and {"embedding", "inputTextTokenCount"} <= set(result)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is a piece of InvokeModelWithResponseStream."""
    return isinstance(get(get(chunk, "chunk"), "bytes"), bytes)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    if "messages" in body:
        return _maker_of_request(body).read_request(body)
    asked = body.get("prompt") or body.get("inputText") or ""
    settings = get(body, "textGenerationConfig", body)
    parameters: dict[str, Attribute] = read_parameters(settings)
    for key, name in _PARAMETERS.items():
        if isinstance(value := get(settings, key), int | float):
            parameters[name] = value
    if stops := get(settings, "stopSequences"):
        parameters[names.REQUEST_STOP_SEQUENCES] = tuple(stops)
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[message("user", [text_part(str(asked))])] if asked else [],
    )


def read_embedding_request(body: Mapping[str, Any]) -> Request:
    """What was to be turned into numbers."""
    asked = body.get("inputText") or body.get("texts") or ()
    texts = [asked] if isinstance(asked, str) else asked
    return Request(
        model=str(body.get("model") or ""),
        messages=[message("user", [text_part(text)]) for text in texts if isinstance(text, str)],
    )


def read_result(result: Any) -> Result:
    """What came back at once, its body parsed."""
    maker = next((maker for maker in _MAKERS if maker.owns_result(result)), None)
    found = maker.read_result(result) if maker else _read_text(result)
    return (
        found
        if found.usage
        else replace(found, usage=_read_metrics(getattr(result, "metrics", None)))
    )


def read_embedding(result: Any) -> Result:
    """How many tokens became how many numbers; the numbers are left where they are."""
    found = read_result(result)
    vectors = get(result, "embeddings", get(result, "embedding", ()))
    while isinstance(vectors, list) and vectors and isinstance(vectors[0], list):
        vectors = vectors[0]
    size = len(vectors) if isinstance(vectors, list) else 0
    return replace(found, details={names.EMBEDDING_DIMENSIONS: size} if size else {})


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in pieces, as far as it was seen."""
    pieces = [_open(chunk) for chunk in chunks]
    metrics = next((found for piece in pieces if (found := piece.pop(METRICS, None))), None)
    maker = _maker_of_chunks(pieces)
    found = maker.read_stream(pieces) if maker else _read_texts(pieces)
    if not maker and found.usage and not found.finish_reasons:
        # It broke off: what was said so far was counted, but perhaps not all that was charged.
        found = replace(found, usage=replace(found.usage, source=names.ESTIMATED))
    if metrics and (found.usage is None or found.usage.source != names.FROM_PROVIDER):
        return replace(found, usage=_read_metrics(metrics))
    return found


def has_output(chunk: Any) -> bool:
    """Whether a piece brings anything of the answer."""
    piece = _open(chunk)
    maker = _maker_of_chunks([piece])
    return maker.has_output(piece) if maker else _find_text(piece) is not None


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a parsed body, replacing in place."""
    for maker in _MAKERS:
        if maker.owns_result(result):
            maker.visit_result(result, visit)
            return
    if form := _find_text(result):
        for item in _items(form, result):
            visit_field(item, form.text, visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces = [_open(chunk) for chunk in chunks]
    before = [json.dumps(piece) for piece in pieces]
    maker = _maker_of_chunks([{k: v for k, v in piece.items() if k != METRICS} for piece in pieces])
    if maker:
        maker.visit_stream(pieces, visit)
    else:
        forms = ((piece, _find_text(piece)) for piece in pieces)
        found = [(item, form.text) for piece, form in forms if form for item in _items(form, piece)]
        visit_pieces(found, visit)
    for chunk, piece, earlier in zip(chunks, pieces, before, strict=True):
        if (spelled := json.dumps(piece)) != earlier:
            chunk["chunk"]["bytes"] = spelled.encode()


def _open(chunk: Any) -> dict[str, Any]:
    try:
        opened = json.loads(get(get(chunk, "chunk"), "bytes", b"{}"))
    except ValueError:
        return {}
    return opened if isinstance(opened, dict) else {}


def _maker_of_request(body: Mapping[str, Any]) -> Provider:
    if "anthropic_version" in body:
        return anthropic_messages.PROVIDER
    nova = "inferenceConfig" in body or "schemaVersion" in body or "nova" in str(body.get("model"))
    return bedrock_converse.PROVIDER if nova else openai_chat.PROVIDER


def _maker_of_chunks(pieces: Sequence[Any]) -> Provider | None:
    return next((m for m in _MAKERS for piece in pieces[:2] if m.owns_chunk(piece)), None)


def _find_text(piece: Mapping[str, Any]) -> _Text | None:
    for form in _TEXTS:
        items = piece.get(form.items) if form.items else [piece]
        if isinstance(items, list) and items and isinstance(get(items[0], form.text), str):
            return form
    return None


def _items(form: _Text, piece: Mapping[str, Any]) -> Sequence[Any]:
    return piece[form.items] if form.items else [piece]


def _read_text(result: Any) -> Result:
    return _read_texts([result]) if isinstance(result, dict) else Result()


def _read_texts(pieces: Sequence[Mapping[str, Any]]) -> Result:
    text, reason, asked, said = "", "", 0, 0
    for piece in pieces:
        form = _find_text(piece)
        if form is None:
            continue
        for item in _items(form, piece):
            text += get(item, form.text, "")
            reason = get(item, form.reason) or reason
            said = max(said, count(item, form.said))
        asked = max(asked, count(piece, form.asked))
    if not text and not asked:
        # An embedding has tokens and no words.
        asked = max((count(piece, "inputTextTokenCount") for piece in pieces), default=0)
    return Result(
        messages=[message("assistant", [text_part(text)], reason)] if text else [],
        finish_reasons=[reason] if reason else [],
        usage=Usage(input_tokens=asked, output_tokens=said) if asked else None,
    )


def _read_metrics(metrics: Any) -> Usage | None:
    if not metrics:
        return None
    read = count(metrics, "cacheReadInputTokenCount")
    written = count(metrics, "cacheWriteInputTokenCount")
    return Usage(
        input_tokens=count(metrics, "inputTokenCount") + read + written,
        output_tokens=count(metrics, "outputTokenCount"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


PROVIDER = Provider(
    name="aws.bedrock",
    operation="chat",
    paths=(),
    roots=(
        *("system", "messages", "prompt", "inputText"),
        # What other makers' bodies call their texts: not read, but seen by guards.
        *("message", "preamble", "texts", "text_prompts", "textToImageParams"),
    ),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
"""Models that answer in words."""

EMBEDDINGS = replace(
    PROVIDER,
    operation=names.EMBEDDINGS,
    owns_result=owns_embedding,
    read_request=read_embedding_request,
    read_result=read_embedding,
)
"""Models that answer in vectors, of which only the tokens are kept."""
