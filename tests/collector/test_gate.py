"""The gate: which questions pass, and that judging one runs nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from watchpost_collector.query.gate import MAXIMUM_QUERY_BYTES, Question, examine
from watchpost_collector.query.session import Limits, QueryFailed, Refused, Session, open_session
from watchpost_collector.query.vocabulary import read_vocabulary
from watchpost_collector.store.client import Store


@contextmanager
def _session(store: Store) -> Iterator[Session]:
    with open_session(store.dsn, Limits(execution_s=10)) as session:
        yield session


def _examine(store: Store, sql: str, parameters: Mapping[str, str] | None = None) -> Question:
    with _session(store) as session:
        return examine(session, sql, parameters or {})


def test_the_text_that_is_run_is_the_one_that_was_judged(store: Store) -> None:
    question = _examine(store, "sElEcT /* hidden */ 1 -- more\n  , 'a;b' # end\n ; ")
    assert question == Question("SELECT\n    1,\n    'a;b'", None)


def test_the_output_format_is_taken_out_of_the_text(store: Store) -> None:
    assert _examine(store, "SELECT 1 FORMAT JSONCompact") == Question("SELECT 1", "JSONCompact")
    question = _examine(store, "SELECT ' FORMAT Template'")
    assert question.fmt is None
    with pytest.raises(Refused, match="FORMAT Template"):
        _examine(store, "SELECT 1 FORMAT Template")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DROP TABLE watchpost.spans",
        "SELECT 1;DROP TABLE watchpost.spans;--",
        "SELECT 1 -- ;\n; DROP TABLE watchpost.spans",
        "EXPLAIN AST SELECT 1; DROP TABLE watchpost.spans",
        "SELECT $$; $$; DROP TABLE watchpost.spans",
        "SELECT '\\'; DROP TABLE watchpost.spans; --'; DROP TABLE watchpost.spans",
        "SELECT 1 PARALLEL WITH DROP TABLE watchpost.spans",
    ],
)
def test_judging_stacked_statements_runs_none_of_them(store: Store, sql: str) -> None:
    with pytest.raises(QueryFailed):
        _examine(store, sql)
    assert list(store.query("EXISTS TABLE watchpost.spans")) == [(1,)]


def test_a_function_is_judged_by_the_name_the_engine_sees(store: Store) -> None:
    for spelled in ("file('x')", "`file`('x')", "\"file\"('x')", "file /**/ ('x')", "FILE('x')"):
        with pytest.raises(QueryFailed) as caught:
            _examine(store, f"SELECT {spelled}")
        assert caught.value.code == 497, spelled


@pytest.mark.parametrize(
    "hiding_place",
    [
        "arrayMap(x -> {}, ['a'])",
        "(SELECT {})",
        "sum(1) OVER (ORDER BY {})",
        "sum(1) OVER (ORDER BY 1 ROWS BETWEEN length({}) PRECEDING AND CURRENT ROW)",
        "* REPLACE ({} AS a) FROM (SELECT 1 AS a)",
        "quantile(length({}))(1)",
        "count() FILTER (WHERE {} = 'a')",
        "if(0, {}, 'b')",
        "CAST({} AS String)",
        "1 FROM numbers(1) ORDER BY {}",
        "number FROM numbers(1) ORDER BY number WITH FILL FROM length({})",
        "number AS a FROM numbers(1) ORDER BY 1 WITH FILL INTERPOLATE (a AS length({}))",
        "1 LIMIT length({})",
        "1 QUALIFY {} = 'a'",
        "1 FROM numbers(1) ARRAY JOIN [{}] AS x",
        "1 FROM numbers(1) AS a JOIN numbers(1) AS b ON {} = 'a'",
        "1 FROM numbers(length({}))",
        "1 FROM view(SELECT {})",
        "1 WHERE 1 IN (SELECT length({}))",
        "1 GROUP BY GROUPING SETS ((1), ({}))",
        "count() OVER w FROM numbers(1) WINDOW w AS (PARTITION BY {})",
        "1 UNION ALL SELECT {}",
        "1 INTERSECT SELECT {}",
        "* EXCEPT (x) FROM (SELECT 1 AS x, {} AS y)",
    ],
)
def test_a_function_is_found_wherever_it_hides(store: Store, hiding_place: str) -> None:
    with pytest.raises(Refused):
        _examine(store, f"SELECT {hiding_place.replace('{}', chr(102) + 'ile(1)')}")
    # The place itself is allowed: only what hid there was not.
    harmless = hiding_place.replace("{}", "toString(1)")
    assert _examine(store, f"SELECT {harmless}").sql.startswith("SELECT")


def test_a_function_applied_by_name_alone_is_refused(store: Store) -> None:
    for applied in ("APPLY(file)", "APPLY file", "APPLY(x -> file(x))"):
        with pytest.raises(Refused):
            _examine(store, f"SELECT * {applied} FROM numbers(1)")


def test_a_dictionary_of_another_database_is_refused_however_it_is_named(store: Store) -> None:
    for name in (
        "'other.d'",
        "concat('other', '.d')",
        "other.d",
        "(SELECT 'other.d')",
        "{n:String}",
    ):
        with pytest.raises(QueryFailed) as caught:
            _examine(store, f"SELECT dictGet({name}, 'x', 1)", {"n": "other.d"})
        assert caught.value.code == 497, name
    assert _examine(store, "SELECT dictGet('watchpost.prices_by_model', 'x', 1)")


def test_a_table_of_another_database_is_refused_even_as_the_set_of_in(store: Store) -> None:
    for sql in (
        "SELECT * FROM system.query_log",
        "SELECT * FROM `system`.`query_log`",
        "SELECT * FROM default.spans",
        "SELECT 1 WHERE 1 IN system.processes",
        "SELECT 1 WHERE in(1, system.processes)",
        "SELECT 1 WHERE 1 GLOBAL NOT IN (system.processes)",
        "WITH q AS (SELECT * FROM system.users) SELECT 1",
        "SELECT * FROM {t:Identifier}.processes",
        "SELECT * FROM {t:Identifier}",
        "DESCRIBE TABLE system.named_collections",
        "SHOW CREATE TABLE system.users",
    ):
        parameters = {"t": "system" if "}.p" in sql else "system.processes"}
        with pytest.raises(QueryFailed) as caught:
            _examine(store, sql, parameters)
        assert caught.value.code in (497, 62), sql


def test_names_cannot_write_lines_into_the_judged_tree(store: Store) -> None:
    for name in ("`a\nb`", "`a\\nb`", "`x (alias y)`", "`x (children 1)`"):
        with pytest.raises(Refused, match="names"):
            _examine(store, f"SELECT 1 AS {name}")
    with pytest.raises(Refused, match="identifier"):
        _examine(store, "SELECT 1 AS a, {i:Identifier}", {"i": "a\\n Function sum"})


def test_catalogue_questions_pass_only_in_their_plain_form(store: Store) -> None:
    for sql in (
        "SHOW TABLES",
        "show tables from watchpost like 'a%' limit 3",
        "SHOW DATABASES",
        "SHOW FULL COLUMNS FROM spans",
        "SHOW CREATE TABLE watchpost.spans",
        "DESCRIBE TABLE watchpost.spans",
        "DESC (SELECT 1 AS a)",
        "EXISTS TABLE watchpost.spans",
        "EXISTS spans",
    ):
        assert _examine(store, sql).sql
    for sql in (
        "SHOW TABLES WHERE file('x') = 'a'",
        "SHOW COLUMNS FROM spans WHERE 1",
        "SHOW TABLES FROM other",
        "SHOW PROCESSLIST",
        "SHOW GRANTS",
        "SHOW USERS",
        "SHOW CREATE USER default",
        "SHOW SETTINGS LIKE 'a'",
        "DESCRIBE TABLE url('http://127.0.0.1:1/')",
        "EXPLAIN SELECT 1",
    ):
        with pytest.raises(Refused):
            _examine(store, sql)


def test_a_question_that_is_too_long_or_no_text_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="too long"):
        _examine(store, "SELECT '" + "a" * MAXIMUM_QUERY_BYTES + "'")
    with pytest.raises(Refused, match="UTF-8"):
        _examine(store, "SELECT '\\xff'")
    for nothing in ("", " ", "-- only a remark", ";"):
        with pytest.raises(QueryFailed):
            _examine(store, nothing)


def test_a_question_is_told_what_is_wrong_with_it(store: Store) -> None:
    with pytest.raises(QueryFailed, match="Syntax error") as caught:
        _examine(store, "SELECT FROM WHERE")
    assert caught.value.code == 62
    with pytest.raises(QueryFailed, match="Substitution `x` is not set"):
        _examine(store, "SELECT {x:UInt8}")


def test_the_review_covers_every_function_of_the_installed_engine(store: Store) -> None:
    vocabulary = read_vocabulary()
    names = [name for (name,) in store.query("SELECT name FROM system.functions")]
    reviewed = vocabulary.refused | vocabulary.dictionary_functions
    unreviewed = {n for n in names if n not in reviewed and not vocabulary.has_function(n)}
    # An engine newer than the review refuses these until someone has looked at them.
    assert len(unreviewed) < len(names) / 10
    assert {"file", "getSetting", "joinGet", "sleep", "url", "s3"} <= vocabulary.refused


def test_nothing_is_both_allowed_and_refused() -> None:
    vocabulary = read_vocabulary()
    assert [name for name in vocabulary.refused if vocabulary.has_function(name)] == []
    assert vocabulary.refused & vocabulary.table_functions == set()


def test_the_vocabulary_is_text_a_person_can_review() -> None:
    import watchpost_collector.query as room

    text = (Path(room.__file__).parent / "vocabulary.txt").read_text()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert json.dumps(text).isascii()
