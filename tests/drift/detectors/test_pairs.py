"""Bets on shadow pairs: exact under any sign-symmetric law, quick where a mean moved."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from drift.detectors.pairs import CAP, MEMORIES, RIDGES, SUREST, PairBets, known_after, one_sided
from drift.errors import ShapeError

LINE = PairBets(((0, 1),))
TWO = PairBets(((0, 2), (2, 3)))
DETECTOR = PairBets(((0, 2), (2, 3)), memories=MEMORIES, restart=True)

rows = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(-1e3, 1e3, width=32))


def evidence(bets, differences):
    return bets.update(bets.start(), differences)[1]


def test_the_second_pair_is_bet_on_by_ridge_regressions_on_the_first():
    first, second = 0.4, 0.3
    won = []
    for ridge in RIDGES:
        slope = 1 / (1 + ridge)
        theta = slope / first / (1 - min(slope, SUREST))
        won.append(1 + np.tanh(min(theta * second, CAP)))
    course = evidence(LINE, [[first], [second]])
    assert course[0] == 0
    assert course[1] == pytest.approx(np.log(np.mean(won)))


@pytest.mark.parametrize("bets", [LINE, TWO])
def test_over_all_signs_of_any_differences_evidence_averages_one(bets):
    """A martingale with mean one, exactly: the sum over the group of swaps, not a sample of it."""
    sizes = np.random.default_rng(1).standard_cauchy((9, bets.width))
    signs = itertools.product([-1.0, 1.0], repeat=len(sizes))
    final = [evidence(bets, sizes * np.array(one)[:, None])[-1] for one in signs]
    assert np.exp(final).mean() == pytest.approx(1.0, abs=1e-9)


@given(rows, st.sampled_from([TWO, PairBets(TWO.views, memories=MEMORIES)]))
def test_a_pair_and_its_swap_win_together_what_was_there(differences, bets):
    state, _ = bets.update(bets.start(), differences[:-1])
    pair = [bets.update(state, sign * differences[-1:])[1][-1] for sign in (1, -1)]
    assert np.exp(pair).mean() == pytest.approx(np.exp(state.evidence), rel=1e-9)


@given(rows, st.integers(0, 12))
def test_pairs_may_come_in_any_batches(differences, cut):
    whole, course = DETECTOR.update(DETECTOR.start(), differences)
    state, before = DETECTOR.update(DETECTOR.start(), differences[:cut])
    state, after = DETECTOR.update(state, differences[cut:])
    assert np.concatenate([before, after]).tobytes() == course.tobytes()
    assert all(np.array_equal(getattr(state, name), getattr(whole, name)) for name in ("moment", "bets", "log_e"))


@given(rows)
def test_calling_the_shadow_live_changes_nothing(differences):
    assert evidence(TWO, -differences) == pytest.approx(evidence(TWO, differences), abs=1e-6)


def test_pairs_that_agree_say_nothing():
    differences = np.random.default_rng(2).normal(0.5, 1, (40, 3))
    padded = np.zeros((80, 3))
    padded[::2] = differences
    assert evidence(TWO, padded)[::2].tobytes() == evidence(TWO, differences).tobytes()
    assert evidence(TWO, np.zeros((5, 3))).tolist() == [0.0] * 5


def test_units_do_not_matter_but_between_a_view_and_another():
    differences = np.random.default_rng(3).normal(0.2, 1, (60, 3))
    scaled = differences * [1e-3, 1e-3, 50.0]
    assert evidence(TWO, scaled) == pytest.approx(evidence(TWO, differences), abs=1e-6)


@pytest.mark.parametrize(
    ("differences", "words"),
    [([[0.0, np.nan, 1.0]], "finite"), ([[1.0, 2.0]], "3 coordinates"), ([1.0, 2.0, 3.0], "dimension")],
)
def test_what_is_no_difference_is_refused(differences, words):
    with pytest.raises(ShapeError, match=words):
        evidence(TWO, differences)


def test_without_a_change_one_over_alpha_is_ever_passed_with_chance_alpha_at_most():
    """Looked at after every pair; differences follow one another and have no variance, which is allowed."""
    passed, streams = 0, 200
    for seed in range(streams):
        rng = np.random.default_rng([seed, 4])
        sizes = rng.standard_cauchy((100, 3)) * np.exp(np.cumsum(rng.normal(0, 0.2, 100)))[:, None]
        passed += evidence(TWO, sizes * rng.choice([-1.0, 1.0], 100)[:, None]).max() >= np.log(20)
    assert stats.binomtest(passed, streams, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(("shift", "pairs"), [(3.0, 20), (0.5, 110)])
def test_a_moved_mean_is_known_soon(shift, pairs):
    found = []
    for seed in range(20):
        differences = np.random.default_rng([seed, 5]).normal([shift, 0, 0], 1.0, (400, 3))
        found.append(known_after(evidence(TWO, differences), 0.001) or 401)
    assert np.median(found) <= pairs
    assert max(found) <= 400


def test_a_change_after_a_thousand_calm_pairs_is_found_by_the_detector_that_forgets():
    rng = np.random.default_rng(6)
    differences = rng.normal(size=(1400, 3))
    differences[1000:] += [0.0, 1.5, 0.0]
    course = evidence(DETECTOR, differences)
    assert course[:1000].max() < np.log(20_000)
    assert (known_after(course, 1 / 20_000) or 9999) < 1100


def test_evidence_of_a_detector_begins_anew_below_one():
    rng = np.random.default_rng(7)
    lost = DETECTOR.update(DETECTOR.start(), rng.normal(size=(500, 3)))[0]
    assert TWO.update(TWO.start(), rng.normal(size=(500, 3)))[0].log_e.min() < -np.log(28)
    assert lost.log_e.min() >= -np.log(28)


def test_failures_on_one_side_are_bet_on_by_the_share_that_was_seen():
    coins = [1, 1, 0, 1, 1, 1]
    won, live, shadow = 1.0, 0, 0
    for coin in coins:
        won *= 2 * ((shadow if coin else live) + 0.5) / (live + shadow + 1)
        live, shadow = live + (1 - coin), shadow + coin
    assert one_sided(live, shadow) == pytest.approx(np.log(won))
    assert one_sided(0, 0) == pytest.approx(0.0)


@given(st.integers(1, 40))
def test_over_all_ways_to_fail_evidence_averages_one(pairs):
    shadow = np.arange(pairs + 1)
    chances = stats.binom.pmf(shadow, pairs, 0.5)
    assert chances @ np.exp(one_sided(pairs - shadow, shadow)) == pytest.approx(1.0)


def test_what_was_known_once_was_known():
    assert known_after(np.array([0.0, 3.1, 0.5]), 0.05) == 2
    assert known_after(np.array([0.0, 2.9]), 0.05) is None
    assert known_after(np.array([]), 0.05) is None
