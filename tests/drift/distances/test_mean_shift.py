import numpy as np
import pytest

from drift.distances.given import given
from drift.distances.mean_shift import mean_shift

UNIFORM = np.full(8, 1 / 8)
SKEWED = np.array([0.4, 0.02, 0.2, 0.02, 0.2, 0.02, 0.1, 0.04])

_WORLD = np.random.default_rng(99)
CENTRES, BY_TOPIC, BY_INPUT = _WORLD.normal(size=(8, 6)), _WORLD.normal(size=(8, 10)), _WORLD.normal(size=(6, 10))


def world(rng, n, mixes, change=0.0, moved=0.0):
    """Answers that depend on topic and input, louder in odd topics, by ``change`` on the current side."""
    current = np.arange(2 * n) >= n
    topics = np.concatenate([rng.choice(8, n, p=mix) for mix in mixes])
    inputs = CENTRES[topics] + rng.normal(size=(2 * n, 6)) + moved * current[:, None]
    noise = rng.standard_t(5, size=(2 * n, 10)) * np.where(topics % 2, 3.0, 1.0)[:, None]
    return current, topics, inputs, BY_TOPIC[topics] + inputs @ BY_INPUT + noise + change * current[:, None]


def p_values(runs, n, draws=99, **how):
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        current, topics, inputs, outputs = world(rng, n, **how)
        yield mean_shift(outputs, given(current, topics, inputs), draws=draws, rng=rng).tested.p_value


@pytest.mark.parametrize("n", [40, 300])
@pytest.mark.parametrize("mixes", [(UNIFORM, UNIFORM), (UNIFORM, SKEWED)], ids=["same mix", "other mix"])
def test_a_model_that_stays_is_called_different_as_often_as_the_p_value_says(n, mixes):
    found = np.array(list(p_values(200, n, mixes=mixes, moved=0.3 if mixes[1] is SKEWED else 0.0)))
    for level in (0.05, 0.2, 0.5):
        # Three standard errors of a share of 200 above, and not much below: power is not given away.
        error = np.sqrt(level * (1 - level) / 200)
        assert level - 3.5 * error <= np.mean(found <= level) <= level + 3 * error


def test_a_model_that_changes_is_found_under_another_mix_too():
    found = np.array(list(p_values(40, 300, mixes=(UNIFORM, SKEWED), change=0.4)))
    assert np.mean(found <= 0.05) >= 0.9


def test_without_topics_and_inputs_the_same_mix_change_would_be_taken_for_the_model():
    rng = np.random.default_rng(0)
    current, topics, _, outputs = world(rng, 300, (UNIFORM, SKEWED))
    blind = given(current, np.zeros_like(topics), np.empty((600, 0)))
    assert mean_shift(outputs, blind, draws=99, rng=rng).tested.p_value == 0.01


def test_without_covariates_the_effect_is_the_mahalanobis_distance_less_noise():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2000, 4))
    rows[1200:, 0] += 1.0
    current = np.arange(2000) >= 1200
    design = given(current, np.zeros(2000, dtype=int), np.empty((2000, 0)))
    shift = mean_shift(rows, design, draws=99, rng=rng)
    within = (np.cov(rows[:1200].T) * 1199 + np.cov(rows[1200:].T) * 799) / 1998
    apart = rows[1200:].mean(axis=0) - rows[:1200].mean(axis=0)
    squared = apart @ np.linalg.solve(within, apart)
    assert shift.tested.effect**2 == pytest.approx(squared - 4 * (1 / 1200 + 1 / 800), rel=0.01)
    assert shift.explained == pytest.approx(0, abs=1e-9)
    assert shift.coordinates == 4


@pytest.mark.parametrize("by", [0.0, 0.3, 1.5])
def test_the_interval_covers_the_true_length(by):
    covered = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(300, 5))
        rows[150:, 0] += by
        design = given(np.arange(300) >= 150, np.zeros(300, dtype=int), np.empty((300, 0)))
        tested = mean_shift(rows, design, draws=1, rng=rng).tested
        covered += tested.low <= by <= tested.high
        assert tested.low <= tested.effect
    assert covered >= 136


def test_what_inputs_account_for_is_told_apart_from_what_is_left():
    rng = np.random.default_rng(2)
    current = np.arange(4000) >= 2000
    inputs = rng.normal(size=(4000, 1)) + 2.0 * current[:, None]
    rows = inputs + rng.normal(size=(4000, 1)) + 0.5 * current[:, None]
    shift = mean_shift(rows, given(current, np.zeros(4000, dtype=int), inputs), draws=99, rng=rng)
    assert shift.tested.effect == pytest.approx(0.5, abs=0.1)
    assert shift.explained == pytest.approx(2.0, abs=0.1)


def test_repeated_rows_and_constant_columns_are_no_drift():
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.integers(0, 2, 200), np.full(200, 1e6), np.zeros(200)]).astype(float)
    design = given(np.arange(200) >= 100, rng.integers(0, 3, 200), rows)
    assert mean_shift(rows, design, draws=9, rng=rng).tested == (0.0, 1.0, 0.0, 0.0, 0.0)
    plain = given(np.arange(200) >= 100, np.zeros(200, dtype=int), np.empty((200, 0)))
    shift = mean_shift(rows, plain, draws=99, rng=rng)
    assert shift.coordinates == 1
    assert shift.tested.p_value > 0.05


def test_sides_without_any_scatter_are_apart_without_bound_but_finite():
    rows = np.repeat([[0.0, 1.0], [1.0, 1.0]], 50, axis=0)
    design = given(np.arange(100) >= 50, np.zeros(100, dtype=int), np.empty((100, 0)))
    tested = mean_shift(rows, design, draws=99, rng=np.random.default_rng(4)).tested
    assert tested.p_value == 0.01
    assert np.isfinite(tested).all()
    assert tested.effect > 1e3
