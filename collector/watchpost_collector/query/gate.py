"""The gate: which questions from outside may be asked of the store.

The engine's own parser judges. `formatQuery` takes the text as a value, so nothing in it can run,
refuses more than one statement, and gives it back without comments and odd spellings; that text is
parsed again with `EXPLAIN AST` (on the caller's text this would run what follows a semicolon), each
node of the tree must be of a known kind and name only what the vocabulary allows, and the text that
was judged is the text that is run. Reading is all a session can do anyway (session.py): this is the
first of two walls. The gate knows no user and no transport.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watchpost_collector.query.session import (
    DATABASE,
    LINES,
    Refused,
    Session,
    decode_lines,
)
from watchpost_collector.query.vocabulary import Vocabulary, read_vocabulary

MAXIMUM_QUERY_BYTES = 100_000

_STRING = r"'(?:[^'\\]|\\.)*'"
_NAME = r"(?:[A-Za-z_][A-Za-z0-9_]*)"
_TABLE = rf"(?:{_NAME}\.)?{_NAME}"
_FORMAT_CLAUSE = re.compile(rf"\s+FORMAT (?P<name>{_NAME})\s*\Z")
_STRINGS = re.compile(_STRING, re.DOTALL)
_QUOTED_NAMES = re.compile(r"`([^`]*)`")
_MISLEADING = re.compile(r"[\\\n]|\((?:alias|children) ")
_CALLS = re.compile(rf"(?:`({_NAME})`|(?<![.\w])({_NAME}))\s*\(")
_PARAMETER = re.compile(rf"\{{({_NAME}):([^}}]*)\}}")
_READS = re.compile(r"\A[\s(]*(SELECT|WITH|DESCRIBE)\b")
# What the engine would rewrite to a query of its own is matched whole: nothing else may hide in it.
_LIKE = rf"(?: (?:NOT )?I?LIKE {_STRING})?(?: LIMIT \d+)?"
_CATALOGUE_QUESTION = re.compile(
    rf"SHOW DATABASES{_LIKE}"
    rf"|SHOW (?:FULL )?(?:TABLES|DICTIONARIES)(?: FROM (?P<from>{_NAME}))?{_LIKE}"
    rf"|SHOW (?:EXTENDED )?(?:FULL )?COLUMNS FROM (?P<of>{_NAME})(?: FROM (?P<of_db>{_NAME}))?"
    rf"{_LIKE}"
    rf"|SHOW (?:INDEXES|INDEX) FROM (?P<index>{_NAME})(?: FROM (?P<index_db>{_NAME}))?"
    rf"|SHOW CREATE (?:TABLE|VIEW|DICTIONARY) (?P<create>{_TABLE})"
    rf"|SHOW FUNCTIONS(?: I?LIKE {_STRING})?"
    rf"|EXISTS (?:TABLE|VIEW|DICTIONARY) (?P<exists>{_TABLE})"
    rf"|EXISTS DATABASE {_NAME}",
    re.DOTALL,
)

_NODE = re.compile(r"(?P<indent> *)(?P<kind>[A-Za-z:]+)(?: (?P<rest>.*))?", re.DOTALL)
_SUFFIX = re.compile(r"(?: \(alias .*\))?(?: \(children \d+\))?\Z", re.DOTALL)
_SET_TESTS = re.compile(r"(?:global)?(?:not)?(?:null)?in(?:ignoreset)?", re.IGNORECASE)
# What else stands right below these is the file of INTO OUTFILE.
_ONLY_CHILD = {"SelectWithUnionQuery": "ExpressionList", "DescribeQuery": "TableExpression"}
_INFORMATION = ("information_schema", "INFORMATION_SCHEMA")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that passed: its text as judged, and the output format it asks for, if any."""

    sql: str
    fmt: str | None


@dataclass(frozen=True, slots=True)
class _Node:
    depth: int
    kind: str
    name: str


