from dataclasses import replace

import numpy as np
import pytest

from drift.bins import to_bins
from drift.block import Block, Layout
from drift.detectors.rate import Rate
from drift.effects import along, direction, effect
from tests.drift import builders

BASELINE = builders.baseline(4000, 101)
LAYOUT = Layout.of(BASELINE)


def sums(n, seed, **drift):
    """Sums of one block of calls; topics are not taken to have grown."""
    return Block(BASELINE, LAYOUT, builders.pane(builders.calls(n, seed, **drift)), 1.0).vector


def test_the_interval_of_a_rate_is_newcombes():
    # Newcombe (1998), example (a) of his table II by method 10: 56/70 against 48/80, .0524 to .3339.
    baseline = replace(BASELINE)
    vars(baseline)["panel"] = replace(BASELINE.panel, rates={"error": Rate(48, 80)})
    vector = np.zeros(LAYOUT.width)
    vector[LAYOUT.flags["error"]], vector[LAYOUT.calls] = 56, 70
    found = effect(baseline, LAYOUT, "error", vector)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert found.estimate == pytest.approx(0.2)
    assert found.surely == found.low


def squares(detector):
    """Squared mean shifts of undrifted blocks in units of what noise explains, for features of unit variance."""
    found, fit = [], BASELINE.fit
    inputs = detector == "inputs"
    for seed in range(60):
        vector = sums(400, 5000 + seed)
        calls = vector[LAYOUT.topics].sum() if inputs else vector[LAYOUT.compared]
        mean = vector[LAYOUT.inputs if inputs else LAYOUT.answers] / calls
        mean -= fit.input_mean if inputs else fit.residual_mean
        found.append((mean @ mean) / effect(BASELINE, LAYOUT, detector, vector).noise ** 2)
    return np.mean(found)


def test_the_square_of_a_shift_of_inputs_is_unbiased_without_drift():
    assert squares("inputs") == pytest.approx(1, abs=0.12)


def test_the_square_of_a_shift_of_answers_is_what_their_residual_variance_explains_and_no_more_than_is_taken_off():
    variance = BASELINE.fit.residuals.var(axis=0).mean()
    assert variance < 1
    assert squares("answers") == pytest.approx(variance, abs=0.1)


def test_a_shift_of_answers_has_the_size_that_was_planted():
    n = 4000
    vector = sums(n, 102)
    vector[LAYOUT.answers] = n * BASELINE.fit.residual_mean
    vector[LAYOUT.answers.start] += 0.5 * n
    vector[LAYOUT.compared] = n
    found = effect(BASELINE, LAYOUT, "answers", vector)
    assert found.size == pytest.approx(0.5, abs=0.05)
    assert found.low < 0.5 < found.high


def test_total_variation_without_drift_is_its_noise_floor():
    seen = []
    for seed in range(40):
        counts = sums(400, 2000 + seed)[LAYOUT.topics]
        seen.append(np.abs(counts / counts.sum() - BASELINE.fit.proportions).sum() / 2)
    assert np.mean(seen) == pytest.approx(effect(BASELINE, LAYOUT, "topics", sums(400, 103)).noise, rel=0.1)


def test_a_new_mix_of_topics_has_its_total_variation():
    mix = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    found = effect(BASELINE, LAYOUT, "topics", sums(3000, 104, mix=mix))
    assert found.size == pytest.approx(1 / 3, abs=0.06)
    assert found.low < found.size < found.high <= 1
    assert 0.0 <= effect(BASELINE, LAYOUT, "topics", sums(3000, 105)).size < 0.06


@pytest.mark.parametrize(("longer", "change"), [(1.0, 0.0), (1.2, 0.2), (0.8, -0.2)])
def test_a_change_of_length_is_relative_and_has_a_sign(longer, change):
    found = effect(BASELINE, LAYOUT, "output_length", sums(3000, 106, longer=longer))
    if change:
        assert found.measure == "typical output length"
        assert found.estimate == pytest.approx(change, abs=0.05)
        assert found.current / found.baseline == pytest.approx(1 + change, abs=0.05)
    assert found.size == pytest.approx(np.sqrt(max(found.estimate**2 - found.noise**2, 0)))
    assert found.low < change < found.high


def test_a_change_of_spread_is_called_one():
    vector = sums(3000, 107)
    n, _, _, logs, squares = vector[LAYOUT.scalars["latency"]]
    mean, variance = logs / n, squares / n - (logs / n) ** 2
    vector[LAYOUT.scalars["latency"]] = [n, 0.0, 0.3 * n, logs, n * (4 * variance + mean**2)]
    found = effect(BASELINE, LAYOUT, "latency", vector)
    assert found.measure == "spread of latency"
    assert found.estimate == pytest.approx(1, abs=0.1)


def test_intervals_of_a_spread_are_as_wide_as_tails_ask_for():
    """Logs of latencies of a Laplace distribution, whose kurtosis is 6, on both sides; now 1.5 times as spread."""
    covered, rng, scale = [], np.random.default_rng(7), BASELINE.fit.scales["latency"]
    for _ in range(200):
        bins, weights = np.unique(to_bins(np.exp(rng.laplace(7.0, 0.3, 2000))), return_counts=True)
        baseline = replace(BASELINE)
        scales = {**BASELINE.fit.scales, "latency": replace(scale, bins=bins, weights=weights.astype(np.float64))}
        vars(baseline)["fit"] = replace(BASELINE.fit, scales=scales)
        n, logs = 300, np.log1p(np.exp(rng.laplace(7.0, 0.45, 300)))
        vector = np.zeros(LAYOUT.width)
        vector[LAYOUT.scalars["latency"]] = [n, 0.0, 0.3 * n, logs.sum(), logs @ logs]
        found = effect(baseline, LAYOUT, "latency", vector)
        assert found.measure == "spread of latency"
        covered.append(found.low < 0.5 < found.high)
    assert 0.9 < np.mean(covered) < 0.99


def test_intervals_of_a_rate_cover_no_change_about_as_often_as_they_say():
    covered = []
    for seed in range(60):
        found = effect(BASELINE, LAYOUT, "error", sums(400, 3000 + seed))
        covered.append(found.low <= 0.02 - found.baseline <= found.high)
    assert np.mean(covered) > 0.85


@pytest.mark.parametrize("detector", BASELINE.panel.names)
def test_no_calls_have_no_effect(detector):
    assert effect(BASELINE, LAYOUT, detector, np.zeros(LAYOUT.width)) is None


@pytest.mark.parametrize("detector", ["inputs", "answers"])
def test_a_direction_has_unit_length_and_drift_lies_along_it(detector):
    drifted = sums(2000, 108, model=1.5, mix=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    way = direction(BASELINE, LAYOUT, detector, drifted)
    assert np.linalg.norm(way) == pytest.approx(1)
    assert along(BASELINE, LAYOUT, detector, drifted, way) > 0.1
    assert along(BASELINE, LAYOUT, detector, sums(2000, 109), way) < 0.05


def test_topics_that_grew_and_shrank_point_the_way_of_a_mix():
    drifted = sums(2000, 110, mix=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    way = direction(BASELINE, LAYOUT, "topics", drifted)
    assert set(way) <= {-1.0, 0.0, 1.0}
    assert along(BASELINE, LAYOUT, "topics", drifted, way) > 0.2
    assert along(BASELINE, LAYOUT, "topics", sums(2000, 111), way) < 0.03
    assert direction(BASELINE, LAYOUT, "latency", drifted).size == 0
