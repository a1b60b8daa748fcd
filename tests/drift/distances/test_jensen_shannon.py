import pytest
from hypothesis import given
from scipy.spatial.distance import jensenshannon

from drift.distances.jensen_shannon import jensen_shannon
from tests.strategies import count_pairs, counts


@given(count_pairs)
def test_jensen_shannon_is_symmetric_and_between_zero_and_one(pair):
    assert jensen_shannon(*pair) == pytest.approx(jensen_shannon(*pair[::-1]), abs=1e-7)
    assert 0 <= jensen_shannon(*pair) <= 1


@given(count_pairs)
def test_jensen_shannon_squared_agrees_with_scipy(pair):
    # scipy takes the root of a rounding error below zero, and gives NaN; squares are compared because of it.
    oracle = jensenshannon(*pair, base=2)
    assert jensen_shannon(*pair) ** 2 == pytest.approx(0 if oracle != oracle else oracle**2, abs=1e-12)


@given(counts)
def test_jensen_shannon_of_equal_proportions_is_zero(histogram):
    assert jensen_shannon(histogram, 3 * histogram) == pytest.approx(0, abs=1e-7)


def test_jensen_shannon_of_histograms_with_no_bin_in_common_is_one():
    assert jensen_shannon([5, 0, 1], [0, 9, 0]) == 1
