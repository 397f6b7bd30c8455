from __future__ import annotations

import pytest

from watchpost_collector.spool.blame import MiscountedError, is_about_content, may_be_content
from watchpost_collector.store.client import QuestionRefused, SegmentRefused, StoreUnavailable


@pytest.mark.parametrize("code", [60, 75, 164, 201, 225, 236, 243, 252, 394, 497])
def test_trouble_of_the_store_is_never_the_segments(code: int) -> None:
    error = StoreUnavailable(f"a segment: Code: {code}. DB::Exception: words")

    assert not may_be_content(error)
    assert not is_about_content(error)


def test_what_may_lie_in_the_segment_is_looked_into() -> None:
    assert may_be_content(StoreUnavailable("a segment: Code: 241. DB::Exception: memory limit"))
    assert may_be_content(MiscountedError("6 spans sent, 4 counted"))
    assert is_about_content(SegmentRefused("a segment: Code: 444. DB::Exception: words"))
    # The same code in a question about it: the segment itself was not read.
    asked = QuestionRefused("query: Code: 6. DB::Exception: words")
    assert may_be_content(asked)
    assert not is_about_content(asked)


def test_trouble_without_a_code_is_waited_for() -> None:
    assert not may_be_content(OSError(28, "No space left on device"))
    assert not may_be_content(StoreUnavailable("a segment: connection refused"))
