"""Aspects of shadow pairs: exact tests, honest intervals, effects in plain units."""

import numpy as np
import pytest
from scipy import stats

from drift.aspects import ANSWERS
from drift.errors import EmptySampleError, ShapeError
from drift.pairs import KNOWN_AFTER, Pairs, compare_pairs, farthest

VIEWS = ((0, 4), (4, 6))


def pairs(n, seed, *, shift=0.0, slower=1.0, failing=0.0):
    """Answers of inputs that differ far more than two answers to one do."""
    rng = np.random.default_rng([seed, n])
    asked = 10 * rng.normal(size=(n, 1, 6))
    answers = asked + rng.normal(size=(n, 2, 6))
    answers[:, 1, 0] += shift
    latency = np.exp(rng.normal(7, 1, (n, 1)) + 0.1 * rng.normal(size=(n, 2))) * [1.0, slower]
    errors = rng.random((n, 2)) < [0.02, 0.02 + failing]
    return Pairs(answers, VIEWS, ~errors.any(axis=1), {"latency_ms": latency}, {"error": errors})


def found(made, **options):
    return {one.aspect: one for one in compare_pairs(made, **options)}


def test_a_shift_is_measured_in_deviations_of_one_answer_and_known_early():
    one = found(pairs(600, 1, shift=0.6))[ANSWERS]
    assert one.drift
    assert one.kind == "model"
    assert one.effect == pytest.approx(0.6, abs=0.1)
    assert one.low < 0.6 < one.high
    assert 10 < one.extra[KNOWN_AFTER] < 300


def test_the_interval_covers_the_shift_and_the_test_keeps_its_level():
    covered = [(one := found(pairs(200, seed, shift=0.4))[ANSWERS]).low < 0.4 < one.high for seed in range(40)]
    assert stats.binomtest(sum(covered), 40, 0.95, alternative="less").pvalue > 0.001
    alarms = [any(one.drift for one in compare_pairs(pairs(60, seed + 100))) for seed in range(40)]
    assert stats.binomtest(sum(alarms), 40, 0.05, alternative="greater").pvalue > 0.001


def test_the_test_of_one_coordinate_is_the_sign_flip_test_of_its_mean():
    """Against all 2^14 swaps of 14 pairs that differ, beside pairs that agree."""
    rng = np.random.default_rng(3)
    differences = np.concatenate([rng.normal(0.5, 1, 14), np.zeros(26)])
    answers = np.stack([np.zeros(40), differences], axis=1)[:, :, None]
    one = found(Pairs(answers, ((0, 1),), np.ones(40, dtype=bool)), permutations=20_000)[ANSWERS]
    exact = stats.permutation_test((differences[:14],), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert one.p_value == pytest.approx(exact.pvalue, abs=0.01)


def test_what_every_pair_shows_is_seen_though_calls_scatter_far_more():
    one = found(pairs(200, 4, slower=1.08))["latency_ms"]
    assert one.drift
    assert one.effect == pytest.approx(0.08, abs=0.03)
    assert one.low < 0.08 < one.high
    assert one.extra["mean_difference_low"] < one.extra["mean_difference"] < one.extra["mean_difference_high"]
    assert one.extra["mean_difference"] > 0
    assert KNOWN_AFTER in one.extra


def test_failures_on_one_side_are_mcnemars_test_and_leave_answers_alone():
    made = pairs(400, 5, failing=0.08)
    live, shadow = made.flags["error"].T
    discordant = int((live & ~shadow).sum()), int((shadow & ~live).sum())
    one, answers = (found(made)[name] for name in ("error", ANSWERS))
    assert one.p_value == pytest.approx(stats.binomtest(discordant[1], sum(discordant)).pvalue)
    assert one.effect == pytest.approx(100 * (discordant[1] - discordant[0]) / 400)
    assert one.low < 8 < one.high
    assert one.drift
    assert answers.samples_current == int((~live & ~shadow).sum())
    assert not answers.drift


def test_sides_that_agree_throughout_differ_in_nothing():
    answers = np.repeat(np.random.default_rng(6).normal(size=(50, 1, 6)), 2, axis=1)
    latency = np.full((50, 2), 800.0)
    made = found(Pairs(answers, VIEWS, np.ones(50, dtype=bool), {"latency_ms": latency}))
    assert [(one.effect, one.p_value, one.answer) for one in made.values()] == [(0.0, 1.0, "no_drift")] * 2


def test_values_that_few_pairs_have_are_not_enough_data():
    latency = np.full((50, 2), np.nan)
    latency[:10] = 5.0
    answers = np.random.default_rng(7).normal(size=(50, 2, 6))
    made = found(Pairs(answers, VIEWS, np.arange(50) < 20, {"latency_ms": latency}))
    assert {one.answer for one in made.values()} == {"not_enough_data"}


def test_a_tolerance_keeps_what_is_sure_but_small_from_being_drift():
    made = pairs(600, 1, shift=0.6)
    assert not found(made, tolerances={ANSWERS: 2.0})[ANSWERS].drift


def test_fewer_than_thirty_pairs_are_refused():
    with pytest.raises(EmptySampleError, match="29 pairs, at least 30"):
        compare_pairs(pairs(29, 8))


def test_the_pair_whose_answers_lie_farthest_apart_comes_first_and_equal_answers_never():
    made = pairs(50, 9)
    made.answers[17, 1, 4] += 40
    made.answers[3:, 1] = np.where(np.arange(3, 50)[:, None] == 17, made.answers[3:, 1], made.answers[3:, 0])
    shown = farthest(made)
    assert shown[0] == 17
    assert set(shown) <= {0, 1, 2, 17}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answers": np.zeros((4, 2, 5))}, "answers must have shape"),
        ({"answers": np.full((4, 2, 6), np.nan)}, "finite"),
        ({"compared": np.ones(3, dtype=bool)}, "compared"),
        ({"scalars": {"cost": np.zeros((3, 2))}}, "cost must have shape"),
        ({"scalars": {"cost": np.full((4, 2), -1.0)}}, "cost must be zero or more"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, words):
    whole = {"answers": np.zeros((4, 2, 6)), "views": VIEWS, "compared": np.ones(4, dtype=bool)}
    with pytest.raises(ShapeError, match=words):
        Pairs(**{**whole, **change})
