"""Drift inside a set of calls: none where there is none, whatever bursts and cycles; dated and sized where there is."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from drift.call import SERIES
from drift.fit import Features
from drift.frame import frame
from drift.inner_drift import inner_drift
from drift.timeline import DAY_MS, HOUR_MS
from tests.drift import builders

MIX = (0.35, 0.25, 0.1, 0.1, 0.1, 0.1)
OTHER = (0.1, 0.1, 0.1, 0.1, 0.25, 0.35)


def look(rows, seed=0, draws=199):
    features = Features.of(frame(builders.lens(), rows), rows)
    return inner_drift(features, rows["band"], seed, draws=draws)


def by_name(found):
    return {one.aspect: one for one in found.changes}


def halves(n, seed, **changed):
    return np.concatenate([builders.calls(n, seed), builders.calls(n, seed + 1, start=n, **changed)])


@cache
def calm():
    rows = builders.calls(600, 5, errors=0.1)
    return rows, Features.of(frame(builders.lens(), rows), rows)


def alarms(times, runs=150, level=0.05):
    """Share of random assignments of times to calm calls in which anything at all is called a drift."""
    rows, features = calm()
    seen = 0
    for seed in range(runs):
        at = times(np.random.default_rng(seed), len(rows))
        found = inner_drift(replace(features, at=at), rows["band"], seed, draws=99)
        seen += any(one.p_value <= level for one in found.changes)
    return seen / runs


def test_of_calls_that_do_not_drift_as_many_as_said_are_called_drifting():
    shuffled = alarms(lambda rng, n: rng.permutation(n) * 1000)
    assert 0.006 <= shuffled <= 0.10  # .05, 150 runs: two and a half standard errors


def test_the_same_holds_at_equal_hours_of_the_day_though_traffic_comes_and_goes():
    def rising(rng, n):
        day = rng.choice(4, n, p=(0.1, 0.2, 0.3, 0.4))
        return day * DAY_MS + np.clip(rng.normal(14, 4, n), 0, 23.9) * HOUR_MS // 1

    assert alarms(lambda rng, n: rising(rng, n).astype(np.int64), runs=80) <= 0.12


@pytest.mark.parametrize(
    ("changed", "aspects"),
    [
        ({"mix": OTHER}, {"topics", "inputs"}),
        ({"model": 0.8}, {"answers"}),
        ({"longer": 1.5}, {"answers", "output_length"}),
        ({"errors": 0.15}, {"error"}),
    ],
)
def test_a_change_in_the_middle_is_seen_in_what_changed_and_nowhere_else(changed, aspects):
    before = {"mix": MIX} if "mix" in changed else {}
    rows = np.concatenate([builders.calls(600, 11, **before), builders.calls(600, 12, start=600, **changed)])
    found = by_name(look(rows))
    assert {name for name, one in found.items() if one.p_value < 0.01} >= aspects
    sure = {name for name, one in found.items() if one.p_value < 0.01}
    assert sure <= aspects | {"inputs", "off_topic"} if "mix" in changed else sure == aspects
    surest = max((found[name] for name in aspects), key=lambda one: one.size)
    assert abs(surest.at / 1000 - 600) < 80


def test_sizes_are_those_of_the_change():
    found = by_name(look(halves(1500, 21, longer=1.3, errors=0.12)))
    assert found["output_length"].effect == pytest.approx(0.3, abs=0.06)
    assert found["error"].effect == pytest.approx(0.1, abs=0.03)
    shares = np.array(MIX), np.array(OTHER)
    mixed = np.concatenate([builders.calls(1500, 23, mix=MIX), builders.calls(1500, 24, mix=OTHER, start=1500)])
    moved = by_name(look(mixed))["topics"]
    assert moved.effect == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2, abs=0.08)


def test_a_length_that_only_spreads_is_a_drift_of_its_spread():
    rows = halves(800, 31)
    series = SERIES.index("latency_ms")
    rng = np.random.default_rng(3)
    rows["bins"][800:, series] = np.clip(rows["bins"][800:, series] + rng.integers(-60, 61, 800), 0, None)
    one = by_name(look(rows))["latency"]
    assert one.p_value < 0.01
    assert one.spread > 0.5
    assert abs(one.effect) < 0.15


def test_another_mix_of_questions_is_no_change_of_the_answers():
    drifted = 0
    for seed in range(20):
        rows = np.concatenate(
            [builders.calls(400, 40 + seed, mix=MIX), builders.calls(400, 80 + seed, mix=OTHER, start=400)]
        )
        drifted += by_name(look(rows, draws=99))["answers"].p_value <= 0.05
    assert drifted <= 4


def cyclic(days, seed, swing=0.8):
    """Calls whose topics follow the hour of the day, spread evenly over some days."""
    n = 1500
    at = np.sort(np.random.default_rng(seed).integers(0, int(days * DAY_MS), n))
    night = np.sin(2 * np.pi * at / DAY_MS) > 0
    rows = builders.calls(n, seed, mix=MIX)
    other = builders.calls(n, seed + 1, mix=OTHER)
    use = night & (np.random.default_rng(seed + 2).random(n) < swing)
    rows[use] = other[use]
    rows["at"] = at
    return rows


def test_a_daily_cycle_is_no_drift_once_it_was_seen_twice_and_cannot_be_told_from_it_before():
    once, thrice = look(cyclic(1, 51)), look(cyclic(3, 52))
    assert (once.cycle, thrice.cycle) == ("", "day")
    assert by_name(once)["topics"].p_value < 0.01
    assert all(one.p_value > 0.01 for one in thrice.changes)


def test_a_drift_under_a_daily_cycle_is_found_at_equal_hours():
    rows = cyclic(4, 53)
    late = rows["at"] >= 2 * DAY_MS
    rows[late] = np.where(np.random.default_rng(1).random(late.sum()) < 0.5, rows[late], _as(rows[late], 54))
    found = by_name(look(rows))
    assert found["topics"].p_value < 0.01
    assert abs(found["topics"].at / DAY_MS - 2) < 0.4


def _as(rows, seed):
    other = builders.calls(len(rows), seed, mix=(0, 0, 0.5, 0.5, 0, 0))
    other["at"] = rows["at"]
    return other


def test_bursts_of_one_topic_are_no_drift():
    drifted = 0
    for seed in range(20):
        rows = builders.calls(1000, 100 + seed)
        rng = np.random.default_rng(seed)
        topics = rng.permutation(builders.TOPICS)
        by_topic = [np.flatnonzero(rows["topic"] == topic) for topic in topics]
        bursts = [part for one in by_topic for part in np.array_split(one, max(len(one) // 6, 1))]
        order = np.concatenate([bursts[i] for i in rng.permutation(len(bursts))])
        rows = rows[order]
        rows["at"] = np.arange(len(rows)) * 1000
        drifted += by_name(look(rows, draws=99))["topics"].p_value <= 0.05
    assert drifted <= 4


def test_the_order_of_the_calls_and_the_day_they_are_looked_at_change_nothing():
    rows = halves(400, 61, mix=OTHER)
    features = Features.of(frame(builders.lens(), rows), rows)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    fields = {name: getattr(features, name)[shuffled] for name in Features.__slots__}
    one = inner_drift(features, rows["band"], 7, draws=99)
    assert inner_drift(Features(**fields), rows["band"][shuffled], 7, draws=99) == one


def test_calls_without_answers_are_looked_at_in_what_they_have():
    rows = builders.calls(300, 71)
    rows["answered"] = 0
    found = by_name(look(rows, draws=99))
    assert "answers" not in found
    assert {"topics", "inputs"} <= set(found)


def test_calls_that_never_vary_do_not_drift():
    rows = builders.calls(300, 72)
    for name in ("features", "bins", "topic", "band", "flags"):
        rows[name] = rows[name][0]
    assert all(one.p_value == 1 for one in look(rows, draws=99).changes)
