import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.distance import cdist

from drift.distances import mmd
from drift.distances.mmd import squared_mmd
from drift.errors import EmptySampleError, SettingsError, ShapeError
from tests.strategies import sample_pairs


def by_definition(before, now, bandwidth):
    """Lemma 6 of Gretton et al., pair by pair."""
    same = [np.exp(-cdist(x, x, "sqeuclidean") / (2 * bandwidth**2)) for x in (before, now)]
    cross = np.exp(-cdist(before, now, "sqeuclidean") / (2 * bandwidth**2))
    return sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in same) - 2 * cross.mean()


@given(sample_pairs)
def test_mmd_agrees_with_its_definition_and_does_not_mind_which_side_is_which(pair):
    assert squared_mmd(*pair, bandwidth=50.0) == pytest.approx(by_definition(*pair, 50.0), abs=1e-12)
    assert squared_mmd(*pair) == pytest.approx(squared_mmd(*pair[::-1]), abs=1e-12)


@given(sample_pairs)
def test_mmd_by_the_median_heuristic_does_not_mind_the_unit(pair):
    assert squared_mmd(*pair) == pytest.approx(squared_mmd(*(4 * rows for rows in pair)), abs=1e-9)


def test_mmd_does_not_depend_on_how_rows_fall_into_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    pair = rng.normal(size=(2, 100, 3))
    whole = squared_mmd(*pair)
    monkeypatch.setattr(mmd, "BLOCK", 7)
    assert squared_mmd(*pair) == pytest.approx(whole, abs=1e-14)


def test_mmd_is_zero_on_average_without_drift_and_grows_with_it():
    rng = np.random.default_rng(3)
    null = [squared_mmd(*rng.normal(size=(2, 40, 3)), bandwidth=1.5) for _ in range(200)]
    assert abs(np.mean(null)) < 3 * np.std(null) / np.sqrt(200)
    before, now = rng.normal(size=(2, 200, 3))
    shifted = [squared_mmd(before, now + by, bandwidth=1.5) for by in (0.0, 0.5, 1.0, 2.0)]
    assert shifted == sorted(shifted)


def test_mmd_of_rows_that_are_all_equal_is_zero():
    assert squared_mmd(np.ones((5, 2)), np.ones((9, 2))) == 0


@pytest.mark.parametrize(
    ("before", "now", "error", "named"),
    [
        (np.ones((1, 2)), np.ones((3, 2)), EmptySampleError, "baseline must have at least 2 rows, got 1"),
        (np.ones((3, 2)), np.ones((3, 1)), ShapeError, "2 in baseline, 1 in current"),
        (np.ones((3, 2)), np.full((3, 2), np.nan), ShapeError, "current must be finite"),
    ],
)
def test_mmd_names_what_is_wrong_with_a_sample(before, now, error, named):
    with pytest.raises(error, match=named):
        squared_mmd(before, now)


def test_mmd_refuses_a_bandwidth_of_zero():
    with pytest.raises(SettingsError, match="bandwidth must be positive, got 0"):
        squared_mmd(np.ones((2, 1)), np.ones((2, 1)), bandwidth=0)
