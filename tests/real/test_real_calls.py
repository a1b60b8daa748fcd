"""What the detectors do on real calls: budget one false alarm in 200,000 calls, baselines of 3,000, three seeds."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from benchmarks.real_calls import AWAY, CALM, GPT4, GPT35, HOME, judged, release, stream
from streams.alerts import alert

pytestmark = pytest.mark.real

SEEDS = (0, 1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("file", ["prime", "opinionqa"])
def test_a_swapped_gpt_4_release_is_found_within_150_calls(file: str, seed: int) -> None:
    found = judged(release(file, GPT4, "0314"), [f"n=400 {release(file, GPT4, '0613')}"], seed)
    for kind in ("model", "output_length"):
        alarm = found.first(kind)
        assert alarm is not None and alarm.calls <= 150, kind
    assert found.first("data") is None


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_that_are_right_less_often_are_found_as_quality_within_300_calls_whatever_is_asked(seed: int) -> None:
    found = judged(release("prime", GPT4, "0314"), [f"n=400 {release('prime', GPT4, '0613')}"], seed)
    alarm = found.first("quality")
    assert alarm is not None and alarm.calls <= 300
    record = alert(found.judge, "real", alarm, replay="")
    assert record.detector == "score correct"
    assert "answers of real score lower on correct: 0.8" in record.sentence
    assert record.effect is not None and record.explained is not None and alarm.split is not None
    assert record.effect["low"] <= 0.51 - 0.84 <= record.effect["high"]
    assert alarm.split.share < 0.2 and abs(record.explained["mix"]) < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_of_wording_alone_is_found_within_400_calls(seed: int) -> None:
    found = judged(release("opinionqa", GPT35, "0301"), [f"n=500 {release('opinionqa', GPT35, '0613')}"], seed).first(
        "model"
    )
    assert found is not None and found.calls <= 400


@pytest.mark.parametrize("seed", SEEDS)
def test_a_new_domain_is_found_within_1500_calls_and_named(seed: int) -> None:
    found = judged(HOME, [f"n=1800 {HOME} w=.8 + {AWAY} w=.2"], seed)
    alarm = found.first("data")
    assert alarm is not None and alarm.calls <= 1500
    record = alert(found.judge, "real", alarm, replay="")
    named = {word for topic in record.topics[:3] for word in topic["words"].split(", ")}
    assert named & typical_words(stream([f"n=3000 {AWAY}"], 7), stream([f"n=3000 {HOME}"], 7))


def typical_words(of: list, against: list) -> set[str]:
    """The fifty words that stand most often in ``of`` and at least ten times as often as in ``against``."""
    counts, others = (
        Counter(word for one in side for word in set(re.findall(r"[^\W\d_]{3,}", one.input.lower())))
        for side in (of, against)
    )
    rare = [word for word, n in counts.most_common() if n >= 10 * (others[word] + 1)]
    return set(rare[:50])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("source", CALM.values(), ids=CALM.keys())
def test_the_same_model_and_mix_raise_no_alarm_in_5000_calls(source: str, seed: int) -> None:
    alarms = judged(source, [f"n=5000 {source}"], seed).alarms
    assert [(one.kind, one.detector, one.calls) for one in alarms] == []


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_questions_out_of_scope_scattered_over_all_topics_are_found_and_shown(seed: int) -> None:
    home = "clinc150 domain!=oos"
    found = judged(home, [f"n=2000 {home} w=.8 + clinc150 domain=oos w=.2"], seed)
    alarm = found.first("data")
    assert alarm is not None and alarm.detector == "off_topic" and alarm.calls <= 1500
    shown = next(topic for topic in alert(found.judge, "real", alarm, replay="").topics if "far from" in topic["label"])
    assert shown["share_now"] > shown["share_before"] + 0.03
    assert shown["examples"]
