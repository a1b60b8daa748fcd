"""A segment's verdict: one sentence, and the same as data."""

from dataclasses import replace
from functools import cache

import msgspec

from drift.budget import parse
from streams.embedded import Options, Segment, Watch
from streams.verdicts import segment_verdict
from streams.wording import moment
from tests.streams import traffic


@cache
def watched(changed_from=None):
    made = Watch(traffic.meter(), Options(parse("200000 calls")), {traffic.SEGMENT: traffic.baseline()})
    made.feed(traffic.records(traffic.calls(1000, 1500, changed_from=changed_from)))
    made.finish()
    return made.segments[traffic.SEGMENT]


def test_a_calm_segment_is_told_by_what_did_not_drift():
    found = segment_verdict(watched())
    assert found.answer == "no_drift"
    assert found.sentence.startswith("support-bot/answer (500 calls judged): no drift in what people ask")
    assert found.sentence.endswith("and what prompt edits have done (only the anchor's version is in use).")
    assert found.segment == {"app": "support-bot", "prompt_name": "answer"}


def test_a_drift_comes_first_with_its_date_and_size():
    found = segment_verdict(watched(1200))
    assert found.answer == "drift"
    assert "model drift since" in found.sentence.partition(";")[0]
    assert "residual standard deviations" in found.sentence
    kinds = {one["kind"]: one for one in found.kinds}
    assert kinds["model"]["alarms"][0]["detector"] == "answers"
    assert kinds["model"]["effect"]["unit"] == "residual standard deviations"
    assert kinds["data"]["answer"] == "no_drift"


def test_an_older_alarm_of_the_kind_does_not_lend_its_date_to_a_stronger_one():
    segment = watched(1200)
    latches = dict(segment.state.latches)
    cost = replace(latches["output_length"], detector="cost", since=traffic.START_MS + 3_600_000, statistic=90.0)
    latency = replace(cost, detector="latency", since=traffic.START_MS, statistic=20.0)
    both = replace(segment, state=replace(segment.state, latches={**latches, "cost": cost, "latency": latency}))
    sentence = segment_verdict(both).sentence
    first, last = moment(latency.since), moment(cost.since)
    assert f"operational drift since {first}, strongest since {last}: " in sentence
    assert "strongest since" not in segment_verdict(segment).sentence


def test_the_same_is_data():
    found = msgspec.json.decode(msgspec.json.encode(segment_verdict(watched(1200))))
    assert found["sentence"] == segment_verdict(watched(1200)).sentence
    assert found["calls"] == 500
    assert {one["kind"] for one in found["kinds"]} >= {"data", "model", "output_length", "operational", "prompt"}


def test_a_segment_without_a_baseline_says_why():
    found = segment_verdict(Segment("shop", waiting=[]))
    assert found.answer == "not_enough_data"
    assert found.sentence == "shop: nothing can be said: 0 calls towards its baseline."
    assert segment_verdict(Segment("shop", refused="too few")).sentence == "shop: nothing can be said: too few."
