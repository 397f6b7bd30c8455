from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchpost_collector.otlp.envelope import Letter, frame_head, read_envelopes, reframe

LETTERS = st.builds(
    Letter,
    body=st.binary(max_size=300),
    project=st.text(st.characters(codec="utf-8"), max_size=20),
    received_ns=st.integers(0, 2**64 - 1),
    spans=st.just(0),
    digest=st.binary(max_size=16),
    backfill=st.booleans(),
)


def frame(letter: Letter, segment: str = "s") -> bytes:
    return frame_head(letter, segment) + letter.body


@given(st.lists(LETTERS, max_size=5))
def test_what_is_framed_is_read_back_in_order(letters: list[Letter]) -> None:
    found = list(read_envelopes(b"".join(map(frame, letters))))

    assert [(bytes(f.body), f.project, f.received_ns, f.digest, f.backfill) for f in found] == [
        (x.body, x.project, x.received_ns, x.digest, x.backfill) for x in letters
    ]
    assert all(f.whole and f.segment == "s" for f in found)


@given(st.lists(LETTERS, min_size=1, max_size=4), st.data())
def test_a_cut_file_yields_every_envelope_before_the_cut_and_none_after(
    letters: list[Letter], data: st.DataObject
) -> None:
    frames = [frame(letter) for letter in letters]
    content = b"".join(frames)
    cut = data.draw(st.integers(0, len(content) - 1))

    found = list(read_envelopes(content[:cut]))

    whole = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    assert [f.end for f in found] == [end for end in whole if end <= cut]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    for found in read_envelopes(content):
        assert 0 <= found.start < found.end <= len(content)


def test_a_flipped_bit_in_a_body_is_noticed() -> None:
    letter = Letter(b"some body", "default", 1, 0)
    content = bytearray(frame(letter))
    content[-1] ^= 1

    [found] = read_envelopes(bytes(content))

    assert not found.whole


def test_reframing_changes_the_segment_and_nothing_else() -> None:
    letter = Letter(b"body", "default", 7, 0, digest=b"d" * 16, backfill=True)
    [found] = read_envelopes(frame(letter, "old"))

    [again] = read_envelopes(reframe(found, "new"))

    assert again.segment == "new"
    assert (bytes(again.body), again.digest, again.backfill) == (b"body", b"d" * 16, True)
    assert again.whole
