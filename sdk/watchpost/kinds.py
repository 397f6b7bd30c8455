"""What the span of each kind says: the conventions' operation, and their names for its content.

Pure functions. A model call says more, see `record`; a tool has arguments and a result, a retriever
a query and documents, anything else what went in and what came out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.documents import Document
from watchpost.record import Attribute, dump

_OPERATIONS = {
    names.TOOL: names.EXECUTE_TOOL,
    names.AGENT: names.INVOKE_AGENT,
    names.RETRIEVER: names.RETRIEVAL,
    names.EMBEDDING: names.EMBEDDINGS,
}
_QUERY_NAMES = ("query", "question", "text")
_TOOL_CALL_ID = "tool_call_id"


def describe_kind(
    kind: str, name: str, inputs: Any, output: Any, documents: Sequence[Document] = ()
) -> dict[str, Attribute]:
    """The attributes of a function's run: `inputs` by argument, `output` None where there is none.

    Both are None where content is not kept.
    """
    found: dict[str, Attribute] = {names.KIND: kind}
    if kind in _OPERATIONS:
        found[names.OPERATION] = _OPERATIONS[kind]
    if kind == names.TOOL:
        return {**found, **_tool_attributes(name, inputs, output)}
    if kind == names.AGENT:
        found[names.AGENT_NAME] = name
    if inputs:
        found[names.INPUT_VALUE] = dump(inputs)
    if kind == names.RETRIEVER:
        query = _find_query(inputs)
        if query:
            found[names.RETRIEVAL_QUERY] = query
    if documents:
        found[names.RETRIEVAL_DOCUMENTS] = dump(documents)
    elif output is not None:
        found[names.OUTPUT_VALUE] = _to_text(output)
    return found


def _tool_attributes(name: str, inputs: Any, output: Any) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {names.TOOL_NAME: name, names.TOOL_TYPE: "function"}
    if isinstance(inputs, Mapping):
        call_id = inputs.get(_TOOL_CALL_ID)
        if isinstance(call_id, str):
            found[names.TOOL_CALL_ID] = call_id
            inputs = {key: value for key, value in inputs.items() if key != _TOOL_CALL_ID}
        found[names.TOOL_CALL_ARGUMENTS] = dump(inputs)
    if output is not None:
        found[names.TOOL_CALL_RESULT] = _to_text(output)
    return found


def _find_query(inputs: Any) -> str:
    if not isinstance(inputs, Mapping):
        return ""
    named = [inputs[name] for name in _QUERY_NAMES if isinstance(inputs.get(name), str)]
    texts = [value for value in inputs.values() if isinstance(value, str)]
    return next(iter((*named, *texts)), "")


def _to_text(output: Any) -> str:
    return output if isinstance(output, str) else dump(output)
