import math

import numpy as np
import pytest
from hypothesis import given
from scipy.stats import entropy

from drift.distances.psi import psi
from drift.errors import EmptySampleError, SettingsError, ShapeError
from tests.strategies import count_pairs, counts


@given(count_pairs)
def test_psi_is_symmetric_and_never_negative(pair):
    assert psi(*pair) == pytest.approx(psi(*pair[::-1]))
    assert psi(*pair) >= 0


@given(counts)
def test_psi_of_a_histogram_with_a_multiple_of_itself_is_zero(histogram):
    assert psi(histogram, 7 * histogram) == pytest.approx(0, abs=1e-12)


def test_psi_is_the_symmetric_kullback_leibler_divergence_of_scipy():
    rng = np.random.default_rng(1)
    before, now = rng.integers(50, 200, (2, 10))
    assert psi(before, now) == pytest.approx(entropy(before, now) + entropy(now, before))


def test_psi_of_a_bin_that_empties_follows_from_the_floor():
    assert psi([1, 1], [2, 0], floor=0.01) == pytest.approx(0.5 * math.log(2) + 0.49 * math.log(50))


@pytest.mark.parametrize("floor", [0.0, 1.0, math.nan])
def test_psi_refuses_a_floor_that_is_no_proportion(floor):
    with pytest.raises(SettingsError, match="floor"):
        psi([1], [1], floor=floor)


@pytest.mark.parametrize(
    ("baseline", "current", "error", "named"),
    [
        ([1, 2], [1], ShapeError, "2 in baseline and 1 in current"),
        ([[1]], [[1]], ShapeError, "baseline must have 1 dimension"),
        ([1, -2], [1, 1], ShapeError, "-2"),
        ([1.0], [math.nan], ShapeError, "current must be finite"),
        ([0, 0], [1, 1], EmptySampleError, "baseline holds no counts"),
        ([], [], EmptySampleError, "baseline holds no counts"),
    ],
)
def test_psi_names_what_is_wrong_with_a_histogram(baseline, current, error, named):
    with pytest.raises(error, match=named):
        psi(baseline, current)
