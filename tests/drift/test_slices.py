"""Which value of a declared field carries a drift."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from drift.baseline import build, decode, encode
from drift.block import Block, sizes
from drift.budget import Budget
from drift.call import MARKERS, SLICES, VALUES, Slice
from drift.effects import effect
from drift.history import History
from drift.pane import merge
from drift.sliced_sums import of_rows, parts
from drift.slices import OTHER, slices
from drift.state import Judge, start
from drift.verdict import judge
from tests.drift import builders

REGION = Slice("region", ("us", "eu", "ap", "sa"))
TIER = Slice("attributes.tier", ("free", "pro"))
SHARES = (0.4, 0.2, 0.2, 0.2)
SKEWED = (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)
ALIKE = {
    "answers": {"model": 0.4},
    "inputs": {"mix": (0.3, 0.14, 0.14, 0.14, 0.14, 0.14)},
    "topics": {"mix": (0.3, 0.14, 0.14, 0.14, 0.14, 0.14)},
    "output_length": {"longer": 1.2},
    "error": {"errors": 0.06},
}


def labelled(rows, seed):
    """Calls of four regions and two tiers, and the region of each; one in ten has neither."""
    rng = np.random.default_rng([seed, 9])
    region, tier = rng.choice(4, len(rows), p=SHARES), rng.choice(2, len(rows))
    rows["slices"][:, 0] = np.array(list(REGION.codes.values()), np.uint64)[region]
    rows["slices"][:, 1] = np.array(list(TIER.codes.values()), np.uint64)[tier]
    rows["slices"][rng.random(len(rows)) < 0.1] = 0
    rows["markers"][:, MARKERS.index("region")] = region + 1
    return rows, region


@cache
def baseline(declared=True):
    rows, _ = labelled(builders.calls(2400, 3), 3)
    facts = {"slices": [{"field": one.field, "values": list(one.values)} for one in (REGION, TIER)]}
    if not declared:
        rows["slices"], facts = 0, {}
    made = builders.ticks(rows, size=5000)
    return build(builders.lens(), made, sizes(made), runs=0, facts=facts)


@cache
def config(declared=True):
    return Judge(baseline(declared), Budget(20_000, "calls"))


def drifted(n, seed, where=(0, 1, 2, 3), part=1.0, **drift):
    """Calls of which those of some regions drift, or a part of them."""
    rows, region = labelled(builders.calls(n, seed), seed)
    new = builders.calls(n, seed, **drift)
    hit = np.isin(region, where) & (np.random.default_rng([seed, 4]).random(n) < part)
    for name in ("slices", "markers"):
        new[name] = rows[name]
    rows[hit] = new[hit]
    return rows


def told(rows, detector, judged=None, sampled=256):
    judged = judged or config()
    since = Block(judged.baseline, judged.layout, builders.pane(rows), 1.0).vectors
    found = effect(judged.baseline, judged.layout, detector, since)
    return slices(judged, start(judged), detector, found, since, rows[:sampled])


def carrier(rows, detector, field="region"):
    return next((one.value for one in told(rows, detector) if one.carries and one.field == field), None)


@pytest.mark.parametrize("detector", ALIKE)
def test_what_the_values_of_a_field_contribute_adds_up_to_the_whole_shift(detector):
    found = told(drifted(700, 21, where=(1, 2), **ALIKE[detector]), detector)
    for field, sampled in {(one.field, one.sampled) for one in found}:
        values = [one for one in found if (one.field, one.sampled) == (field, sampled)]
        assert sum(one.contribution for one in values) == pytest.approx(1, abs=1e-9)
        assert sum(one.calls for one in values) == (256 if sampled else 700)
        for share in ("share_before", "share_now"):
            assert sum(getattr(one, share) for one in values) == pytest.approx(1)
    assert {one.field: one.value for one in found} == {"region": OTHER, "attributes.tier": OTHER}


def test_the_sums_of_all_calls_as_one_slice_are_those_of_the_block():
    judged, rows = config(), drifted(300, 22, model=1.0)
    whole = Block(judged.baseline, judged.layout, builders.pane(rows), 1.0).vector
    every = of_rows(judged.baseline, judged.layout, rows, np.full(len(rows), 7, np.uint64), [7, 8])
    np.testing.assert_allclose(every[0], whole, rtol=1e-9, atol=1e-6)
    assert not every[1].any()


def test_the_sums_of_slices_and_of_the_other_calls_are_those_of_all():
    judged, rows = config(), drifted(500, 23, model=1.0)
    block = Block(judged.baseline, judged.layout, builders.pane(rows), 1.0)
    _, *kept = block.vectors.reshape(1 + len(judged.layout.values), -1)
    rest = Block(judged.baseline, judged.layout, builders.pane(rows[rows["slices"][:, 0] == 0]), 1.0).vector
    np.testing.assert_allclose(np.sum(kept[:4], axis=0) + rest, block.vector, rtol=1e-9, atol=1e-6)


def test_any_order_and_any_partition_tell_the_same_of_slices():
    rows = drifted(400, 24, where=(1,), model=1.5)
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    parted = merge([builders.pane(shuffled[:150]), builders.pane(shuffled[150:])])
    judged = config()
    one, other = (
        parts(judged.baseline, judged.layout, (pane.sums.slice_cells, pane.sums.slice_counts), judged.layout.values)
        for pane in (builders.pane(rows), parted)
    )
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("detector", "drift"),
    [("answers", {"model": 1.2}), ("output_length", {"longer": 1.6}), ("error", {"errors": 0.2})],
)
def test_a_drift_in_one_region_of_a_fifth_of_the_calls_is_named_as_carried_by_it(detector, drift):
    named = Counter(carrier(drifted(600, 100 + seed, where=(1,), **drift), detector) for seed in range(20))
    assert named["eu"] >= 18
    assert set(named) <= {"eu", None}


@pytest.mark.parametrize("part", [1.0, 0.3])
@pytest.mark.parametrize("detector", ALIKE)
def test_no_region_is_named_where_all_drift_alike(detector, part):
    drift = {name: size if name == "mix" else size / part for name, size in ALIKE[detector].items()}
    named = [carrier(drifted(500, 200 + seed, part=part, **drift), detector) for seed in range(20)]
    assert sum(one is not None for one in named) <= stats.binom.ppf(0.99, 20, 0.05)


def test_a_region_that_always_answered_otherwise_does_not_carry_what_all_do():
    rows, region = labelled(builders.calls(2400, 3), 3)
    away = builders.calls(2400, 3, longer=2.0)
    rows["bins"][region == 1] = away["bins"][region == 1]
    facts = {"slices": [{"field": REGION.field, "values": list(REGION.values)}]}
    made = builders.ticks(rows, size=5000)
    judged = Judge(build(builders.lens(), made, sizes(made), runs=0, facts=facts), Budget(20_000, "calls"))
    now, there = labelled(builders.calls(800, 31, longer=1.3), 31)
    now["bins"][there == 1] = builders.calls(800, 31, longer=2.6)["bins"][there == 1]
    found = {one.value: one for one in told(now, "output_length", judged) if not one.sampled}
    assert not any(one.carries for one in found.values())
    assert found["eu"].effect.estimate == pytest.approx(0.3, abs=0.15)
    assert found["eu"].alone


def test_a_value_that_the_baseline_hardly_holds_is_compared_with_all_of_it():
    rows = drifted(600, 32, where=(1,), longer=1.6)
    new = replace(REGION, values=("mars", *REGION.values[1:]))
    judged = config()
    facts = {"slices": [{"field": "region", "values": list(new.values)}]}
    judged = replace(judged, baseline=replace(judged.baseline, facts=facts))
    rows["slices"][:300, 0] = new.codes["mars"]
    found = {one.value: one for one in told(rows, "output_length", judged)}
    assert (found["mars"].alone, found["eu"].alone) == (False, True)
    assert found["mars"].share_before == 0


def test_undeclared_fields_are_told_by_sampled_calls():
    rows = drifted(600, 33, where=(1,), model=2.0)
    found = told(rows, "answers", config(declared=False))
    assert {one.field for one in found} == {"region"} and all(one.sampled for one in found)
    (one,) = [one for one in found if one.carries]
    assert one.value == format(2, "x")  # the second region's hash: no name travelled with these calls
    assert one.calls < 256 and one.effect.low > 0


def test_a_variant_is_told_by_its_name_through_every_prompt_version():
    rows, judged = drifted(600, 34, where=(1,), model=2.0), config(declared=False)
    hit = rows["markers"][:, MARKERS.index("region")] == 2
    rows["stratum"][::2], rows["stratum"][hit] = 78, 79
    names = {builders.STRATUM: "v1\x1flive", 78: "v2\x1flive", 79: "v1\x1fcanary"}
    state = replace(start(judged), names=names)
    since = Block(judged.baseline, judged.layout, builders.pane(rows), 1.0).vectors
    found = slices(
        judged, state, "output_length", effect(judged.baseline, judged.layout, "output_length", since), since, rows
    )
    calls = {one.value: one.calls for one in found if one.field == "variant"}
    assert calls == {"canary": hit.sum(), "live": (~hit).sum()}


def run(judged, rows):
    state, alarms = start(judged), []
    for tick in builders.ticks(rows):
        state, raised = judge(judged, state, tick)
        alarms += raised
    return state, alarms


def test_declared_slices_change_no_alarm_and_name_the_region_of_one():
    calm, drift = labelled(builders.calls(600, 41), 41)[0], drifted(900, 42, where=(1,), model=1.5)
    drift["at"] += 600_000
    rows = np.concatenate([calm, drift])
    _, alarms = run(config(), rows)
    rows["slices"] = 0
    _, without = run(config(declared=False), rows)
    assert [(one.tick, one.detector, one.statistic, one.effect, one.point) for one in alarms] == [
        (one.tick, one.detector, one.statistic, one.effect, one.point) for one in without
    ]
    assert [one.value for one in alarms[0].slices if one.carries and not one.sampled] == ["eu"]


def test_a_baseline_keeps_its_slices_through_storage():
    kept = decode(encode(baseline()))
    assert kept.slices == (REGION, TIER)
    np.testing.assert_array_equal(kept.pane.sums.slice_cells, baseline().pane.sums.slice_cells)


def test_the_history_of_the_most_slices_stays_below_1600_kilobytes():
    layout = replace(config().layout, values=tuple(range(SLICES * VALUES)))
    history = History.start(layout.span)
    for t in range(700):
        history = history.push(np.ones(layout.span), 10 * t, (t, t + 1))
    assert history.sums.nbytes < 1600 * 1024
