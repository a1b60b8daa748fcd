from dataclasses import fields

import numpy as np
import pytest

from drift.fit import Features, rates
from drift.trials import block_sizes, first_alarm, longest_stream, replicas, stream_blocks, unchanged, weights
from tests.drift import builders

BASELINE = builders.baseline()


def rng():
    return np.random.default_rng(4)


def test_rates_are_fitted_to_the_redrawn_calls_like_the_detectors_that_are_made_of_them():
    drawn = weights(BASELINE, 3, rng())
    made = replicas(BASELINE, BASELINE.features, np.full(5, 10), drawn)
    for number, one in enumerate(drawn):
        copies = np.repeat(np.arange(len(one)), one.astype(int))
        calls = Features(*(getattr(BASELINE.features, each.name)[copies] for each in fields(Features)))
        expected = rates(calls, made.fits[number].scales)
        assert {name: rated[number] for name, rated in made.rated.items()} == expected


def test_unchanged_baselines_all_say_the_same_of_the_same_calls():
    judges = unchanged(BASELINE, BASELINE.features, np.full(20, 10), 3)
    for course in judges.courses(np.tile(np.arange(200), (3, 1))).values():
        assert (course == course[:, :1]).all()


def test_a_stream_has_blocks_like_the_baselines_own_and_about_its_length():
    made = stream_blocks(BASELINE, 3000, rng())
    assert set(made) <= set(BASELINE.blocks) and made.sum() == pytest.approx(3000, rel=0.1)
    assert len(block_sizes(BASELINE, 7, rng())) == 7
    assert stream_blocks(BASELINE, 10**9, rng()).sum() == pytest.approx(longest_stream(BASELINE), rel=0.1)


def test_the_first_alarm_is_the_first_time_at_the_threshold():
    course = np.array([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0], [2.0, 3.0, 1.9]])
    assert first_alarm(course, 2.0, np.array([10.0, 20.0, 30.0])).tolist() == [20.0, 10.0, np.inf]
