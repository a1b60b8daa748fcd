"""Alert records: the contract, and words that a person understands."""

import re
from functools import cache

import msgspec
import pytest

from drift.budget import parse
from streams.alerts import Alert, encode
from streams.building import build_baseline
from streams.embedded import Options, Watch
from streams.evidence import instant
from streams.measure import Meter
from tests.streams import traffic

REQUIRED = {
    "record_id",
    "alert_id",
    "state",
    "segment",
    "kind",
    "detector",
    "sentence",
    "raised_at",
    "since",
    "calls_seen",
    "statistic",
    "threshold",
    "false_alarm",
    "baseline",
    "lens",
}
OPTIONAL = {"resolved_at", "effect", "samples", "change_point", "marker", "topics", "examples", "replay"} | {
    "level",
    "provisional",
    "explained",
    "ngrams",
    "slices",
    "delay",
    "held_back",
    "chain",
    "prompt_version",
    "rule",
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@cache
def raised():
    """Alerts of a model that answers otherwise from call 1,300 on, and as before again from call 1,700 on."""
    options = Options(parse("200000 calls"), clear_after=256)
    watched = Watch(traffic.meter(), options, {traffic.SEGMENT: traffic.baseline()})
    log = traffic.calls(1000, 1700, changed_from=1300) + traffic.calls(1700, 3400)
    alerts, _ = watched.feed(traffic.records(log))
    return tuple(alerts + watched.finish())


def firing(kind):
    return next(one for one in raised() if (one.kind, one.state) == (kind, "firing"))


def documents():
    return [msgspec.json.decode(encode(one)) for one in raised()]


def test_a_record_has_the_fields_of_the_contract_and_leaves_out_what_does_not_apply():
    assert raised()
    for document in documents():
        assert document.keys() >= REQUIRED
        assert document.keys() <= REQUIRED | OPTIONAL
        assert None not in document.values()


def test_a_record_is_one_line_and_decodes_to_itself():
    for one in raised():
        line = encode(one)
        assert b"\n" not in line
        assert msgspec.json.decode(line, type=Alert) == one


def test_an_alarm_and_its_end_share_an_alert_id_and_have_record_ids_of_their_own():
    by_id = {}
    for one in raised():
        by_id.setdefault(one.alert_id, []).append(one)
    assert len({one.record_id for one in raised()}) == len(raised())
    states = [[one.state for one in each] for each in by_id.values()]
    assert ["firing", "resolved"] in states
    assert all(each in (["firing"], ["firing", "resolved"]) for each in states)
    assert all(len({one.kind for one in each}) == 1 for each in by_id.values())


def test_the_change_is_named_dated_and_sized():
    one, changed = firing("model"), instant(traffic.START_MS + 1300 * traffic.STEP_MS)
    assert one.segment == {"app": "support-bot", "prompt_name": "answer"}
    assert one.change_point["low"] <= changed[:18] + "9.999Z"
    assert one.since == one.change_point["at"] <= one.raised_at
    assert one.marker["field"] == "served_model"
    assert one.marker["after"] == "atlas-3"
    assert one.statistic >= one.threshold
    assert one.effect["low"] <= one.effect["difference"] <= one.effect["high"]
    assert one.samples["baseline"] == traffic.baseline().fit.compared
    assert 0 < one.samples["current"] <= one.calls_seen
    assert one.false_alarm == {"every_calls": 200_000, "every": "200,000 calls"}
    assert "served model went from atlas-2-0301 to atlas-3" in one.sentence


def test_the_length_of_answers_is_told_with_direction_and_unit():
    one = firing("output_length")
    assert one.effect["unit"] == "tokens"
    assert one.effect["current"] > one.effect["baseline"]
    assert re.search(r"answers of support-bot/answer are \d+ % longer \([\d.]+ → [\d.]+ tokens\)", one.sentence)


def test_every_instant_is_rfc_3339_in_utc():
    for document in documents():
        times = [document["raised_at"], document["since"], *(document.get("change_point") or {}).values()]
        times += [document["marker"]["at"]] if "marker" in document else []
        assert all(INSTANT.fullmatch(at) for at in times)


def test_the_end_of_an_alarm_says_so_and_carries_neither_marker_nor_examples():
    ended = [one for one in raised() if one.state == "resolved"]
    assert ended
    for one in ended:
        assert "is back to normal" in one.sentence
        assert (one.marker, one.examples, one.change_point) == (None, None, None)


def test_examples_show_calls_before_and_now():
    examples = firing("model").examples
    assert 0 < len(examples["now"]) <= 5
    assert 0 < len(examples["before"]) <= 5
    assert all(one["output"].startswith("Certainly!") for one in examples["now"] if "output" in one)
    assert not any(one["output"].startswith("Certainly!") for one in examples["before"] if "output" in one)


def test_the_highest_and_lowest_calls_along_the_drift_are_shown_and_the_topics_that_moved():
    one = firing("model")
    assert 0 < len(one.examples["least"]) <= 5
    assert one.examples["least"] != one.examples["now"]
    assert one.samples["left_out"] < 0.7
    assert one.delay == {"calls": one.delay["calls"], "s": one.delay["s"]}
    assert 0 < one.delay["calls"] < 200
    assert "while atlas-2 was asked for all along" in one.sentence


def test_lists_of_an_alert_are_bounded():
    for one in raised():
        lists = [*(one.examples or {}).values(), *(topic.get("examples", []) for topic in one.topics)]
        assert all(len(each) <= 5 for each in lists)
        assert len(one.ngrams) <= 5
        assert all(
            len(text) <= 400 for each in (one.examples or {}).values() for pair in each for text in pair.values()
        )


def test_an_alarm_about_a_flag_shows_calls_that_have_it():
    log = traffic.calls(1000, 1100) + [
        {**one, "finish_reason": "length"} if number % 3 == 0 else one
        for number, one in enumerate(traffic.calls(1100, 1450))
    ]
    cut = {one["output"][:400] for one in log if one.get("finish_reason") == "length" and "output" in one}
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {traffic.SEGMENT: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(log))
    one = next(one for one in alerts + watched.finish() if one.detector == "truncated")
    assert one.examples["now"]
    assert all(example.get("output", "") in cut | {""} for example in one.examples["now"])


def test_new_questions_are_put_into_words():
    asked = traffic.calls(1300, 1700)
    for number, call in enumerate(asked):
        if number % 2:
            call["input"] = f"How do I grow tomatoes in pot {number}, and which soil suits tomatoes and basil?"
    options = Options(parse("200000 calls"))
    watched = Watch(traffic.meter(), options, {traffic.SEGMENT: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(traffic.calls(1000, 1300) + asked))
    one = next(one for one in alerts + watched.finish() if one.kind == "data")
    assert "more about" in one.sentence
    assert "tomatoes" in one.sentence
    assert any("tomatoes" in example for topic in one.topics for example in topic.get("examples", []))
    strengths = [abs(topic["z"]) for topic in one.topics]
    assert strengths == sorted(strengths, reverse=True)


def test_without_texts_no_word_of_a_call_is_in_a_record():
    quiet = Meter(traffic.meter().embedder, texts="none")
    watched = Watch(quiet, Options(parse("200000 calls")), {traffic.SEGMENT: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(traffic.calls(1000, 1600, changed_from=1300)))
    alerts += watched.finish()
    assert alerts
    assert all(b"Certainly" not in encode(one) and one.examples is None for one in alerts)


def test_a_baseline_and_calls_without_texts_give_no_empty_quotes():
    quiet = Meter(traffic.meter().embedder, texts="none")
    baseline = build_baseline(quiet, traffic.records(traffic.calls(0, 300)))
    asked = [
        {**one, "input": f"Which soil do tomatoes in pot {n} want?"} for n, one in enumerate(traffic.calls(300, 600))
    ]
    watched = Watch(quiet, Options(parse("200000 calls")), {traffic.SEGMENT: baseline})
    alerts, _ = watched.feed(traffic.records(asked))
    one = next(one for one in alerts + watched.finish() if one.kind == "data")
    assert re.search(r"topics? without known words grew \(", one.sentence)
    assert "“”" not in one.sentence
    assert one.topics
    assert b'""' not in encode(one)


def test_the_shadow_of_a_segment_is_named_apart():
    log = traffic.calls(1000, 1450, changed_from=1100, variant="shadow")
    name = f"{traffic.SEGMENT}#shadow"
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {name: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(log))
    alerts += watched.finish()
    assert alerts
    parts = {"app": "support-bot", "prompt_name": "answer", "variant": "shadow"}
    assert all(one.segment == parts for one in alerts)


def test_alarms_of_one_kind_in_one_tick_have_alert_ids_of_their_own():
    log = traffic.calls(1000, 1100)
    log += [{**one, "latency_ms": one["latency_ms"] * 9, "cost_usd": 1.0} for one in traffic.calls(1100, 1450)]
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {traffic.SEGMENT: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(log))
    found = [one for one in alerts + watched.finish() if one.kind == "operational"]
    assert {one.detector for one in found} == {"latency", "cost"}
    assert len({one.alert_id for one in found}) == 2


@pytest.mark.parametrize("name", ["support-bot", "מסע 🚀", "[red]x[blue]", 'a"b\\c\n'])
def test_any_segment_name_makes_a_record(name):
    log = traffic.calls(1000, 1450, changed_from=1100, app=name, prompt_name="")
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {name: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(log))
    one = msgspec.json.decode(encode([*alerts, *watched.finish()][0]))
    assert one["segment"] == {"app": name}
    assert name in one["sentence"]