def examine(session: Session, sql: str, parameters: Mapping[str, str]) -> Question:
    """Judge `sql`; raises Refused, or QueryFailed when it is no SQL. Nothing of it is run."""
    vocabulary = read_vocabulary()
    text, fmt = _split_format(_write_canonically(session, sql))
    if fmt is not None:
        check_format(fmt)
    _check_text(text, parameters, vocabulary)
    if _READS.match(text):
        lines = decode_lines(session.ask(f"EXPLAIN AST {text}", LINES, parameters))
        _check_tree(_read_tree(lines), vocabulary)
    else:
        _check_catalogue_question(text, vocabulary)
    return Question(text, fmt)


def check_format(name: str) -> None:
    """Raise Refused unless `name` is an output format that reads and writes nothing else."""
    if name not in read_vocabulary().formats:
        raise Refused(
            f"FORMAT {name[:60]} is not allowed", "ask for JSON, CSV, TabSeparated or Native"
        )


def _write_canonically(session: Session, sql: str) -> str:
    raw = sql.encode("utf-8", "surrogatepass")
    if len(raw) > MAXIMUM_QUERY_BYTES:
        raise Refused(f"a query of {len(raw)} bytes is too long", f"{MAXIMUM_QUERY_BYTES} is most")
    asked = f"SELECT hex(formatQuery(unhex('{raw.hex()}')))"
    lines = decode_lines(session.ask(asked, LINES, {}))
    try:
        return bytes.fromhex(lines[0]).decode("utf-8")
    except ValueError as error:
        raise Refused("the query is not UTF-8 text", "write other bytes with unhex()") from error


def _split_format(text: str) -> tuple[str, str | None]:
    # The clause is the last thing of a canonical text; a string that ends so also ends in a quote.
    found = _FORMAT_CLAUSE.search(text)
    return (text[: found.start()], found["name"]) if found else (text, None)


def _check_text(text: str, parameters: Mapping[str, str], vocabulary: Vocabulary) -> None:
    bare = _STRINGS.sub("''", text)
    if "'" in bare.replace("''", "") or any(ord(c) < 32 and c not in "\n\t" for c in bare):
        raise Refused("the query cannot be read safely")
    # A name could otherwise write lines or suffixes of its own into the tree that is judged.
    if any(_MISLEADING.search(name) for name in _QUOTED_NAMES.findall(bare)):
        raise Refused("names with escapes, line breaks or brackets are not allowed", "rename them")
    rest = _QUOTED_NAMES.sub("x", bare)
    if ";" in rest or "\\" in rest or "`" in rest:
        raise Refused("only one statement is allowed", "send them one by one")
    if re.search(r"\bINTO\s+OUTFILE\b", rest):
        raise Refused("INTO OUTFILE is not allowed", "save the answer where you read it")
    for quoted, plain in _CALLS.findall(bare):
        if (quoted or plain) in vocabulary.refused:
            raise Refused(f"{quoted or plain}() is not allowed")
    for name, kind in _PARAMETER.findall(bare):
        if kind.strip() == "Identifier" and not re.fullmatch(_TABLE, parameters.get(name, "x")):
            raise Refused(f"the identifier in parameter {name} is not allowed", "use plain names")


def _read_tree(lines: list[str]) -> Iterator[tuple[_Node, list[_Node], int]]:
    """Each node with its ancestors (outermost first) and its place among its siblings."""
    path: list[tuple[_Node, int]] = []
    for line in lines:
        found = _NODE.fullmatch(line)
        if found is None:
            raise Refused("a part of the query is of an unknown kind")
        node = _Node(len(found["indent"]), found["kind"], found["rest"] or "")
        place = 0
        while path and path[-1][0].depth >= node.depth:
            closed, place = path.pop()
            place = place + 1 if closed.depth == node.depth else 0
        yield node, [ancestor for ancestor, _ in path], place
        path.append((node, place))


