"""How two baselines differ: named as an alert would name it, and nothing where there is nothing."""

import random
from functools import cache

import msgspec
import pytest

from drift import baseline as baselines
from drift.block import sizes
from drift.budget import Budget
from drift.errors import LensMismatchError
from drift.tolerances import TOLERANCES
from streams.baseline_diff import apart
from streams.building import measured_panes
from streams.observe import Clock
from streams.privacy import private
from tests.streams import traffic

BUDGET = Budget(20_000, "calls")


def made(records, lens=None):
    lens = lens or traffic.baseline().lens
    ticks = measured_panes(traffic.meter(), lens, records, Clock(), baselines.REFERENCE)
    return baselines.build(lens, ticks, sizes(ticks), runs=0, force=True)


@cache
def changed():
    return made(traffic.records(traffic.calls(1000, 2000, changed_from=0)))


def found(before, now):
    return {one.detector: one for one in apart(before, now, BUDGET, TOLERANCES)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_halves_of_one_stream_do_not_differ(seed):
    records = traffic.records(traffic.calls(0, 3000))
    random.Random(seed).shuffle(records)
    halves = [made(sorted(half, key=lambda one: one.event_time)) for half in (records[:1500], records[1500:])]
    assert {one.answer for one in found(*halves).values()} == {"no_drift"}


def test_another_model_is_told_with_size_phrases_topics_and_marker():
    one = found(traffic.baseline(), changed())["answers"]
    assert (one.kind, one.answer) == ("model", "drift")
    assert one.effect.low > 0.5
    assert "“Certainly!” (0 % → 100 %)" in one.sentence
    assert "the served model went from atlas-2-0301 to atlas-3" in one.sentence
    assert one.evidence["marker"] == {"field": "served_model", "before": "atlas-2-0301", "after": "atlas-3"}
    assert all(topic["shift"]["low"] > 0 for topic in one.evidence["topics"])
    assert all("Certainly!" in pair["output"] for pair in one.evidence["examples"]["now"])
    assert not any("Certainly!" in pair["output"] for pair in one.evidence["examples"]["before"])


def test_longer_answers_are_told_with_both_lengths_and_what_explains_them():
    one = found(traffic.baseline(), changed())["output_length"]
    assert one.effect.current > 1.3 * one.effect.baseline
    assert "% longer" in one.sentence
    assert one.evidence["explained"]["conditional"] > one.evidence["explained"]["mix"]


def test_turned_round_what_grew_has_shrunk():
    forth, back = found(traffic.baseline(), changed()), found(changed(), traffic.baseline())
    assert forth["output_length"].effect.estimate > 0 > back["output_length"].effect.estimate


def test_other_questions_are_told_by_the_topics_that_grew_and_shrank():
    records = traffic.records(traffic.calls(0, 3000))
    kept = [one for one in records if "refund" not in one.input and "password" not in one.input]
    assert len(kept) < 0.9 * len(records)
    one = found(made(records), made(kept))["topics"]
    assert one.answer == "drift"
    assert "less about" in one.sentence
    shrank = [topic for topic in one.evidence["topics"] if topic["z"] < -2]
    assert any("refund" in topic["label"] or "password" in topic["label"] for topic in shrank)


def test_flags_are_told_in_calls_of_a_hundred():
    calls = traffic.calls(1000, 2000)
    for one in calls[::10]:
        one["finish_reason"] = "length"
    one = found(traffic.baseline(), made(traffic.records(calls)))["truncated"]
    assert one.answer == "drift"
    assert "of support-bot/answer's answers are cut off" in one.sentence


def test_the_hours_of_the_day_are_compared_with_like_hours():
    """A baseline by hour against one of the evenings only, in which nothing else differs."""
    week = traffic.records(traffic.calls(0, 4000))
    spread = [msgspec.structs.replace(one, event_time=traffic.START_MS + i * 300_000) for i, one in enumerate(week)]
    day = [
        msgspec.structs.replace(one, latency_ms=900.0 * (3 if one.event_time // 3_600_000 % 24 >= 12 else 1))
        for one in spread
    ]
    before = made(day)
    assert before.frame.slots > 1
    evening = made([one for one in day if one.event_time // 3_600_000 % 24 >= 12])
    one = found(before, evening)["latency"]
    assert one.answer == "no_drift"


def test_two_lenses_are_refused_by_both_names_with_the_remedy():
    other = made(traffic.records(traffic.calls(0, 500)), traffic.meter().default_lens())
    with pytest.raises(LensMismatchError) as told:
        apart(traffic.baseline(), other, BUDGET, TOLERANCES)
    assert {traffic.baseline().pane.lens, other.pane.lens} <= {word.strip(",") for word in str(told.value).split()}
    assert f"--lens {traffic.baseline().pane.lens}" in str(told.value)


def test_fields_are_plain_and_hold_no_text_where_none_may_be_shown():
    before, now = (private(one, "none") for one in (traffic.baseline(), changed()))
    fields = [one.fields() for one in found(before, now).values()]
    text = msgspec.json.encode(fields)
    assert b"Certainly" not in text
    assert [one["answer"] for one in fields if one["detector"] == "answers"] == ["drift"]
