from functools import cache

import numpy as np
import pytest

from drift.baseline import build
from drift.bins import to_bins
from drift.block import Block, Layout, sizes
from drift.call import SERIES
from drift.hold import UNEXPLAINED, unexplained
from drift.mix import split
from tests.drift import builders

SKEWED = (0.02, 0.9, 0.02, 0.02, 0.02, 0.02)
CHARS = SERIES.index("output_chars")


def by_topic(rows, longer=1.0):
    """Calls whose answers are the longer the higher the lens' topic."""
    noise = np.exp(0.2 * np.random.default_rng(len(rows)).normal(size=len(rows)))
    rows["bins"][:, CHARS] = to_bins(100.0 * 1.1 ** rows["topic"] * noise * longer)
    return rows


@cache
def baseline():
    made = builders.ticks(by_topic(builders.calls(2400, 3)), size=5000)
    return build(builders.lens(), made, sizes(made), runs=0)


def sums(rows):
    return Block(baseline(), Layout.of(baseline()), builders.pane(rows), 1.0).vector


def test_longer_answers_to_other_questions_are_put_down_to_the_questions():
    found = split(
        baseline(), Layout.of(baseline()), "output_length", sums(by_topic(builders.calls(1500, 8, mix=SKEWED)))
    )
    assert found is not None
    assert abs(found.mix) > 0.1 and found.share > 0.85
    assert found.low < 0.03 and found.high > -0.03


def test_longer_answers_to_the_same_questions_are_not():
    found = split(
        baseline(), Layout.of(baseline()), "output_length", sums(by_topic(builders.calls(1500, 8), longer=1.4))
    )
    assert found is not None
    assert found.share < 0.1
    assert found.low < 0.4 < found.high


def test_the_parts_add_up_to_the_whole():
    seen = sums(by_topic(builders.calls(1500, 9, mix=SKEWED), longer=1.2))
    found = split(baseline(), Layout.of(baseline()), "output_length", seen)
    assert found is not None
    place = seen[Layout.of(baseline()).scalars["output_length"]]
    whole = place[3] / place[0] - baseline().fit.scales["output_length"].moments()[0]
    assert np.log1p(found.mix) + np.log1p(found.conditional) == pytest.approx(whole)


def test_answers_that_follow_their_questions_are_explained_and_a_new_model_is_not():
    layout = Layout.of(baseline())
    mixed = unexplained(baseline(), layout, sums(by_topic(builders.calls(3000, 8, mix=SKEWED))))
    swapped = unexplained(baseline(), layout, sums(by_topic(builders.calls(3000, 8, model=0.5))))
    both = unexplained(baseline(), layout, sums(by_topic(builders.calls(3000, 8, mix=SKEWED, model=1.5))))
    assert mixed < UNEXPLAINED < swapped
    assert both > UNEXPLAINED


def test_inputs_that_cover_few_of_the_calls_explain_nothing():
    rows = builders.calls(600, 8)
    rows["band"] = 4
    assert unexplained(baseline(), Layout.of(baseline()), sums(rows)) == np.inf