def _check_tree(tree: Iterator[tuple[_Node, list[_Node], int]], vocabulary: Vocabulary) -> None:
    for node, ancestors, place in tree:
        parent = ancestors[-1].kind if ancestors else ""
        if node.kind == "Set":
            raise Refused("SETTINGS in a query are not allowed", "leave the clause out")
        if node.kind not in vocabulary.nodes:
            raise Refused(f"{node.kind} is not allowed")
        if node.kind != _ONLY_CHILD.get(parent, node.kind):
            raise Refused("INTO OUTFILE is not allowed", "save the answer where you read it")
        if place == 0 and _is_dictionary_call(ancestors):
            _check_dictionary(node)
        if node.kind == "TableIdentifier":
            check_table(_strip_suffix(node.name), vocabulary)
        elif node.kind == "Function":
            _check_function(_strip_suffix(node.name), parent, vocabulary)
        elif node.kind == "Identifier" and place > 0 and _is_set_test(ancestors):
            check_table(_strip_suffix(node.name), vocabulary)


def check_table(name: str, vocabulary: Vocabulary) -> None:
    """Raise Refused unless `name` is a table of ours or a harmless one of the engine's catalogue.

    A name without a database is one of ours: the session stands in our database.
    """
    if not re.fullmatch(_TABLE, name):
        raise Refused(f"the table name {name[:100]!r} is not allowed")
    database, dot, table = name.rpartition(".")
    if not dot or database == DATABASE:
        return
    if database == "system" and table in vocabulary.system_tables:
        return
    if database in _INFORMATION and table in vocabulary.information_tables:
        return
    raise Refused(f"reading {name} is not allowed")


def _strip_suffix(rest: str) -> str:
    # The shortest name after which only an alias and a count follow: an alias cannot lengthen it.
    found = re.fullmatch(rf"(?P<name>.*?){_SUFFIX.pattern}", rest, re.DOTALL)
    return found["name"] if found else rest


def _check_function(name: str, parent: str, vocabulary: Vocabulary) -> None:
    if parent == "TableExpression":
        if name not in vocabulary.table_functions:
            raise Refused(f"the table function {name[:100]} is not allowed")
    elif not (vocabulary.has_function(name) or name in vocabulary.dictionary_functions):
        raise Refused(f"the function {name[:100]} is not allowed")


def _is_set_test(ancestors: list[_Node]) -> bool:
    """Whether these are the ancestors of an argument of IN: there, a name is a table."""
    if len(ancestors) < 2 or ancestors[-2].kind != "Function":
        return False
    return _SET_TESTS.fullmatch(_strip_suffix(ancestors[-2].name)) is not None


def _is_dictionary_call(ancestors: list[_Node]) -> bool:
    if len(ancestors) < 2 or ancestors[-2].kind != "Function":
        return False
    return _strip_suffix(ancestors[-2].name).startswith("dict")


def _check_dictionary(argument: _Node) -> None:
    name = _strip_suffix(argument.name)
    if argument.kind == "Literal":
        name = name.replace("\\'", "'").strip("'")
    database, dot, _ = name.rpartition(".")
    plain = argument.kind in ("Literal", "Identifier") and re.fullmatch(_TABLE, name)
    if not plain or (dot and database != DATABASE):
        raise Refused(f"the dictionary {name[:100]} is not allowed")


def _check_catalogue_question(text: str, vocabulary: Vocabulary) -> None:
    found = _CATALOGUE_QUESTION.fullmatch(text)
    if found is None:
        verb = " ".join(text.split()[:2]).upper()[:40]
        raise Refused(f"{verb} is not allowed", "only SELECT, SHOW, EXISTS and DESCRIBE are")
    databases = [found[group] for group in ("from", "of_db", "index_db") if found[group]]
    if any(database not in (DATABASE, "system", *_INFORMATION) for database in databases):
        raise Refused(f"the database {databases[0]} is not allowed")
    if found["of"]:
        check_table(f"{found['of_db'] or DATABASE}.{found['of']}", vocabulary)
    if found["create"]:
        check_table(found["create"], vocabulary)
