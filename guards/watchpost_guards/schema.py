"""The guard `schema`: an answer that must be JSON, and must be what a schema or a type says.

Judged are whole texts: a stream is held until it is whole. The verdict says where and by which rule
an answer fails, in words of the schema alone: nothing of the answer is repeated. It does not repair
what it refuses.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Direction, Guard, Question, Verdict, decide
from watchpost_guards.settings import check_name, name_setting

if TYPE_CHECKING:
    from pydantic import TypeAdapter

REVISION = "1"
KIND = "schema"
NO_JSON, MISMATCH = "NOT_JSON", "SCHEMA_MISMATCH"
_SETTING = name_setting(KIND, "schema")
_CURE = "give a JSON Schema, a file that holds one, or a type that pydantic can read"
_MOST_BYTES = 1 << 20
# A list of a thousand wrong items is told by the first few.
_SHOWN = 3
# A pattern of the schema may take long over a hostile text; it is given up then.
_PATTERN_S = 0.5
_FENCED = re.compile(r"\s*```[A-Za-z]{0,10}[ \t]*\r?\n(.*)\n[ \t]*```\s*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][\w\-]{0,63}")

FindErrors = Callable[[Any], Iterator[str]]
"""What is wrong with a value, each as a place and the rule that is broken."""


def create(
    *,
    schema: Mapping[str, Any] | Path | None = None,
    allow_fence: bool = False,
    name: str = KIND,
) -> Guard:
    """The guard for a policy's file; its settings are those of `Schema`."""
    return Schema(schema, allow_fence=allow_fence, name=name)


class Schema:
    """Trips on an answer that is not JSON or not what `schema` says; without one, any JSON will do.

    `schema` is a JSON Schema, the path of a file that holds one, or a type: a pydantic model, a
    dataclass, a TypedDict. `allow_fence` lets an answer stand in a Markdown code fence. Raises
    ConfigError for a schema that is none or that refers to others by URL, MissingExtra without
    what reads it.
    """

    pure = True
    directions: tuple[Direction, ...] = ("output",)
    revision = REVISION

    def __init__(
        self,
        schema: Mapping[str, Any] | Path | type | None = None,
        *,
        allow_fence: bool = False,
        name: str = KIND,
    ) -> None:
        self.name = check_name(KIND, name)
        if not isinstance(allow_fence, bool):
            setting = name_setting(KIND, "allow_fence")
            raise ConfigError(setting, allow_fence, "say true or false")
        self._allow_fence = allow_fence
        self._find_errors = _read_schema(schema)

    def check(self, question: Question) -> Verdict:
        """Parse and validate. Raises TimeoutError where a pattern takes too long over the text."""
        began = time.perf_counter()
        label, reason = self._judge(question.text)
        return decide(self, label, reason, (time.perf_counter() - began) * 1000)

    def _judge(self, text: str) -> tuple[str, str]:
        fenced = _FENCED.fullmatch(text)
        if fenced is not None and not self._allow_fence:
            return NO_JSON, "a code fence around it: set allow_fence to take it"
        try:
            value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant)
            errors = list(islice(self._find_errors(value), _SHOWN + 1))
        except json.JSONDecodeError as error:
            return NO_JSON, f"line {error.lineno}, column {error.colno}: {error.msg}"
        except RecursionError:
            return NO_JSON, "nested too deeply"
        except ValueError as error:
            return NO_JSON, "NaN or Infinity" if error.args == (_CONSTANT,) else "a number too long"
        if not errors:
            return "", ""
        more = "; and more" if len(errors) > _SHOWN else ""
        return MISMATCH, "; ".join(errors[:_SHOWN]) + more


_CONSTANT = "constant"


def _refuse_constant(_: str) -> None:
    raise ValueError(_CONSTANT)


def _read_schema(schema: object) -> FindErrors:
    if schema is None:
        return lambda value: iter(())
    if isinstance(schema, Path):
        schema = _read_file(schema)
    if isinstance(schema, Mapping):
        return _make_validator(schema)
    if isinstance(schema, type) or hasattr(schema, "__origin__"):
        return _make_adapter(schema)
    raise ConfigError(_SETTING, f"a {type(schema).__name__}", _CURE)


