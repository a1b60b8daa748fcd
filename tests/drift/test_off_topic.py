"""Questions far from every topic of the baseline."""

from functools import cache

import numpy as np
import pytest

from drift import verdict
from drift.baseline import build
from drift.block import Block, Layout, sizes
from drift.budget import Budget
from drift.call import NO_TOPIC
from drift.effects import effect
from drift.fit import FAR, OFF_TOPIC, Features, rates
from drift.newcomers import far_questions
from drift.state import Judge, start
from tests.drift import builders

BASELINE = builders.baseline()
LAYOUT = Layout.of(BASELINE)


def off_topic(rows):
    return rates(Features.of(BASELINE.frame, rows), {}).get(OFF_TOPIC)


def scattered(n, seed, share=0.2, **fields):
    """Calls of which a share asks anything at all: inputs in directions of no topic."""
    rng = np.random.default_rng([seed, 5])
    rows = builders.calls(n, seed, **fields)
    strange = rng.random(n) < share
    inputs = builders.grid(rng.normal(size=(int(strange.sum()), builders.DIM)))
    formats = np.zeros((len(inputs), builders.BUCKETS), np.int16)
    rows["topic"][strange], rows["band"][strange], rows["features"][strange] = builders.lens().see(
        inputs, inputs, formats
    )
    return rows


@cache
def alarms(share):
    """Alarms on 3,000 calls."""
    judge = Judge(BASELINE, Budget(20_000, "calls"))
    state, found = start(judge), []
    for tick in builders.ticks(scattered(3000, 41, share, start=10_000)):
        state, new = verdict.judge(judge, state, tick)
        found += new
    return tuple(found)


def test_a_block_counts_far_questions_and_no_call_without_one():
    rows = scattered(200, 31)
    rows["topic"][:50], rows["band"][:50] = NO_TOPIC, 4
    block = Block(BASELINE, LAYOUT, builders.pane(rows, size=200), 200.0)
    far = int((rows["band"][50:] >= FAR).sum())
    assert far > 10
    assert block.feed.flags[OFF_TOPIC] == (far, 150)
    assert tuple(map(float, LAYOUT.raised(BASELINE, OFF_TOPIC, block.vector))) == (far, 150)


def test_the_baselines_rate_is_its_own_share_or_the_nominal_one_whichever_is_larger():
    rows = builders.calls(1000, 32)
    rows["band"] = 0
    assert off_topic(rows).rate == pytest.approx(0.1)
    rows["band"][:300] = FAR
    assert off_topic(rows).rate == pytest.approx(0.3, abs=1e-3)


def test_without_questions_or_where_most_lie_far_there_is_no_such_detector():
    rows = builders.calls(1000, 33)
    rows["band"] = FAR
    assert off_topic(rows) is None
    rows["band"], rows["topic"][:850] = 0, NO_TOPIC
    assert off_topic(rows) is None
    assert OFF_TOPIC in BASELINE.panel.names
    crowded = builders.ticks(rows, size=5000)
    assert OFF_TOPIC not in build(builders.lens(), crowded, sizes(crowded), runs=0).panel.names


def test_scattered_questions_are_found_explained_and_counted():
    first = next(one for one in alarms(0.18) if one.kind == "data")
    assert first.detector == OFF_TOPIC
    assert first.calls < 1000
    assert first.effect.baseline == pytest.approx(0.1, abs=0.001)
    assert first.effect.low > 0.01
    assert first.newcomers.now == pytest.approx(first.effect.current, abs=1e-6)
    members = first.rows[first.newcomers.members]
    assert len(members) > 10
    assert (members["band"] >= FAR).all()


def test_without_scattered_questions_it_is_silent():
    assert not [one for one in alarms(0.0) if one.detector == OFF_TOPIC]


def test_fewer_far_questions_are_no_drift_and_hinder_no_all_clear():
    sums = np.zeros(LAYOUT.width)
    sums[LAYOUT.topics] = 1000 / BASELINE.frame.topics
    found = effect(BASELINE, LAYOUT, OFF_TOPIC, sums)
    assert found.size == found.surely == found.estimate == 0
    sums[LAYOUT.flags[OFF_TOPIC]] = 200
    found = effect(BASELINE, LAYOUT, OFF_TOPIC, sums)
    assert found.size == pytest.approx(0.1, abs=0.005)
    assert found.surely > 0.05


def test_far_questions_are_told_only_where_they_have_clearly_become_more():
    rows = scattered(100, 36)
    assert far_questions(BASELINE, 150, 1000, rows).z > 2
    assert far_questions(BASELINE, 100, 1000, rows) is None
    assert far_questions(BASELINE, 150, 1000, rows[:0]) is None
