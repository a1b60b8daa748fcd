from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import legendre

from drift.fit import Features, Scale, fit, rates, scale_of
from tests.drift import builders

FRAME, FEATURES = builders.baseline().frame, builders.features()
ONES = np.ones(len(FEATURES.topic))


def repeated(features, index):
    return Features(*(getattr(features, field.name)[index] for field in fields(Features)))


def test_residuals_of_the_baseline_have_mean_near_zero_and_about_unit_variance():
    made = fit(FRAME, FEATURES, ONES)
    centred = made.residuals - made.residual_mean
    np.testing.assert_allclose(made.residual_mean, 0, atol=0.1)
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-9)
    variance = centred.var(axis=0)
    assert variance.min() > 0.3  # inputs explain the rest
    assert variance.max() < 1.1


def test_answers_that_follow_from_inputs_leave_smaller_residuals_than_topics_alone():
    made = fit(FRAME, FEATURES, ONES)
    assert np.abs(made.slope).max() > 0.1
    known = (FEATURES.cell >= 0) & made.known[FEATURES.cell]
    by_topic = FEATURES.answers[known] - made.centres[FEATURES.cell[known]]
    assert made.residuals.var(axis=0).sum() < by_topic.var(axis=0).sum()


def test_fresh_calls_have_residuals_like_those_of_the_baseline():
    made = fit(FRAME, FEATURES, ONES)
    fresh = Features.of(FRAME, builders.calls(3000, 51))
    known = (fresh.cell >= 0) & made.known[fresh.cell]
    residuals = fresh.answers[known] - made.expected(FRAME, fresh.cell[known], fresh.inputs[known])
    error = np.sqrt(1 / known.sum() + 1 / made.compared)
    assert np.abs((residuals.mean(axis=0) - made.residual_mean) / error).max() < 4
    assert residuals.var(axis=0).sum() == pytest.approx(made.residuals.var(axis=0).sum(), rel=0.1)


def test_a_weight_of_two_counts_a_call_twice():
    weights = np.random.default_rng(52).integers(0, 4, len(ONES)).astype(float)
    index = np.repeat(np.arange(len(ONES)), weights.astype(int))
    weighted = fit(FRAME, FEATURES, weights)
    copied = fit(FRAME, repeated(FEATURES, index), np.ones(len(index)))
    for name in ("size", "proportions", "input_mean", "centres", "known", "slope", "residual_mean", "compared"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(copied, name), atol=1e-9, err_msg=name)
    for name, scale in copied.scales.items():
        bins = np.arange(0, 900, 7, dtype=np.int32)
        np.testing.assert_allclose(weighted.scales[name].basis(bins), scale.basis(bins), atol=1e-9)


def test_calls_without_input_do_not_make_the_baseline_of_inputs_larger():
    topic = FEATURES.topic.copy()
    topic[:500] = -1
    assert fit(FRAME, replace(FEATURES, topic=topic), ONES).size == len(ONES) - 500


def test_proportions_are_never_zero_and_sum_to_one():
    made = fit(FRAME, repeated(FEATURES, np.flatnonzero(FEATURES.topic == 0)), np.ones((FEATURES.topic == 0).sum()))
    assert (made.proportions > 0).all()
    assert made.proportions.sum() == pytest.approx(1)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.lists(st.integers(0, 120), min_size=1, max_size=10))
def test_the_basis_is_legendre_of_the_mid_rank(weights, bins):
    scale = Scale(0, np.arange(0, 2 * len(weights), 2, dtype=np.int32), np.array(weights, float))
    pool = np.repeat(scale.bins, weights)
    for value, (first, second) in zip(bins, scale.basis(np.array(bins, np.int32)), strict=True):
        u = ((pool < value).sum() + (pool <= value).sum()) / len(pool) - 1
        assert first == pytest.approx(np.sqrt(3) * legendre.legval(u, [0, 1]), abs=1e-9)
        assert second == pytest.approx(np.sqrt(5) * legendre.legval(u, [0, 0, 1]), abs=1e-9)


def test_the_basis_has_mean_zero_and_variance_one_in_the_baseline():
    weights = np.random.default_rng(53).integers(1, 5, 400).astype(float)
    scale = Scale(0, np.arange(400, dtype=np.int32), weights)
    basis, share = scale.basis(scale.bins), weights / weights.sum()
    np.testing.assert_allclose(share @ basis, 0, atol=1e-4)
    np.testing.assert_allclose(basis.T @ (basis * share[:, None]), np.eye(2), atol=1e-3)


def test_a_scale_reads_tokens_where_most_calls_have_them_and_characters_otherwise():
    bins = np.full((400, 7), -1, np.int32)
    bins[:, 1] = np.arange(400)
    assert scale_of("output_length", bins, np.ones(400)).series == 1
    bins[:250, 3] = np.arange(250)
    assert scale_of("output_length", bins, np.ones(400)).series == 3
    assert scale_of("latency", bins, np.ones(400)) is None


def test_a_scalar_that_is_always_the_same_has_no_scale():
    assert scale_of("latency", np.full((400, 7), 9, np.int32), np.ones(400)) is None


def test_flags_are_counted():
    assert rates(FEATURES, {})["error"].flagged == FEATURES.flags[:, 0].sum() > 0