def _read_file(path: Path) -> object:
    try:
        with path.open("rb") as opened:
            source = opened.read(_MOST_BYTES + 1)
        if len(source) > _MOST_BYTES:
            raise ConfigError(_SETTING, str(path), f"keep it below {_MOST_BYTES:,} bytes")
        return json.loads(source)
    except OSError as error:
        cure = f"name a file that can be read ({error.strerror})"
        raise ConfigError(_SETTING, str(path), cure) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(_SETTING, str(path), "write a JSON Schema into it") from error


def _make_validator(schema: Mapping[str, Any]) -> FindErrors:
    if find_spec("jsonschema") is None:
        raise MissingExtra("guards", "the guard 'schema' (it needs jsonschema)")
    from jsonschema import exceptions, validators
    from referencing import Registry

    plain = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        plain.check_schema(schema)
    except exceptions.SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "its top"
        cure = f"{_CURE} (at {place}: {error.validator})"
        raise ConfigError(_SETTING, "a mapping", cure) from error
    names = frozenset(_find_names(schema))
    _refuse_strangers(schema)
    bounded = validators.extend(
        plain, {"pattern": _check_pattern, "patternProperties": _check_pattern_properties}
    )
    # An empty registry: nothing is fetched, whatever a schema refers to.
    return partial(_find_schema_errors, bounded(schema, registry=Registry()), names)


def _find_schema_errors(validator: Any, names: frozenset[str], value: Any) -> Iterator[str]:
    for error in validator.iter_errors(value):
        rule = str(error.validator or "false")
        if rule == "required" and isinstance(error.instance, dict):
            missing = [key for key in error.validator_value if key not in error.instance]
            rule = f"required {', '.join(missing[:_SHOWN])}"
        yield f"{_spell(error.absolute_path, names)}: {rule}"


def _spell(path: Sequence[Any], names: frozenset[str]) -> str:
    """A place in the answer. A key the schema does not name is the answer's own, and not told."""
    shown = (
        f"[{item}]" if isinstance(item, int) else f".{item}" if item in names else ".*"
        for item in path
    )
    return "$" + "".join(shown)


def _find_names(schema: Any) -> Iterator[str]:
    """Every key a schema gives to properties, wherever it does."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "properties" and isinstance(value, Mapping):
                yield from value
            yield from _find_names(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _find_names(item)


def _refuse_strangers(schema: Any) -> None:
    """Refuse what would be fetched: nothing is, and each check would fail."""
    if isinstance(schema, Mapping):
        target = schema.get("$ref")
        if isinstance(target, str) and not target.startswith("#"):
            cure = "write what it refers to under $defs: nothing is fetched"
            raise ConfigError(_SETTING, f"$ref {target}", cure)
        for value in schema.values():
            _refuse_strangers(value)
    elif isinstance(schema, list):
        for item in schema:
            _refuse_strangers(item)


def _search(pattern: str, text: str) -> bool:
    import regex

    return regex.search(pattern, text, timeout=_PATTERN_S) is not None


def _check_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not _search(pattern, instance):
        yield ValidationError("does not match")


def _check_pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, inner in patterns.items():
        for key, value in instance.items():
            if _search(pattern, key):
                yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _make_adapter(kind: Any) -> FindErrors:
    if find_spec("pydantic") is None:
        raise MissingExtra("guards", "the guard 'schema' with a type (it needs pydantic)")
    from pydantic import PydanticUserError, TypeAdapter

    try:
        adapter = TypeAdapter(kind)
    except PydanticUserError as error:
        raise ConfigError(_SETTING, getattr(kind, "__name__", kind), _CURE) from error
    return partial(_find_type_errors, adapter, frozenset(_find_names(adapter.json_schema())))


def _find_type_errors(
    adapter: "TypeAdapter[Any]", names: frozenset[str], value: Any
) -> Iterator[str]:
    from pydantic import ValidationError

    try:
        # As JSON: a date is a text there, and what is no JSON type is none here either.
        adapter.validate_json(json.dumps(value))
    except ValidationError as error:
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            # Of messages only the kind: a validator of the user's own may quote what it saw.
            yield f"{_spell(found['loc'], names)}: {found['type']}"
