"""Scores and feedback of call records, from the line to the alert."""

import random

import msgspec
import pytest

from drift.budget import parse
from drift.call import FEEDBACK, SERIES
from drift.errors import SettingsError
from streams.alerts import encode
from streams.building import build_baseline
from streams.embedded import Options, Watch
from streams.scores import binned, names
from streams.settings import load
from tests.streams import traffic

FIRST = SERIES.index("score_1")


def log(first, last, correct=0.9, **fields):
    """Calls with a yes or no, and a thumb for some."""
    made, rng = traffic.calls(first, last, **fields), random.Random(first)
    return [
        {**call, "scores": {"correct": float(rng.random() < correct)}, "feedback": rng.choice((None, 1, -1))}
        for call in made
    ]


def bearing(*each):
    return traffic.records(
        [{**call, "scores": one} for call, one in zip(traffic.calls(0, len(each)), each, strict=True)]
    )


def test_the_commonest_scores_that_half_of_the_calls_bear_are_measured_ties_by_name():
    calls = bearing({"c": 1, "b": 1, "a": 1}, {"c": 1, "b": 0, "z": 3}, {"c": 1, "a": 1, "d": 0, "e": 1}, {"d": 0})
    assert names(calls, ()) == ("c", "a", "b")
    assert names(calls, ("rare",)) == ("rare",)
    assert names(bearing({}, {}), ()) == ()


def test_scores_and_feedback_are_measured_in_columns_of_their_own():
    calls = bearing({"a": 0.84}, {"a": -2, "b": 1}, {})
    assert binned(calls, ("a", "b")).tolist() == [[840, -1, -1, -1], [calls_bin(-2), 1000, -1, -1], [-1] * 4]
    made = build_baseline(traffic.meter(), traffic.records(log(0, 300)))
    rows = made.pane.sample.rows
    assert set(rows["bins"][:, FIRST].tolist()) == {0, 1000}
    assert len(set(rows["bins"][:, FEEDBACK].tolist())) == 3


def calls_bin(score):
    return int(binned(bearing({"a": score}), ("a",))[0, 0])


@pytest.mark.parametrize(
    ("given", "said"), [(list("abcd"), "at most 3 names, got 4"), (["a", "a"], "a is given twice")]
)
def test_scores_that_cannot_be_measured_are_refused(given, said):
    with pytest.raises(SettingsError, match=said):
        load(None, {"scores": given}, {})


def test_an_alert_names_the_score_its_figures_and_the_parts_of_its_change():
    made = build_baseline(traffic.meter(), traffic.records(log(0, 390)))
    assert made.declared.scores == ("correct",)
    watched = Watch(traffic.meter(), Options(parse("200000 calls"), clear_after=256), {traffic.SEGMENT: made})
    alerts, _ = watched.feed(traffic.records(log(390, 700) + log(700, 1100, correct=0.5) + log(1100, 2400)))
    found = [msgspec.json.decode(encode(one)) for one in alerts + watched.finish()]
    assert [(one["kind"], one["detector"], one["state"]) for one in found] == [
        ("quality", "score correct", "firing"),
        ("quality", "score correct", "resolved"),
    ]
    firing, ended = found
    assert "answers of support-bot/answer score lower on correct: 0.9" in firing["sentence"]
    assert "back to normal (score correct)" in ended["sentence"]
    parts, effect = firing["explained"], firing["effect"]
    assert parts["mix"] + parts["conditional"] == pytest.approx(effect["current"] - effect["baseline"], abs=2e-6)
    assert parts["mix_low"] <= parts["mix"] <= parts["mix_high"]
    assert parts["low"] <= parts["conditional"] <= parts["high"]
