"""Windows written for the comparison, against libraries that say the same of one window."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.quality.matching import TICK
from benchmarks.quality.peers.base import Data
from benchmarks.quality.peers.windows import COORDINATES, WINDOW, frechet, kolmogorov, mean, several, stability
from drift.distances.frechet import frechet as distance
from drift.distances.psi import psi

CALLS = 700
END = 620
SCALARS = Data("lengths", None, None)


def lengths(seed: int, calls: int) -> np.ndarray:
    return np.rint(200 * np.exp(0.6 * np.random.default_rng(seed).standard_normal(calls))).astype(np.int64)


def statistic(watch, calls: np.ndarray) -> float:
    """What is said of the window that ends at call ``END``, which is made the first that is looked at."""
    return float(watch(calls[END - WINDOW : END], np.inf).height[0])


def test_the_kolmogorov_smirnov_window_is_scipys():
    baseline, calls = lengths(0, 2000), lengths(1, CALLS)
    expected = stats.ks_2samp(baseline, calls[END - WINDOW : END]).statistic
    found = statistic(kolmogorov(SCALARS, baseline), calls)
    assert found == pytest.approx(expected, abs=2 / WINDOW)  # values between the baseline's own are passed over


def test_the_population_stability_window_is_ours():
    baseline, calls = lengths(2, 2000), lengths(3, CALLS)
    edges = np.quantile(baseline, np.arange(1, 10) / 10)
    before, now = (
        np.bincount(np.searchsorted(edges, part, side="right"), minlength=10)
        for part in (baseline, calls[END - WINDOW : END])
    )
    assert statistic(stability(SCALARS, baseline), calls) == pytest.approx(psi(before, now))


def test_the_frechet_window_is_the_square_of_ours_on_principal_components():
    rng = np.random.default_rng(4)
    rows = (rng.normal(size=(1500, 64)) * np.linspace(0.5, 2, 64)).astype(np.float32)
    data, baseline, calls = Data("models", rows, None), np.arange(800), np.arange(800, 1500)
    x = rows[:800].astype(float)
    axes = np.linalg.eigh(np.cov(x.T))[1][:, -COORDINATES:]
    window = rows[800 + END - WINDOW : 800 + END].astype(float)
    assert statistic(frechet(data, baseline), calls) == pytest.approx(distance(x @ axes, window @ axes) ** 2, rel=1e-6)


def test_windows_of_a_mean_see_a_shift_and_their_scale_is_that_of_noise():
    rng = np.random.default_rng(5)
    watch = several(lambda calls: rng.normal(size=(len(calls), 8)) / np.sqrt(8), 10**9, 8.0)
    calm = np.concatenate([watch(np.arange(TICK * 4), np.inf).height[-1:] for _ in range(2000)])
    assert calm.mean() == pytest.approx(0, abs=0.1) and calm.std() == pytest.approx(1, abs=0.1)
    shifted = mean(SCALARS, lengths(6, 2000))(np.rint(lengths(7, CALLS) * 1.5).astype(np.int64), np.inf)
    assert shifted.height[-1] > 8
