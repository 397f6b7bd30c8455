"""Values as literals: nothing a person writes ends one, and nothing on the way replaces a part."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost_collector.alerts.literal import fill_in, write_literal
from watchpost_collector.store.client import Store

HOSTILE = "it's \\ \n \0 ; drop table spans -- $__timeFilter(x) ${HOME} $HOME [[v]] {{.x}} `é🦀"


def test_a_text_comes_back_from_the_engine_as_it_was(embedded_store: Store) -> None:
    for text in (HOSTILE, "", "'", "\\'", "\\x41", "%s", "{x:String}"):
        asked = f"select {write_literal(text)} as t, {write_literal([text, 'b'])} as l"
        assert embedded_store.query(asked).rows == [(text, [text, "b"])]


@given(st.text())
@settings(max_examples=60, deadline=None)
def test_a_literal_holds_one_quote_at_each_end_and_nothing_that_others_replace(text: str) -> None:
    try:
        literal = write_literal(text)
    except UnicodeEncodeError:
        return
    inside = literal[1:-1]
    assert literal[0] == literal[-1] == "'"
    assert not set("'$`{}[]\"\n;%") & set(inside)
    assert inside.replace("\\x", "").isascii()


def test_numbers_are_written_whole() -> None:
    assert write_literal([0, -1, 0.1, 1e-9]) == "[0, -1, 0.1, 1e-09]"
    for value in (math.nan, True, None, {}, b"x"):
        with pytest.raises(TypeError):
            write_literal(value)


def test_each_place_gets_its_value_in_its_type() -> None:
    sql = "{a:UInt32} {b:Array(String)} {a:UInt32} {now:Array(UInt32)}"
    filled = fill_in(sql, {"a": 5, "b": ["{a:UInt32}"]}, {"now": "[now()]"})
    assert filled == (
        "CAST(5, 'UInt32') CAST(['\\x7Ba:UInt32\\x7D'], 'Array(String)') CAST(5, 'UInt32') "
        "CAST([now()], 'Array(UInt32)')"
    )
    with pytest.raises(KeyError):
        fill_in("{missing:UInt32}", {}, {})
