import numpy as np
import pytest

from drift import verdict
from drift.budget import Budget
from drift.fit import Features, fit, raised, rates
from drift.replicas import Replicas, recounted
from drift.resample import redrawn
from drift.state import Judge, start
from tests.drift import builders

BASELINE = builders.baseline()
NEVER = Budget(1e13, "calls")


def judged(rows):
    """Evidence after each block, as the judge has it."""
    config = Judge(BASELINE, NEVER)
    state, course = start(config), []
    for tick in builders.ticks(rows):
        state, _ = verdict.judge(config, state, tick)
        course.append(state.statistics)
    return course


def test_a_replica_of_the_baseline_sees_what_the_judge_sees_rates_included():
    rows = builders.calls(1500, 91, errors=0.05)
    fresh = Features.of(BASELINE.frame, rows)
    rated = {name: [one] for name, one in BASELINE.panel.rates.items()}
    seen = Replicas(BASELINE.frame, fresh, [BASELINE.fit], np.full(150, 10), rated)
    courses = seen.courses(np.arange(1500)[None])
    expected = judged(rows)
    assert set(courses) == set(expected[0])
    for name, course in courses.items():
        np.testing.assert_allclose(course[:, 0], [one[name] for one in expected], rtol=1e-6, atol=1e-6)


def test_replicas_share_nothing_but_the_mean_of_their_slack():
    rng = np.random.default_rng(92)
    features = BASELINE.features
    fits = [fit(BASELINE.frame, features, redrawn(len(features.topic), rng), BASELINE.fit) for _ in range(3)]
    drawn = rng.integers(0, len(features.topic), (3, 400))
    together = Replicas(BASELINE.frame, features, fits, np.full(40, 10)).courses(drawn)
    for r in range(3):
        alone = Replicas(BASELINE.frame, features, fits[r : r + 1], np.full(40, 10)).courses(drawn[r : r + 1])
        for name, course in alone.items():
            np.testing.assert_allclose(together[name][:, r], course[:, 0], atol=0.1)


def test_rates_count_calls_as_often_as_they_were_drawn():
    features = BASELINE.features
    weights = redrawn(len(features.topic), np.random.default_rng(93))
    made = recounted(rates(features, {}), features, {}, [weights])
    for name in ("error", "off_topic"):
        flagged, possible = raised(features, name)
        assert (made[name][0].flagged, made[name][0].size) == (weights @ flagged, weights @ possible)


@pytest.mark.parametrize("name", ["error", "off_topic"])
def test_what_a_rate_counts_is_part_of_what_it_might_count(name):
    flagged, possible = raised(BASELINE.features, name)
    assert 0 < flagged.sum() < possible.sum()
    assert (flagged <= possible).all()
