from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift import seasons, verdict
from drift.baseline import build, decode, encode
from drift.block import Block, Layout
from drift.budget import Budget
from drift.detectors.rate import Rate, courses
from drift.detectors.topics import Topics
from drift.fit import Features
from drift.pane import Pane
from drift.replicas import Replicas
from drift.resample import stream
from drift.state import Judge, start
from tests.drift import builders

DAY_MS, A_DAY, HOUR = 86_400_000, 3000, 3_600_000
MONDAY = 1_767_571_200_000
SWING = 0.6
NEVER = Budget(1e13, "calls")


@cache
def pools():
    """Calls of each topic of the small world, alike but for that."""
    return np.stack([builders.calls(500, [70, k], mix=np.eye(builders.TOPICS)[k]) for k in range(builders.TOPICS)])


def traffic(first, n, seed, swing=SWING, night=None):
    """Calls that come evenly, topics by the hour; ``night`` is a topic that takes over half of what is asked at 3."""
    rng = np.random.default_rng(seed)
    at = MONDAY + (first + np.arange(n)) * DAY_MS // A_DAY
    share = 1 + swing * np.cos(2 * np.pi * ((at / DAY_MS)[:, None] - np.arange(builders.TOPICS) / builders.TOPICS))
    share /= share.sum(axis=1, keepdims=True)
    if night is not None:
        dark = (at // HOUR % 24 < 6)[:, None]
        share = np.where(dark, share / 2 + np.eye(builders.TOPICS)[night] / 2, share)
    topic = (rng.random((n, 1)) > np.cumsum(share, axis=1)[:, :-1]).sum(axis=1)
    rows = pools()[topic, rng.integers(0, 500, n)]
    rows["key"], rows["call"] = rng.integers(1, 2**63, (2, n))
    rows["at"] = at
    return rows


def panes(rows):
    """Blocks of ten calls."""
    made = []
    for low, high in pairwise(range(0, len(rows) + 1, 10)):
        span = int(rows["at"][low]), int(rows["at"][high - 1]) + 1
        made.append(Pane.of(builders.lens().id, builders.SEGMENT, span, rows[low:high], (), {}, size=5000))
    return made


@cache
def baseline(swing=SWING, runs=0, *, pooled=False):
    """Baseline of one day; ``pooled`` takes all hours to be alike."""
    with patch.object(seasons, "count", lambda at: 1) if pooled else patch.object(seasons, "HOURS", 24):
        return build(builders.lens(), panes(traffic(0, A_DAY, 71, swing)), [10] * (A_DAY // 10), runs=runs, force=True)


def first_alarms(known, rows, every, thresholds=None):
    """Calls until each stream's first alarm, cut at its end."""
    fresh = Features.of(known.frame, np.concatenate(rows))
    n = len(rows[0])
    slots = None if known.fit.seasons is None else fresh.slot[5:n:10]
    made = Replicas(known.frame, fresh, [known.fit] * len(rows), np.full(n // 10, 10), slots=slots)
    bounds = thresholds or known.thresholds(Budget(every, "calls"))
    drawn = np.arange(len(rows) * n).reshape(len(rows), n)
    over = np.any([course >= bounds[name][0] for name, course in made.courses(drawn).items()], axis=0)
    return np.where(over.any(axis=0), 10 * (over.argmax(axis=0) + 1), n)


@given(st.integers(0, 2**41))
def test_slots_are_hours_in_utc_and_those_of_weekends_come_last(at):
    told = datetime.fromtimestamp(at / 1000, UTC)
    assert seasons.slot_of(at, 24) == told.hour
    assert seasons.slot_of(at, 48) == told.hour + 24 * (told.weekday() >= 5)
    assert seasons.slot_of(at, 1) == 0


@pytest.mark.parametrize(("hours", "slots"), [(1, 1), (22.9, 1), (23.5, 24), (100, 24), (166, 24), (168, 48)])
def test_a_day_teaches_hours_and_a_week_tells_weekends_apart(hours, slots):
    assert seasons.count(np.array([MONDAY, MONDAY + int(hours * HOUR)])) == slots
    assert seasons.count(np.zeros(0, np.int64)) == 1


@pytest.mark.parametrize(("slots", "width"), [(24, 2), (24, 40), (48, 40)])
def test_noise_is_hardly_ever_taken_for_a_cycle(slots, width):
    rng = np.random.default_rng(72)
    calls = rng.integers(20, 200, slots).astype(float)
    found = [seasons.smoother(_noise(rng, calls, width), calls).any() for _ in range(200)]
    assert np.mean(found) < 0.1


def _noise(rng, calls, width):
    made = rng.normal(size=(len(calls), width))
    root = np.sqrt(calls)[:, None]
    return made - root * (root * made).sum(axis=0) / calls.sum()


def test_a_cycle_is_known_better_than_by_the_hours_alone_or_not_at_all():
    rng = np.random.default_rng(73)
    calls = np.full(24, 125.0)
    truth = np.outer(np.cos(np.arange(24) / 24 * 2 * np.pi), rng.normal(size=40)) * 2
    seen = truth + _noise(rng, calls, 40)
    error = ((seasons.smoother(seen, calls) @ seen - truth) ** 2).sum()
    assert error < 0.2 * min(((seen - truth) ** 2).sum(), (truth**2).sum())


def test_one_hour_that_differs_from_all_others_is_known_too():
    rng = np.random.default_rng(74)
    calls = np.full(24, 125.0)
    truth = np.zeros((24, 2))
    truth[3] = 20.0
    seen = truth - truth.mean(axis=0) + _noise(rng, calls, 2)
    kept = seasons.smoother(seen, calls) @ seen
    assert kept[3].min() > 15
    assert np.abs(np.delete(kept, 3, axis=0)).max() < 5


def test_offsets_weighed_by_calls_are_none_and_an_hour_without_calls_is_like_all():
    rng = np.random.default_rng(75)
    slot = np.repeat(np.arange(24), 100)[rng.permutation(2400)]
    slot = slot[slot != 7]
    values = np.cos(slot / 24 * 2 * np.pi)[:, None] + rng.normal(size=(len(slot), 3))
    made = seasons.offsets(values, slot, np.eye(3), np.zeros((24, 3)))
    assert np.abs(made).max() > 0.5
    np.testing.assert_allclose(np.bincount(slot, minlength=24) @ made, 0, atol=1e-6)
    assert not made[7].any()


def test_without_a_cycle_hours_are_alike_and_nothing_is_changed():
    known = baseline(0.0)
    assert known.frame.slots == 24
    assert not any(part.any() for part in (known.fit.seasons.topics, known.fit.seasons.inputs))
    assert not any(rate.offsets for rate in known.panel.rates.values())


def test_seasons_are_near_the_truth_where_there_is_a_cycle():
    known = baseline()
    shares = known.fit.seasons.proportions(known.fit.proportions)
    fresh = Features.of(known.frame, traffic(0, 40_000, 76))
    seen = np.stack([np.bincount(fresh.topic[fresh.slot == s], minlength=known.frame.topics) for s in range(24)])
    seen = seen / seen.sum(axis=1, keepdims=True)
    assert np.abs(shares - seen).sum() < 0.5 * np.abs(known.fit.proportions - seen).sum()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_bet_on_topics_is_fair_in_its_own_hour_but_for_its_slack():
    shares, by_slot = np.array([0.5, 0.3, 0.2]), np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    made = Topics(shares[None], np.array([1000.0]), 0.001, by_slot[None])
    ones, slot = np.ones((1, 1)), np.ones((1, 1), np.int64)
    drifted = np.tile([1.0, 1.0, 8.0], (100, 1, 1))
    state, *_ = made.update(made.start(), drifted, 10 * np.ones((100, 1)), ones.repeat(100, 0), slot.repeat(100, 0))
    won = []
    for topic in range(3):
        after, *_ = made.update(state, np.eye(3)[topic][None, None], ones, ones, slot)
        won.append(np.exp(after.log_e - np.maximum(state.log_e, 0.0))[0])
    np.testing.assert_allclose(by_slot[1] @ np.array(won), np.exp(-0.001), rtol=1e-12)
    assert np.std(won, axis=0).min() > 0.1


def test_rates_step_by_step_are_rates_all_at_once_by_the_hour():
    made = Rate(60, 3000, offsets=(0.01, -0.015), errors=(0.003, 0.003))
    rng = np.random.default_rng(77)
    slot, flagged = rng.integers(0, 2, 60), rng.binomial(10, 0.04, (60, 1)).astype(float)
    state, course = made.start(), []
    for s, hits in zip(slot, flagged[:, 0], strict=True):
        state, found = made.update(state, hits, 10.0, 10.0, int(s))
        course.append(found)
    at_once = courses([made], flagged, np.full((60, 1), 10.0), np.full(60, 10.0), slot)
    np.testing.assert_allclose(at_once[:, 0], course, rtol=1e-12)


def test_a_rate_that_goes_with_the_hour_is_known_and_its_error_is_honest():
    rng = np.random.default_rng(78)
    slot = np.arange(4800) % 24
    truth = 0.1 + 0.08 * np.cos(slot / 24 * 2 * np.pi)
    away = []
    for _ in range(40):
        hits = (rng.random(4800) < truth).astype(float)
        offsets, errors = seasons.rates(hits, np.ones(4800), slot, 24)
        known = Rate(int(hits.sum()), 4800, offsets=offsets, errors=errors)
        away.append((known.by_slot - truth[:24]) / known._error[:, 0])
    assert 0.5 < np.sqrt(np.mean(np.square(away))) < 1.5


def test_a_rate_without_a_cycle_has_none():
    rng = np.random.default_rng(79)
    slot = np.arange(4800) % 24
    found = [seasons.rates((rng.random(4800) < 0.05).astype(float), np.ones(4800), slot, 24)[0] for _ in range(100)]
    assert sum(bool(one) for one in found) <= 5


def test_blocks_are_compared_with_their_own_hour():
    known = baseline()
    layout, p = Layout.of(known), known.fit.proportions
    night = [pane for pane in panes(traffic(0, 30_000, 80)) if pane.tick // HOUR % 24 == 3]
    raw, made = (
        np.sum([getattr(Block(known, layout, pane, 1.0), what)[layout.topics] for pane in night], axis=0)
        for what in ("sums", "vector")
    )
    assert made.sum() == pytest.approx(raw.sum())
    assert np.abs(made / made.sum() - p).sum() < 0.5 * np.abs(raw / raw.sum() - p).sum()


def test_bytes_of_a_baseline_with_seasons_give_them_back():
    known = baseline()
    back = decode(encode(known))
    assert (back.id, back.frame.slots) == (known.id, 24)
    np.testing.assert_array_equal(back.fit.seasons.topics, known.fit.seasons.topics)
    assert decode(encode(baseline(pooled=True))).frame.slots == 1


def test_a_replica_of_a_baseline_with_seasons_sees_what_the_judge_sees():
    known, rows = baseline(), traffic(A_DAY, 1000, 81)
    config = Judge(known, NEVER)
    state, expected = start(config), []
    for pane in panes(rows):
        state, _ = verdict.judge(config, state, pane)
        expected.append(state.statistics)
    fresh = Features.of(known.frame, rows)
    rated = {name: [one] for name, one in known.panel.rates.items()}
    slots = seasons.slot_of([(pane.tick + pane.end) // 2 for pane in panes(rows)], 24)
    seen = Replicas(known.frame, fresh, [known.fit], np.full(100, 10), rated, slots).courses(np.arange(1000)[None])
    for name, course in seen.items():
        np.testing.assert_allclose(course[:, 0], [one[name] for one in expected], rtol=1e-6, atol=1e-6)


def test_the_blocks_of_a_stream_are_those_of_the_baseline_in_their_own_order():
    known = baseline()
    made = stream(known.features, 24, known.blocks.tolist(), 6000, np.random.default_rng(82))
    assert made.calls == 6000
    assert set(np.diff(made.slots) % 24) == {0, 1}
    assert np.bincount(made.slots).min() == pytest.approx(np.bincount(made.slots).max(), abs=2)


def test_a_daily_cycle_is_no_drift_to_a_baseline_that_knows_the_hours_and_drift_to_one_that_does_not():
    promised, rows = 20_000, [traffic(A_DAY, 20_000, [83, seed]) for seed in range(4)]
    knows, pooled = (baseline(runs=30, pooled=alike) for alike in (False, True))
    assert first_alarms(knows, rows, promised).sum() > 4 * 20_000 * 0.5
    assert first_alarms(pooled, rows, promised).max() < 6000


def test_what_drifts_only_at_night_is_found():
    rows = [traffic(A_DAY, 6000, [84, seed], night=2) for seed in range(3)]
    assert first_alarms(baseline(runs=30), rows, 20_000).max() < 2 * A_DAY
