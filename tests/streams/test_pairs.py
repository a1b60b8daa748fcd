"""Which calls make a pair, and what is said of the others."""

import random

from hypothesis import given
from hypothesis import strategies as st

from streams.pairs import join, partners
from streams.records import Record


def call(pair, at=0, *, input="how?", output="", **fields):
    return Record(
        f"{pair}-{at}-{output}", at, "bot", pair_id=pair, input=input, output=output or f"answer {pair}", **fields
    )


def test_calls_of_one_pair_id_and_input_are_a_pair_in_order_of_time():
    joined = join([call("b", 2), call("a", 1)], [call("a", 9, output="else"), call("b", 3, output="else")])
    assert [one.pair_id for one in joined.live] == ["a", "b"]
    assert [one.output for one in joined.shadow] == ["else", "else"]
    assert list(joined.left_out()) == []


def test_of_a_pair_id_that_comes_twice_on_a_side_the_first_by_time_counts():
    joined = join(
        [call("a", 5, output="late"), call("a", 1, output="early")], [call("a", 2), call("a", 3), call("a", 4)]
    )
    assert [one.output for one in joined.live] == ["early"]
    assert joined.twice == 3
    assert "pair_id came before on their side: 3" in " ".join(joined.left_out())


def test_a_pair_whose_inputs_differ_is_counted_and_left_out():
    joined = join([call("a"), call("b")], [call("a", input="why?"), call("b")])
    assert [one.pair_id for one in joined.live] == ["b"]
    assert joined.other_input == 1
    assert joined.alone == (0, 0)
    assert "inputs differ, left out: 1" in " ".join(joined.left_out())


def test_calls_without_a_partner_or_a_pair_id_are_counted_side_by_side():
    joined = join([call("a"), call("b"), call("c"), call("")], [call("a"), call("d"), call("", 1), call("", 2)])
    assert len(joined) == 1
    assert joined.alone == (2, 1)
    assert joined.nameless == (1, 2)
    said = " ".join(joined.left_out("old", "new"))
    assert "2 old, 1 new" in said and "1 old, 2 new" in said and "--map pair_id=PATH" in said


def test_the_same_two_answers_to_the_same_input_are_no_fresh_evidence_whichever_side_gave_which():
    yes_no = [
        call("a", 1, output="yes"),
        call("b", 2, output="yes"),
        call("c", 3, output="no"),
        call("d", 4, output="yes"),
    ]
    no_yes = [
        call("a", 1, output="no"),
        call("b", 2, output="no"),
        call("c", 3, output="yes"),
        call("d", 4, output="so"),
    ]
    joined = join(yes_no, no_yes)
    assert [one.pair_id for one in joined.live] == ["a", "d"]
    assert joined.known_before == 2


def test_answers_that_failed_otherwise_are_other_answers():
    live = [call("a", 1, output="yes"), call("b", 2, output="yes")]
    shadow = [call("a", 1, output=" ", error_type="timeout"), call("b", 2, output=" ", error_type="rate_limit")]
    assert len(join(live, shadow)) == 2


sides = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from(["yes", "no"])), max_size=12)


@given(sides, sides, st.integers(0, 99))
def test_the_order_of_lines_changes_nothing(live, shadow, seed):
    one, other = ([call(pair, at, output=output) for pair, at, output in side] for side in (live, shadow))
    joined = join(one, other)
    mixed = random.Random(seed)
    assert join(mixed.sample(one, len(one)), mixed.sample(other, len(other))) == joined
    assert 2 * len(joined) + sum(joined.alone) + joined.twice + 2 * joined.known_before == len(live) + len(shadow)


def test_equal_segments_belong_together_and_else_live_and_shadow():
    assert partners(["a", "b", "c"], ["a", "b#shadow", "d", "a#shadow"]) == [("a", "a"), ("b", "b#shadow")]
    assert partners(["a", "a#shadow"], ["a#shadow"]) == [("a#shadow", "a#shadow")]
    assert partners(["a"], ["b"]) == []
