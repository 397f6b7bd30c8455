"""The order of a service's work, over arbitrary arrivals: nothing lost, nobody passed over."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost_guards.service.schedule import (
    LENGTHS,
    READING_PACE,
    Bounds,
    Piece,
    Schedule,
    Taken,
    find_widest,
    pad_length,
)

BUDGET = 2048
NEVER = math.inf

texts = st.lists(st.integers(1, 512), min_size=1, max_size=6)
steps = st.one_of(
    st.tuples(st.just("come"), st.sampled_from("abc"), texts, st.floats(0.1, 5.0)),
    st.tuples(st.just("take"), st.floats(0.0, 1.0)),
    st.tuples(st.just("drop"), st.floats(0.0, 1.0)),
)


@dataclass
class Play:
    """Arrivals and batches as they happened, and what must be true of each."""

    schedule: Schedule[int] = field(default_factory=lambda: Schedule(Bounds(BUDGET, 8 * BUDGET)))
    now_s: float = 100.0
    # Accepted pieces by number, in order of arrival, and what became of them.
    accepted: dict[int, Piece[int]] = field(default_factory=dict)
    computed: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    def come(self, lane: str, sizes: list[int], patience_s: float) -> None:
        first = len(self.accepted)
        pieces = [
            Piece(lane, size, self.now_s + patience_s, first + number)
            for number, size in enumerate(sizes)
        ]
        if self.schedule.offer(pieces, self.now_s):
            self.accepted |= {piece.content: piece for piece in pieces}
        else:
            assert self.schedule.waiting_tokens >= 8 * BUDGET

    def take(self, spent_s: float) -> Taken[int] | None:
        taken = self.schedule.take(self.now_s)
        if taken is not None:
            self.check(taken)
        self.now_s += spent_s
        return taken

    def drop(self, spent_s: float) -> None:
        self.count_late(self.schedule.drop_late(self.now_s))
        waiting = self.find_waiting()
        assert all(self.accepted[number].deadline_s > self.now_s for number in waiting)
        self.now_s += spent_s

    def check(self, taken: Taken[int]) -> None:
        assert len(taken.pieces) * taken.length <= BUDGET
        for piece in taken.pieces:
            assert piece.lane == taken.lane
            assert piece.tokens <= taken.length == pad_length(piece.tokens)
            assert piece.deadline_s > self.now_s
        self.computed += [piece.content for piece in taken.pieces]
        self.count_late(taken.late)

    def count_late(self, pieces: tuple[Piece[int], ...]) -> None:
        assert all(piece.deadline_s <= self.now_s for piece in pieces)
        self.late += [piece.content for piece in pieces]

    def find_waiting(self) -> set[int]:
        return self.accepted.keys() - {*self.computed, *self.late}


@given(st.lists(steps, max_size=40))
@settings(deadline=None, max_examples=40)
def test_every_piece_is_computed_in_time_or_dropped_too_late_and_each_once(script: list) -> None:
    play = Play()
    for what, *how in script:
        getattr(play, what)(*how)
        waiting = play.find_waiting()
        expected = sum(pad_length(play.accepted[number].tokens) for number in waiting)
        assert play.schedule.waiting_tokens == expected
    while play.take(0.01) is not None:
        pass
    done = [*play.computed, *play.late]
    assert sorted(done) == sorted(play.accepted)
    assert play.schedule.waiting_tokens == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 512)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=40)
def test_the_first_to_come_leads_and_nobody_joins_before_his_turn(
    arrivals: list[tuple[str, int]],
) -> None:
    schedule: Schedule[int] = Schedule(Bounds(BUDGET))
    for number, (lane, size) in enumerate(arrivals):
        assert schedule.offer([Piece(lane, size, NEVER, number)], float(number))
    waiting = dict(enumerate(arrivals))
    while (taken := schedule.take(1000.0)) is not None:
        joined = [piece.content for piece in taken.pieces]
        alike = [
            number
            for number, (lane, size) in waiting.items()
            if (lane, pad_length(size)) == (taken.lane, taken.length)
        ]
        assert joined[0] == min(waiting)
        assert joined == alike[: len(joined)]
        assert len(joined) == min(len(alike), BUDGET // taken.length)
        for number in joined:
            del waiting[number]
    assert not waiting


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_an_endless_stream_of_newcomers_holds_nobody_up(data: st.DataObject) -> None:
    schedule: Schedule[str] = Schedule(Bounds(BUDGET, 1_000_000))
    schedule.offer([Piece("old", 300, NEVER, "old")], 0.0)
    schedule.offer([Piece("new", 40, NEVER, "new")] * data.draw(st.integers(0, 200)), 0.0)
    before = schedule.waiting_tokens
    batches = 0
    while (taken := schedule.take(float(batches))) is not None:
        if any(piece.content == "old" for piece in taken.pieces):
            break
        batches += 1
        newcomers = data.draw(st.integers(1, 30))
        schedule.offer([Piece("new", 40, NEVER, "new")] * newcomers, float(batches))
    assert batches <= before // BUDGET + 1


def test_a_short_text_does_not_wait_for_a_whole_book() -> None:
    schedule: Schedule[str] = Schedule(Bounds(1024))
    schedule.offer([Piece("model", 512, NEVER, "book")] * 100, 0.0)
    schedule.offer([Piece("model", 512, NEVER, "word")], 1024 / READING_PACE)
    taken = [schedule.take(1.0), schedule.take(1.0)]
    assert [piece.content for batch in taken if batch for piece in batch.pieces] == [
        "book",
        "book",
        "book",
        "word",
    ]


def test_a_book_is_taken_whole_where_there_is_room_and_refused_whole_where_there_is_none() -> None:
    schedule: Schedule[str] = Schedule(Bounds(1024, 600))
    book = [Piece("model", 512, NEVER, "book")] * 100
    assert schedule.offer(book, 0.0)
    assert not schedule.offer([Piece("model", 1, NEVER, "word")], 0.0)
    assert schedule.waiting_tokens == 100 * 512


def test_what_no_batch_can_hold_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="1024 tokens"):
        Schedule(Bounds(1024)).offer([Piece("model", 1025, NEVER, "wide")], 0.0)


@given(st.integers(16, 10_000))
def test_the_widest_piece_fits_and_the_next_length_does_not(budget: int) -> None:
    widest = find_widest(Bounds(budget))
    assert pad_length(widest) <= budget < pad_length(widest + 1)


@given(st.integers(1, 10_000))
def test_a_piece_is_padded_to_the_next_length_and_not_beyond(tokens: int) -> None:
    length = pad_length(tokens)
    assert length >= tokens
    assert length in LENGTHS or length % LENGTHS[-1] == 0
    assert length - tokens < LENGTHS[-1]
