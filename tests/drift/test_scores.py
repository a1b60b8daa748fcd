"""Eval scores and feedback: kind `quality`."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from drift.baseline import build
from drift.bins import to_score_bins
from drift.block import Block, Layout, sizes
from drift.budget import Budget
from drift.call import FEEDBACK, SERIES
from drift.effects import effect
from drift.fit import THUMBS_DOWN
from drift.mix import split
from drift.sliced_sums import of_rows
from drift.state import TOLERANCES, Judge, start
from drift.verdict import judge, verdicts
from tests.drift import builders

FIRST = SERIES.index("score_1")
SKEWED = (0.02, 0.9, 0.02, 0.02, 0.02, 0.02)


def scored(rows, seed, *, correct=0.84, rating=0.0, valid=1.0, down=0.1, rated=0.3):
    """Calls with a yes or no, a signed rating that falls with the lens' topic, a check that always passes, feedback."""
    rng, n = np.random.default_rng([seed, 7]), len(rows)
    values = np.full((n, 4), np.nan)
    values[:, 0] = rng.random(n) < correct
    values[:, 1] = rating - 0.1 * rows["topic"] + 0.3 * rng.normal(size=n)
    values[:, 2] = rng.random(n) < valid
    values[:, 3] = np.where(rng.random(n) < rated, np.where(rng.random(n) < down, -1, 1), np.nan)
    rows["bins"][:, FIRST : FEEDBACK + 1] = to_score_bins(values)
    return rows


@cache
def config():
    rows = scored(builders.calls(2400, 3), 3)
    made = builders.ticks(rows, size=5000)
    known = build(builders.lens(), made, sizes(made), runs=0, facts={"scores": ["correct", "rating", "valid"]})
    return Judge(known, Budget(20_000, "calls"))


def sums(rows):
    return Block(config().baseline, config().layout, builders.pane(rows), 1.0).vector


def run(rows, state=None):
    state, alarms = state or start(config()), []
    for tick in builders.ticks(rows):
        state, raised = judge(config(), state, tick)
        alarms += raised
    return state, alarms


@cache
def calm():
    return run(scored(builders.calls(1200, 51), 51))


def test_scores_that_do_not_change_raise_no_alarm_and_quality_has_an_answer():
    state, alarms = calm()
    assert alarms == []
    assert {one.kind: one.answer for one in verdicts(config(), state)}["quality"] == "no_drift"
    assert {"score_1", "score_2", "score_3", THUMBS_DOWN} <= set(config().baseline.panel.names)


@pytest.mark.parametrize(
    ("detector", "worse", "before", "now"),
    [
        ("score_1", {"correct": 0.6}, 0.84, 0.6),
        ("score_2", {"rating": -0.35}, None, None),
        ("score_3", {"valid": 0.9}, 1.0, 0.9),
        (THUMBS_DOWN, {"down": 0.4}, 0.1, 0.4),
    ],
)
def test_worse_answers_are_found_as_quality_by_the_score_that_fell(detector, worse, before, now):
    rows = scored(builders.calls(900, 52, start=1200), 52, **worse)
    state, alarms = run(rows, calm()[0])
    alarm = alarms[0]
    assert [(one.kind, one.detector) for one in alarms] == [("quality", detector)]
    assert alarm.calls - 1200 <= 500
    assert alarm.effect.size >= TOLERANCES[detector]
    if before is not None:
        assert alarm.effect.baseline == pytest.approx(before, abs=0.05)
        assert alarm.effect.low - 0.02 <= now - before <= alarm.effect.high + 0.02
    assert {one.kind: one.answer for one in verdicts(config(), state)}["quality"] == "drift"


def test_scores_alone_drift_where_scores_alone_are_worse_and_the_share_of_calls_rated_is_no_matter():
    _, alarms = run(scored(builders.calls(900, 53, start=1200), 53, rated=0.9), calm()[0])
    assert alarms == []


def test_a_score_that_vanishes_is_no_silence():
    rows = builders.calls(1300, 54, start=1200)
    state, alarms = run(rows, calm()[0])
    found = {one.kind: one for one in verdicts(config(), state)}["quality"]
    assert (found.answer, found.reason) == ("not_enough_data", "hardly any recent call has a value for score correct")
    assert [one.kind for one in alarms] == []


