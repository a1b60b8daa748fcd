"""Versions of a prompt in the small world: each answers as if the model had moved by so much."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from drift import prompts
from drift.anchor import Anchor, Level, anchored
from drift.baseline import build
from drift.block import sizes
from drift.budget import Budget
from drift.call import MARKERS
from drift.prompts import Chain, distance, links, look, update
from drift.state import TOLERANCES, Judge, start
from drift.verdict import judge, verdicts
from tests.drift import builders

NOBODY = np.zeros(builders.lens().topics, bool)
TOLERANCE = TOLERANCES["prompt_chain"]


def code(version):
    return 1000 + version


NAMES = {code(version): f"v{version}\x1flive" for version in range(60)} | {
    5000 + version: f"v{version}" for version in range(60)
}


def calls(n, seed, version, start=0, **world):
    """Calls of a version; names of strata and markers are in ``NAMES``."""
    rows = builders.calls(n, seed, start=start, prompt_version=5000 + version, **world)
    rows["stratum"] = code(version)
    return rows


def ticks(rows):
    return [replace(tick, names=NAMES) for tick in builders.ticks(rows)]


@cache
def baseline():
    made = [replace(tick, names=NAMES) for tick in builders.ticks(calls(2000, 3, 0), size=5000)]
    return build(builders.lens(), made, sizes(made), runs=0)


@cache
def anchor():
    return Anchor(baseline())


def chain_of(*parts):
    chain = Chain()
    for rows in parts:
        for tick in ticks(rows):
            chain = update(anchor(), chain, tick, NOBODY)
    return chain


def test_calls_of_the_anchor_itself_make_no_chain():
    assert anchor().name == "v0"
    assert chain_of(calls(200, 300, 0)) == Chain()


def test_a_version_that_answers_alike_is_at_no_distance_and_its_interval_says_so():
    found = distance(anchor(), chain_of(calls(1000, 301, 1)).versions[0])
    assert found.size < 0.1
    assert found.low == 0
    assert found.beyond(TOLERANCE) < 3


def test_distances_are_measured_given_the_input_so_that_another_mix_is_none():
    skewed = calls(1000, 302, 1, mix=(0.5, 0.1, 0.1, 0.1, 0.1, 0.1))
    found = distance(anchor(), chain_of(skewed).versions[0])
    assert found.given_inputs
    assert (found.low, found.beyond(TOLERANCE) < 3) == (0, True)
    plain = prompts._distance(
        anchor().plain, chain_of(skewed).versions[0].mean(False)[0] - anchor().plain.mean, 1e3, 2e3, False
    )
    assert plain.low > 0  # whatever the input, the mix alone would look like an edit


def test_many_small_steps_add_up_although_each_is_inside_the_tolerance():
    steps = [calls(600, 310 + k, k, start=600 * k, model=0.06 * k) for k in range(1, 13)]
    made = links(anchor(), chain_of(*steps))
    assert [one.version.name for one in made] == [f"v{k}" for k in range(1, 13)]
    assert max(one.step.low for one in made) < TOLERANCE
    assert made[-1].total.low > 2 * TOLERANCE
    sizes_ = [one.total.size for one in made]
    assert stats.spearmanr(range(12), sizes_).statistic > 0.9


def test_the_step_to_a_version_is_the_shift_between_the_two_means():
    """Oracle: numpy over residuals of single calls."""
    rows = [calls(400, 330, 1, model=0.3), calls(400, 331, 2, start=400, model=0.5)]
    one, two = chain_of(*rows).versions
    frame, fit = baseline().frame, baseline().fit
    means = []
    for part in rows:
        topic = frame.topic(part["topic"])
        kept = anchor().known[topic] & (part["band"] < frame.bands)
        from drift.frame import log_lengths

        left = frame.answers(part["features"][:, 1:], log_lengths(part)) - anchor().centres[topic]
        means.append((left - frame.inputs(part["features"][:, 0]) @ fit.slope)[kept].mean(axis=0))
    np.testing.assert_allclose(one.given / one.compared, means[0], atol=1e-9)
    step = distance(anchor(), two, one)
    assert step.square == pytest.approx(((means[1] - means[0]) ** 2).sum())


def test_evidence_follows_the_noncentral_law_at_the_tolerance():
    """Monte Carlo: a shift of just the tolerance is found beyond it at most as often as it may be."""
    rng = np.random.default_rng(340)
    level = Level(np.zeros(20), np.eye(20), 1e9)
    shift = np.zeros(20)
    shift[0] = TOLERANCE
    draws = rng.normal(size=(4000, 20)) / np.sqrt(200) + shift
    found = [prompts._distance(level, one, 200, 1e9, True).beyond(TOLERANCE) for one in draws]
    for wanted in (2.0, 4.0):
        assert (np.array(found) >= wanted).mean() == pytest.approx(np.exp(-wanted), rel=0.35)


def test_fresh_versions_that_answer_alike_are_not_found_outside():
    chain = Chain()
    for version in range(1, 25):
        for tick in ticks(calls(250, 350 + version, version, start=250 * version)):
            chain = update(anchor(), chain, tick, NOBODY)
            chain = replace(chain, versions=tuple(look(anchor(), one, TOLERANCE, 1000) for one in chain.versions))
    assert all(one.looked for one in chain.versions)
    assert not any(one.outside for one in chain.versions)


def test_the_chain_is_bounded_and_says_how_many_it_forgot():
    chain = chain_of(*(calls(80, 400 + k, k, start=80 * k) for k in range(1, 41)))
    assert len(chain.versions) == prompts.MOST
    assert chain.forgotten == 40 - prompts.MOST
    assert links(anchor(), chain)[0].step is None
    assert links(anchor(), chain)[1].step is not None


def test_a_version_is_portrayed_by_its_first_answers():
    """A model that changes long after a deploy is no work of the prompt."""
    chain = chain_of(calls(4500, 420, 1))
    before = chain.versions[0]
    for tick in ticks(calls(500, 421, 1, start=4500, model=3.0)):
        chain = update(anchor(), chain, tick, NOBODY)
    assert before.compared >= prompts.ENOUGH
    assert distance(anchor(), chain.versions[0]).size == distance(anchor(), before).size
    assert chain.versions[0].calls == 5000


def test_the_chain_is_the_same_however_calls_fall_into_panes_but_for_rounding():
    rows = calls(300, 430, 1, model=0.5)
    by_tick = chain_of(rows).versions[0]
    whole = update(anchor(), Chain(), builders.pane(rows, names=NAMES), NOBODY).versions[0]
    np.testing.assert_allclose(whole.given, by_tick.given)
    assert (whole.calls, whole.answered, whole.compared) == (by_tick.calls, by_tick.answered, by_tick.compared)


def far(rows):
    """Inputs that no topic of the baseline is near to."""
    rows["band"] = 4
    return rows


def test_a_template_inside_the_input_is_compared_whatever_the_input():
    version = chain_of(far(calls(600, 440, 1, model=1.0))).versions[0]
    assert not version.covered
    found = distance(anchor(), version)
    assert not found.given_inputs
    assert found.low > TOLERANCE


def config(**settings):
    return Judge(baseline(), Budget(20_000, "calls"), **settings)


def run(judged, *parts, state=None):
    state, alarms = state or start(judged), []
    for rows in parts:
        for tick in ticks(rows):
            state, raised = judge(judged, state, tick)
            alarms += raised
    return state, alarms


def test_a_slow_walk_of_small_edits_is_prompt_drift_and_no_model_drift():
    steps = [calls(400, 450 + k, k, start=400 * k, model=0.03 * k) for k in range(1, 13)]
    state, alarms = run(config(), *steps)
    (alarm,) = [one for one in alarms if one.kind == "prompt"]
    assert "model" not in {one.kind for one in alarms}
    assert alarm.detector == "prompt_chain"
    assert alarm.statistic >= alarm.threshold
    assert alarm.effect.size > TOLERANCE
    assert alarm.anchor == ("v0", 2000)
    assert all(one.step.low <= TOLERANCE for one in alarm.links if one.step)
    assert len(alarm.links) > 3
    found = {one.kind: one for one in verdicts(config(), state)}
    assert found["prompt"].answer == "drift"
    assert found["model"].answer == "not_enough_data"


def test_one_large_edit_is_found_at_once_and_going_back_ends_the_alarm():
    judged = config(clear_after=200)
    state, alarms = run(judged, calls(300, 470, 1, model=1.5))
    assert [(one.kind, one.state, one.version) for one in alarms if one.kind == "prompt"] == [
        ("prompt", "firing", "v1")
    ]
    assert alarms[0].calls <= 150
    assert alarms[0].marker.field == "prompt_version"
    assert np.nanmean(alarms[0].scores) > 0.5
    state, alarms = run(judged, calls(400, 471, 0, start=300), state=state)
    assert [(one.kind, one.state, one.version) for one in alarms if one.kind == "prompt"] == [
        ("prompt", "resolved", "v1")
    ]
    state, alarms = run(judged, calls(50, 472, 1, start=700, model=1.5), state=state)
    assert [(one.kind, one.state) for one in alarms if one.kind == "prompt"] == [("prompt", "firing")]


def test_a_version_within_tolerance_is_no_drift_and_a_new_one_not_enough_data():
    state, alarms = run(config(), calls(300, 480, 1))
    assert alarms == []
    found = next(one for one in verdicts(config(), state) if one.kind == "prompt")
    assert (found.answer, found.detector) == ("no_drift", "prompt_chain")
    state, _ = run(config(), calls(20, 481, 2, start=300), state=state)
    found = next(one for one in verdicts(config(), state) if one.kind == "prompt")
    assert found.answer == "not_enough_data"
    assert "version v2 has 20 answers, 64 wanted" in found.reason


def test_another_baseline_can_be_the_anchor_and_must_be_seen_through_the_same_lens():
    later = [replace(tick, names=NAMES) for tick in builders.ticks(calls(800, 490, 5, model=0.8), size=5000)]
    moved = build(builders.lens(), later, sizes(later), runs=0)
    own = Judge(moved, Budget(20_000, "calls"))
    _, alarms = run(own, calls(300, 491, 5, start=800, model=0.8))
    assert alarms == []
    old = replace(own, origin=baseline())
    assert old.anchor.name == "v0"
    _, alarms = run(old, calls(300, 491, 5, start=800, model=0.8))
    assert {one.kind for one in alarms} == {"prompt"}
    other = replace(baseline(), pane=replace(baseline().pane, lens="other"))
    with pytest.raises(Exception, match=f"--lens {builders.lens().id}|lens other"):
        replace(own, origin=other)


def test_a_baseline_without_answers_makes_no_anchor():
    rows = calls(400, 495, 0)
    rows["answered"] = 0
    made = builders.ticks(rows, size=5000)
    assert anchored(build(builders.lens(), made, sizes(made), runs=0)) is None


def test_markers_of_versions_are_where_the_tests_put_them():
    assert NAMES[int(calls(1, 0, 3)["markers"][0, MARKERS.index("prompt_version")])] == "v3"
