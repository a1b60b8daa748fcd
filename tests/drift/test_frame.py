import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.baseline import build
from drift.block import Block, Layout
from drift.budget import Budget
from drift.call import SERIES
from drift.fit import Features
from drift.frame import FEWEST, cell_means, frame, log_lengths, topic_residuals
from drift.pane import Sums
from drift.state import Judge, start
from drift.verdict import judge, verdicts
from tests.drift import builders

FRAME = builders.baseline().frame
ROWS = builders.calls(300, 41)

chosen = st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=40)


@given(chosen)
def test_judged_inputs_of_a_sum_are_the_sum_of_judged_inputs(indices):
    coordinates = ROWS["features"][indices, 0].astype(np.int64)
    together = FRAME.inputs(coordinates.sum(axis=0), len(indices))
    np.testing.assert_allclose(together, FRAME.inputs(coordinates).sum(axis=0), atol=1e-8)


@given(chosen)
def test_judged_answers_of_a_sum_are_the_sum_of_judged_answers(indices):
    outputs, lengths = ROWS["features"][indices, 1:].astype(np.int64), log_lengths(ROWS[indices])
    together = FRAME.answers(outputs.sum(axis=0), lengths.sum(axis=0))
    np.testing.assert_allclose(together, FRAME.answers(outputs, lengths).sum(axis=0), atol=1e-8)


@given(chosen)
def test_lengths_that_a_pane_sums_are_those_of_its_rows(indices):
    rows = ROWS[indices].copy()
    rows["answered"][::3] = 0
    rows["bins"][::3, SERIES.index("output_chars")] = -1
    np.testing.assert_array_equal(Sums.of(rows).cells["length"].sum(axis=0), log_lengths(rows).sum(axis=0))


def test_judged_inputs_of_the_baseline_have_mean_zero_and_unit_covariance():
    inputs = builders.features().inputs
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(inputs.T), np.eye(inputs.shape[1]), atol=1e-6)


def test_a_block_of_calls_holds_what_its_calls_hold_one_by_one():
    baseline = builders.baseline()
    layout = Layout.of(baseline)
    vector = Block(baseline, layout, builders.pane(ROWS), 1.0).vector
    features, fit = Features.of(baseline.frame, ROWS), baseline.fit
    np.testing.assert_array_equal(vector[layout.topics], np.bincount(features.topic, minlength=baseline.frame.topics))
    np.testing.assert_allclose(vector[layout.inputs], features.inputs.sum(axis=0), atol=1e-7)
    known = (features.cell >= 0) & fit.known[features.cell]
    residuals = features.answers[known] - fit.centres[features.cell[known]] - features.inputs[known] @ fit.slope
    assert vector[layout.compared] == known.sum()
    np.testing.assert_allclose(vector[layout.answers], residuals.sum(axis=0), atol=1e-6)
    scale = fit.scales["output_length"]
    np.testing.assert_allclose(
        vector[layout.scalars["output_length"]][1:3], scale.basis(ROWS["bins"][:, scale.series]).sum(axis=0), atol=1e-9
    )
    assert vector[layout.flags["error"]] == ROWS["flags"][:, 0].sum()
    assert vector[layout.calls] == len(ROWS)


def test_a_cell_mean_is_drawn_to_the_overall_mean_by_one_call():
    values, cell, weights = np.array([[1.0], [2.0], [6.0]]), np.array([0, 0, 2]), np.ones(3)
    count, mean = cell_means(values, cell, weights, 4)
    assert count.tolist() == [2, 0, 1, 0]
    np.testing.assert_allclose(mean[:, 0], [(3 + 3) / 3, 3, (6 + 3) / 2, 3])


def test_residuals_are_those_of_a_topic_averaged_without_the_call():
    rng = np.random.default_rng(42)
    values, cell = rng.normal(size=(200, 2)), rng.integers(0, 4, 200)
    overall = values.mean(axis=0)
    for i, residual in enumerate(topic_residuals(values, cell)[:20]):
        others = (cell == cell[i]) & (np.arange(200) != i)
        mean = (values[others].sum(axis=0) + overall) / (others.sum() + 1)
        np.testing.assert_allclose(residual, values[i] - mean, atol=1e-12)


def test_a_baseline_of_few_calls_merges_the_topics_of_its_lens():
    made = frame(builders.lens(), ROWS)
    assert made.topics <= max(len(ROWS) // 40, 8) < builders.lens().topics
    assert set(made.groups) == set(range(made.topics))


def test_prompt_versions_of_few_calls_are_not_compared():
    rows = builders.calls(2000, 43)
    rows["stratum"][:150], rows["stratum"][150:800] = 1, 2
    made = frame(builders.lens(), rows)
    assert made.strata == (2, builders.STRATUM)
    assert made.stratum(np.array([2, 1, builders.STRATUM], np.uint64)).tolist() == [0, -1, 1]


def _without_inputs(rows):
    rows["topic"], rows["band"] = -1, 4
    rows["features"][:, 0] = 0


def _without_outputs(rows):
    rows["answered"] = 0
    rows["features"][:, 1:] = 0
    rows["bins"][:, SERIES.index("output_chars")] = -1


def _one_answer_to_all(rows):
    rows["features"][:, 1:] = rows["features"][0, 1:]
    rows["bins"][:, SERIES.index("output_chars")] = 100


def _one_question(rows):
    rows["topic"], rows["features"][:, 0] = 3, rows["features"][0, 0]


def _nothing_but_errors(rows):
    _without_outputs(rows)
    rows["flags"][:, 0] = 1


@pytest.mark.parametrize(
    "spoil", [_without_inputs, _without_outputs, _one_answer_to_all, _one_question, _nothing_but_errors]
)
def test_a_baseline_of_odd_calls_judges_odd_and_ordinary_calls(spoil):
    rows = builders.calls(600, 44)
    spoil(rows)
    odd = build(builders.lens(), builders.ticks(rows, size=600), [10] * 60, runs=0)
    config = Judge(odd, Budget(20_000, "calls"))
    like = builders.calls(400, 45, start=600)
    spoil(like)
    state, alarms = start(config), ()
    for tick in builders.ticks(like):
        state, raised = judge(config, state, tick)
        alarms += raised
    assert alarms == ()
    for tick in builders.ticks(builders.calls(200, 46, start=1000)):
        state, _ = judge(config, state, tick)
    assert np.isfinite(list(state.statistics.values())).all()
    assert {one.kind for one in verdicts(config, state)} == {"data", "model", "output_length", "operational", "prompt"}


def test_topics_with_too_few_calls_are_not_compared():
    fit = builders.baseline(400, 47).fit
    features = builders.features(400, 47)
    counts = np.bincount(features.cell[features.cell >= 0], minlength=len(fit.known))
    np.testing.assert_array_equal(fit.known, counts >= FEWEST)
