import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.detectors.rate import RATIOS, Rate

BLOCK = 10


def delays(detector, rate, threshold, streams, length, seed):
    """Calls until each stream reached the threshold, its length where it did not, and whether it did."""
    rng = np.random.default_rng(seed)
    seen = []
    for flagged in rng.binomial(BLOCK, rate, (streams, length // BLOCK)):
        state = detector.start()
        calls = 0
        for hits in flagged:
            state, statistic = detector.update(state, hits, BLOCK, BLOCK)
            calls += BLOCK
            if statistic >= threshold:
                break
        seen.append((calls, statistic >= threshold))
    return np.array(seen).T


@given(st.integers(0, 500), st.integers(0, 1))
def test_no_ratio_wins_on_average_anywhere_within_one_standard_error_of_the_baseline(flagged, side):
    detector = Rate(flagged, 500)
    error = np.sqrt(detector.rate * (1 - detector.rate) / detector.size)
    truth = np.clip(detector.rate + (error if side else -error), 0, 1)
    before = np.zeros(len(RATIOS))
    hit, miss = (np.exp(detector.update(before, hits, 1, 1e-12)[0]) for hits in (1, 0))
    assert (truth * hit + (1 - truth) * miss <= 1 + 1e-6).all()


@given(st.integers(0, 500), st.floats(0, 0.3), st.floats(0, 1))
def test_what_may_only_grow_wins_nothing_at_or_below_the_rate_it_is_taken_to_have(flagged, least, share):
    detector = Rate(flagged, 500, least=least, rising=True)
    assert detector.rate >= least
    truth = share * detector.rate
    before = np.zeros(len(detector.ratios))
    hit, miss = (np.exp(detector.update(before, hits, 1, 1e-12)[0]) for hits in (1, 0))
    assert (truth * hit + (1 - truth) * miss <= 1 + 1e-6).all()


def test_what_may_only_grow_raises_no_evidence_by_falling():
    detector = Rate(100, 1000, rising=True)
    state = detector.start()
    for _ in range(100):
        state, statistic = detector.update(state, 0, 100, 100)
    assert statistic < np.log(200)


def test_the_guaranteed_threshold_keeps_its_promise_of_calls_between_alarms():
    promised = 1500
    calls, alarmed = delays(Rate(90, 3000), 0.03, np.log(promised), streams=60, length=4500, seed=71)
    assert calls.sum() / max(alarmed.sum(), 1) > promised


@pytest.mark.parametrize(("rate", "longest"), [(0.08, 250), (0.04, 1200)])
def test_a_flag_that_rises_is_found_within_the_published_delay(rate, longest):
    calls, alarmed = delays(Rate(100, 5000), rate, np.log(10_000), streams=30, length=4000, seed=72)
    assert alarmed.mean() > 0.9
    assert calls.mean() < longest


@pytest.mark.parametrize("flagged", [0, 2000])
def test_a_flag_that_never_or_always_was_raises_no_evidence_by_the_clock(flagged):
    detector, state = Rate(flagged, 2000), Rate(flagged, 2000).start()
    for _ in range(300):
        state, statistic = detector.update(state, flagged / 2, 1000, 1000)
    assert statistic < np.log(20_000)


def test_no_calls_leave_the_evidence_as_it_is():
    detector = Rate(3, 100)
    assert detector.update(detector.start(), 0, 0, 0)[1] == -np.inf
    state, statistic = detector.update(detector.start(), 1, 10, 10)
    after, again = detector.update(state, 0, 0, 0)
    np.testing.assert_array_equal(after, state)
    assert again == statistic
