from dataclasses import replace

import numpy as np
import pytest

from drift.block import Block, Layout
from drift.call import MARKERS
from drift.explain import (
    AWAY,
    EVENTS,
    FEW,
    ChangePoint,
    MarkerEvent,
    Markers,
    change_point,
    moved,
    nearest,
    shifted_topics,
)
from drift.history import History
from drift.newcomers import newcomers
from tests.drift import builders

BASELINE = builders.baseline()
LAYOUT = Layout.of(BASELINE)
RARE, USUAL, NEW = 4, 5, 6


def block(n=20, seed=121, **markers):
    return builders.pane(builders.calls(n, seed, **markers))


def after(steps):
    """Markers after blocks of twenty calls of one served model each."""
    markers, calls = Markers.of(BASELINE), 0
    for value, blocks in steps:
        for _ in range(blocks):
            markers, calls = markers.update(block(served_model=value), calls), calls + 20
    return markers


def test_a_value_the_baseline_knows_is_no_news():
    assert after([(USUAL, 40)]).events == ()


def test_a_new_value_is_news_once():
    (event,) = after([(USUAL, 2), (NEW, 60)]).events
    assert (event.field, event.before, event.after, event.calls) == ("served_model", USUAL, NEW, 40)


def test_a_value_that_comes_back_soon_is_no_news_and_after_long_it_is():
    soon = after([(USUAL, 2), (NEW, AWAY // 20 - 1), (USUAL, 1)])
    late = after([(USUAL, 2), (NEW, AWAY // 20 + 1), (USUAL, 1)])
    assert [event.after for event in soon.events] == [NEW]
    assert [event.after for event in late.events] == [NEW, USUAL]


def test_two_values_in_every_large_block_are_no_news():
    rows = builders.calls(2 * AWAY, 122, served_model=USUAL)
    rows["markers"][::3, MARKERS.index("served_model")] = RARE
    markers = Markers.of(BASELINE)
    for t in range(5):
        markers = markers.update(builders.pane(rows), t * len(rows))
    assert [event.after for event in markers.events] == [RARE]


def test_what_is_remembered_of_markers_is_bounded():
    markers = Markers.of(BASELINE)
    for t in range(200):
        markers = markers.update(block(fingerprint=1000 + t, served_model=USUAL), 20 * t)
    assert len(markers.events) == EVENTS
    assert all(len(values) <= 64 for values in markers.seen.values())


def test_an_update_leaves_the_older_markers_as_they_were():
    markers = Markers.of(BASELINE)
    kept = (dict(markers.usual), {name: dict(values) for name, values in markers.seen.items()})
    markers.update(block(served_model=NEW), 0)
    assert (markers.usual, markers.seen) == kept


@pytest.mark.parametrize("overrated", [1.0, 10.0])
def test_a_change_is_dated_where_it_was_though_the_bet_on_it_is_too_high(overrated):
    history, state = History.start(LAYOUT.width), BASELINE.panel.start()
    for t in range(60):
        rows = builders.calls(20, 200 + t, model=0.2 if t >= 30 else 0.0, start=20 * t)
        one = Block(BASELINE, LAYOUT, builders.pane(rows), 20.0)
        state, _ = BASELINE.panel.update(state, one.feed)
        history = history.push(one.vector, 20 * t, (20_000 * t, 20_000 * (t + 1)))
    bets = state["answers"]
    bets = replace(bets, total=overrated * bets.total, age=np.full_like(bets.age, 1200.0))
    found = change_point(BASELINE, LAYOUT, history, "answers", bets, 0, 1200)
    assert abs(found.calls - 600) <= 80


def point(calls=1000, low=990, high=1010):
    return ChangePoint(0, 0, 0, 0, calls, low, high)


def test_the_nearest_marker_is_named_and_of_equals_the_one_that_says_most():
    events = [MarkerEvent("app_version", 1, 2, 0, 1000), MarkerEvent("served_model", 1, 2, 0, 1000)]
    events += [MarkerEvent("region", 1, 2, 0, 930), MarkerEvent("model", 3, 3, 0, 1000)]
    assert nearest(Markers({}, {}, tuple(events)), point()).field == "served_model"
    assert nearest(Markers({}, {}, tuple(events)), point(calls=2000)) is None
    assert nearest(Markers({}, {}, tuple(events)), point(calls=2000, low=900, high=2000)).field == "served_model"


def test_a_topic_that_moved_has_the_z_of_a_binomial_against_a_finite_baseline():
    p, size, n = BASELINE.fit.proportions, BASELINE.fit.size, 500
    counts = np.round(n * p)
    counts[7] += 40
    first = moved(BASELINE, counts)[0]
    total = counts.sum()
    assert (first.topic, first.calls) == (7, counts[7])
    assert first.z == pytest.approx(
        (counts[7] - total * p[7]) / np.sqrt(total * p[7] * (1 - p[7]) * (1 + total / size))
    )


def test_topics_of_fresh_calls_have_z_of_about_unit_variance():
    z = []
    for seed in range(30):
        vector = Block(BASELINE, LAYOUT, builders.pane(builders.calls(400, 4000 + seed)), 1.0).vector
        z += [topic.z for topic in moved(BASELINE, vector[LAYOUT.topics], most=99)]
    assert np.mean(np.square(z)) == pytest.approx(1, abs=0.15)


def test_no_calls_moved_no_topic():
    assert moved(BASELINE, np.zeros(BASELINE.frame.topics)) == ()


def test_newcomers_are_the_calls_that_a_shift_is_made_of():
    usual, new = builders.calls(200, 123), builders.calls(100, 124, mix=[1, 0, 0, 0, 0, 0])
    rows = np.concatenate([usual, new])
    shift = BASELINE.frame.inputs(rows["features"][:, 0]).mean(axis=0) - BASELINE.fit.input_mean
    found = newcomers(BASELINE, shift, rows)
    assert found.z > 2
    assert found.now == found.members.mean() > found.before
    assert found.members[200:].mean() > 3 * found.members[:200].mean()


def test_a_shift_that_nobody_makes_has_no_newcomers():
    rows, shift = builders.calls(200, 125), np.ones(BASELINE.frame.input_map.shape[1])
    assert newcomers(BASELINE, shift, rows) is None
    assert newcomers(BASELINE, 0 * shift, rows) is None
    assert newcomers(BASELINE, shift, rows[:0]) is None


def test_topics_whose_answers_moved_are_told_by_their_mean_the_surest_first():
    """Oracle: numpy."""
    rows = builders.calls(200, 128)
    topic = BASELINE.frame.topic(rows["topic"])
    scores = np.where(topic == topic[0], 3.0, 0.0) + np.random.default_rng(129).normal(size=len(rows))
    scores[1] = np.nan
    found = shifted_topics(BASELINE, scores, rows)
    assert found[0].topic == topic[0]
    here = scores[(topic == topic[0]) & ~np.isnan(scores)]
    assert found[0].shift == pytest.approx(here.mean())
    assert found[0].calls == len(here)
    assert found[0].low < found[0].shift < found[0].high
    assert [one.z for one in found] == sorted((one.z for one in found), reverse=True)


def test_topics_of_a_few_sampled_answers_are_not_told():
    rows = builders.calls(FEW - 1, 130)
    assert shifted_topics(BASELINE, np.ones(len(rows)), rows) == ()
    assert shifted_topics(BASELINE, np.full(len(rows), np.nan), rows) == ()
