import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from drift.distances.frechet import frechet
from tests.strategies import sample_pairs


@given(sample_pairs)
def test_frechet_is_symmetric_and_never_negative(pair):
    assert frechet(*pair) == pytest.approx(frechet(*pair[::-1]), abs=1e-3)
    assert frechet(*pair) >= 0


@given(sample_pairs, st.floats(0, 100))
def test_frechet_of_a_sample_with_its_own_shift_is_the_length_of_the_shift(pair, by):
    rows = pair[0]
    shift = np.full(rows.shape[1], by)
    assert frechet(rows, rows + shift) == pytest.approx(np.linalg.norm(shift), abs=1e-3)


def test_frechet_agrees_with_the_matrix_root():
    rng = np.random.default_rng(4)
    before, now = rng.normal(size=(300, 5)), rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5)) + 0.3
    c, d = np.cov(before.T), np.cov(now.T)
    squared = np.sum((before.mean(0) - now.mean(0)) ** 2) + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet(before, now) ** 2 == pytest.approx(squared)


def test_frechet_in_one_dimension_is_the_distance_of_mean_and_standard_deviation():
    rng = np.random.default_rng(5)
    before, now = rng.normal(size=(50, 1)), 3 * rng.normal(size=(60, 1)) + 2
    expected = np.hypot(before.mean() - now.mean(), before.std(ddof=1) - now.std(ddof=1))
    assert frechet(before, now) == pytest.approx(expected)


def test_frechet_bears_fewer_rows_than_coordinates():
    rows = np.random.default_rng(6).normal(size=(5, 40))
    assert frechet(rows, rows + 1) == pytest.approx(np.sqrt(40))
