import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.bins import EDGES, LOGS, MISSING, THOUSAND, VALUES, score_values, to_bins, to_score_bins

lengths = st.one_of(st.integers(0, 10**12), st.floats(0, 1e12, allow_subnormal=False))


@given(st.integers(0, 63))
def test_whole_numbers_below_64_have_a_bin_of_their_own(value):
    assert VALUES[to_bins(value)] == value


@given(st.integers(64, 10**12))
def test_the_value_of_a_bin_is_within_two_per_cent_of_what_fell_into_it(value):
    assert VALUES[to_bins(value)] == pytest.approx(value, rel=0.02)


@given(st.integers(0, 10**12))
def test_a_value_lies_between_the_edges_of_its_bin(value):
    place = int(to_bins(value))
    assert EDGES[place] <= value
    assert place + 1 == len(EDGES) or value < EDGES[place + 1]


@given(st.lists(lengths, min_size=1, max_size=30))
def test_bins_of_many_values_are_the_bins_of_each(values):
    np.testing.assert_array_equal(to_bins(values), [int(to_bins(value)) for value in values])


@given(lengths, lengths)
def test_a_larger_value_never_falls_into_a_lower_bin(a, b):
    low, high = sorted((a, b))
    assert to_bins(low) <= to_bins(high)


def test_missing_values_are_counted_apart_and_huge_ones_share_the_last_bin():
    assert to_bins([np.nan, 0.4, 1e15]).tolist() == [MISSING, 0, len(EDGES) - 1]
    assert to_bins(np.full((2, 3), np.nan)).shape == (2, 3)


def test_edges_values_and_logs_rise():
    for series in (EDGES, VALUES, LOGS):
        assert (np.diff(series) > 0).all()


scores = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(scores, scores)
def test_bins_of_scores_are_in_the_order_of_the_scores(one, other):
    low, high = sorted((one, other))
    first, second = to_score_bins([low, high])
    assert first <= second
    assert MISSING not in (first, second)


@given(scores)
def test_a_bin_of_scores_stands_for_scores_within_two_in_a_thousand(score):
    value = score_values(to_score_bins([score]))[0] / THOUSAND
    assert value == pytest.approx(score, rel=2.1e-3, abs=0.0005)


@pytest.mark.parametrize("score", [0, 1, -1, 0.84, -0.251, 2, 5, 75, 100, -3000])
def test_scores_of_few_digits_stand_for_themselves(score):
    assert score_values(to_score_bins([score]))[0] == round(score * THOUSAND)


def test_a_missing_score_is_missing():
    assert to_score_bins([np.nan, 0.5]).tolist() == [MISSING, 500]