def test_a_baseline_without_scores_is_not_asked_for_quality():
    judged = Judge(builders.baseline(), Budget(20_000, "calls"))
    assert "quality" not in {one.kind for one in verdicts(judged, start(judged))}


def test_the_difference_of_a_mean_score_is_told_in_its_own_units():
    seen = sums(scored(builders.calls(2000, 55), 55, correct=0.51))
    found = effect(config().baseline, config().layout, "score_1", seen)
    truth = config().baseline.features.bins[:, FIRST].mean() / 1000
    assert found.baseline == pytest.approx(truth, abs=1e-12)
    assert found.current - found.baseline == pytest.approx(found.estimate)
    assert found.low <= 0.51 - truth <= found.high
    assert found.surely * found.scale == pytest.approx(min(abs(found.low), abs(found.high)))


def test_parts_of_a_score_add_up_to_its_difference_to_the_last_digit():
    rows = scored(builders.calls(1500, 56, mix=SKEWED), 56, rating=-0.1)
    seen = sums(rows)
    for name in ("score_1", "score_2"):
        found, whole = (made(config().baseline, config().layout, name, seen) for made in (split, effect))
        assert found.plain
        assert found.mix + found.conditional == pytest.approx(whole.current - whole.baseline, rel=1e-12, abs=1e-15)
        assert found.mix_low <= found.mix <= found.mix_high and found.low <= found.conditional <= found.high


def test_a_lower_score_of_other_questions_is_put_down_to_them_and_of_the_same_ones_not():
    mixed = split(config().baseline, config().layout, "score_2", sums(scored(builders.calls(3000, 57, mix=SKEWED), 57)))
    worse = split(
        config().baseline, config().layout, "score_2", sums(scored(builders.calls(3000, 58), 58, rating=-0.3))
    )
    assert mixed.share > 0.8 and mixed.low < 0 < mixed.high
    assert worse.share < 0.1 and worse.low < -0.3 < worse.high


@pytest.mark.parametrize("detector", ["score_1", "score_2", "output_length"])
def test_intervals_of_both_parts_cover_nothing_as_often_as_they_say(detector):
    mix, rest, streams = 0, 0, 150
    for seed in range(streams):
        found = split(
            config().baseline, config().layout, detector, sums(scored(builders.calls(300, 6000 + seed), 6000 + seed))
        )
        mix += found.mix_low <= 0 <= found.mix_high
        rest += found.low <= 0 <= found.high
    assert min(mix, rest) >= 0.88 * streams


def test_slices_of_scores_and_feedback_are_those_of_the_block():
    rows = scored(builders.calls(300, 59), 59)
    every = of_rows(config().baseline, config().layout, rows, np.full(len(rows), 7, np.uint64), [7])[0]
    np.testing.assert_allclose(every, sums(rows), rtol=1e-9, atol=1e-6)
    rated = rows["bins"][:, FEEDBACK]
    assert every[config().layout.rated] == (rated != -1).sum()
    assert every[config().layout.flags[THUMBS_DOWN]] == (rated == to_score_bins(-1)).sum() > 0


def test_a_baseline_with_little_feedback_has_no_detector_of_it():
    rows = scored(builders.calls(2400, 3), 3, rated=0.05)
    made = builders.ticks(rows, size=5000)
    known = build(builders.lens(), made, sizes(made), runs=0)
    assert THUMBS_DOWN not in known.panel.names
    assert Layout.of(known).rated == Layout.of(known).calls


def test_tolerance_of_a_score_is_counted_in_its_own_spread():
    seen = sums(scored(builders.calls(2000, 60), 60, correct=0.7))
    found = effect(config().baseline, config().layout, "score_1", seen)
    spread = config().baseline.fit.scales["score_1"].moments()[1] / 1000
    assert found.size == pytest.approx(abs(found.estimate) / spread, rel=0.02)
    assert replace(found, low=-0.1, high=-0.05).surely == pytest.approx(0.05 / spread)
