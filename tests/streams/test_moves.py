from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import CorruptError
from streams.moves import Announced, Timetable, decode, encode

SEGMENTS, TAGS = ("bot/answer", "bot#1@x"), ("prod", "next")

moves = st.builds(
    Announced,
    segment=st.sampled_from(SEGMENTS),
    tag=st.sampled_from(TAGS),
    sequence=st.integers(1, 6),
    baseline=st.text("0123456789abcdef", min_size=16, max_size=16),
    lens=st.sampled_from(("a" * 16, "b" * 16)),
    effective=st.integers(0, 50).map(lambda tick: tick * 10_000),
    moved_at=st.just("2026-01-05T10:00:00Z"),
    by=st.text(max_size=3),
    why=st.text(max_size=3),
    previous=st.sampled_from(("", "c" * 16)),
)
ticks = st.integers(0, 60).map(lambda tick: tick * 10_000)


def _table(found: list[Announced]) -> Timetable:
    table = Timetable("prod")
    for move in found:
        table.add(move)
    return table


@given(moves)
def test_a_move_is_read_as_it_was_written(move):
    assert decode(encode(move)) == move


@given(st.lists(moves, max_size=12), st.randoms(), ticks, st.sampled_from(SEGMENTS))
def test_neither_the_order_of_moves_nor_repeats_of_them_change_what_holds(found, random, tick, segment):
    again = found + random.sample(found, len(found) // 2)
    random.shuffle(again)
    assert _table(found).at(segment, tick) == _table(again).at(segment, tick)
    assert _table(found).moves(segment) == _table(again).moves(segment)


@given(st.lists(moves, max_size=12, unique_by=lambda move: move.name), ticks, st.sampled_from(SEGMENTS))
def test_the_youngest_of_the_moves_that_are_effective_holds(found, tick, segment):
    wanted = [m for m in found if m.segment == segment and m.tag == "prod" and m.effective <= tick]
    assert _table(found).at(segment, tick) == max(wanted, key=lambda move: move.sequence, default=None)


@given(st.lists(moves, max_size=12))
def test_moves_of_other_tags_are_passed_over(found):
    assert set(_table(found).segments) == {move.segment for move in found if move.tag == "prod"}


def test_a_later_move_that_is_effective_earlier_takes_the_place_of_the_one_before():
    table = _table([_move(1, 0), _move(2, 90_000), _move(3, 60_000)])
    assert [table.at("bot/answer", tick).sequence for tick in (50_000, 60_000, 90_000, 10**15)] == [1, 3, 3, 3]


def test_a_tag_holds_for_no_tick_before_its_first_move():
    assert _table([_move(1, 60_000)]).at("bot/answer", 59_999) is None
    assert Timetable("prod").at("bot/answer", 0) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"segment": 1}', b"\xff"])
def test_what_is_no_move_is_refused(data):
    with pytest.raises(CorruptError, match="neither a move of a tag nor"):
        decode(data)


@given(moves, moves)
def test_two_moves_have_one_name_only_if_they_are_the_same_move_of_a_tag(one, other):
    same = (one.segment, one.tag, one.sequence) == (other.segment, other.tag, other.sequence)
    assert (one.name == other.name) == same


def _move(sequence: int, effective: int) -> Announced:
    return Announced("bot/answer", "prod", sequence, f"{sequence:016x}", "a" * 16, effective, "2026-01-05T10:00:00Z")
