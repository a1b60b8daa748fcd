"""One budget for many segments: rates add up to it, whatever the weights, and a fleet at rest keeps it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.budget import Budget
from drift.calibration import guaranteed
from drift.detectors.rate import Rate
from drift.errors import SettingsError
from drift.fleet import Fleet

weights = st.dictionaries(st.text(min_size=1, max_size=8), st.floats(1e-3, 1e3), max_size=30)


@given(weights, st.floats(0.01, 400), st.sampled_from([30, 1000]))
def test_rates_in_days_add_up_to_the_fleets_whatever_the_weights(declared, days, segments):
    fleet = Fleet(Budget(days, "days"), segments, declared)
    rates = [1 / fleet.share(fleet.weight([name])).every for name in declared]
    others = (segments - len(declared)) / fleet.share(fleet.weight(["longer than any name"])).every
    assert sum(rates) + others == pytest.approx(1 / days)


@given(weights, st.floats(100, 1e7))
def test_rates_in_calls_add_up_to_the_fleets_where_segments_have_like_traffic(declared, calls):
    fleet = Fleet(Budget(calls, "calls"), 1000, declared)
    heavy = [fleet.weight([name]) for name in declared] + [1.0] * (1000 - len(declared))
    assert sum(1 / 1000 / fleet.share(one).every for one in heavy) == pytest.approx(1 / calls)


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10).filter(any), st.floats(100, 1e7))
def test_without_weights_rates_in_calls_add_up_whatever_the_traffic(traffic, calls):
    fleet = Fleet(Budget(calls, "calls"), 10)
    shares = np.array(traffic) / sum(traffic)
    assert sum(share / fleet.share(1.0).every for share in shares) == pytest.approx(1 / calls)


def test_a_weight_is_found_by_the_name_that_says_most():
    fleet = Fleet(Budget(7, "days"), 10, {"bot/answer": 5, "answer": 3, "bot": 0.2})
    named = [("bot/answer", "answer", "bot"), ("shop/answer", "answer", "shop"), ("bot/sum", "sum", "bot"), ("x",)]
    assert [fleet.weight(names) for names in named] == [5, 3, 0.2, 1]


def test_a_thousand_segments_cost_seven_nats():
    fleet = Fleet(Budget(7, "days"), 1000)
    dearer = guaranteed(fleet.share(1.0).calls(500), 10) - guaranteed(fleet.budget.calls(500), 10)
    assert dearer == pytest.approx(np.log(1000))


@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=60))
def test_segments_are_taken_while_their_rates_stay_within_the_fleets(offered):
    fleet, taken = Fleet(Budget(7, "days"), 20, {"a": 3.0}), []
    for weight in offered:
        if fleet.holds(sum(taken), weight):
            taken.append(weight)
    assert sum(1 / fleet.share(weight).every for weight in taken) <= 1 / 7 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("segments", "declared", "words"),
    [
        (0, {}, "fleet.segments must be at least 1"),
        (1, {"a": 1.0, "b": 1.0}, "fleet.segments must be at least 2"),
        (5, {"a": 0.0}, "a must weigh more than 0"),
        (5, {"a": float("nan")}, "a must weigh more than 0"),
        (5, {"a": float("inf")}, "a must weigh more than 0"),
    ],
)
def test_what_is_no_fleet_is_refused(segments, declared, words):
    with pytest.raises(SettingsError, match=words):
        Fleet(Budget(7, "days"), segments, declared)


def _alarms(detector, thresholds, rate, blocks, rng):
    """Alarms of detectors side by side over blocks of ten calls, each starting anew after its own."""
    state = np.tile(detector.start(), (len(thresholds), 1))
    alarms = np.zeros(len(thresholds), int)
    for _ in range(blocks):
        flagged = rng.binomial(10, rate, len(thresholds))[:, None]
        state, _ = detector.update(state, flagged, 10, 10)
        over = np.logaddexp.reduce(state, axis=1) - np.log(state.shape[1]) >= thresholds
        alarms += over
        state[over] = detector.start()
    return alarms


def test_a_fleet_of_a_thousand_segments_at_rest_keeps_its_budget():
    days, calls_a_day, rate = 60, 100, 0.05
    important = {f"segment {number}": 20.0 for number in range(100)}
    fleet = Fleet(Budget(0.5, "days"), 1000, important)
    heavy = np.array([fleet.weight([f"segment {number}"]) for number in range(1000)])
    detector = Rate(int(rate * 10_000_000), 10_000_000)
    thresholds = np.array([guaranteed(fleet.share(one).calls(calls_a_day), 1) for one in heavy])
    alarms = _alarms(detector, thresholds, rate, days * calls_a_day // 10, np.random.default_rng(0))
    promised = days / 0.5
    assert promised / 10 < alarms.sum() <= promised + 2.33 * np.sqrt(promised)
    assert alarms[:100].mean() > alarms[100:].mean()
