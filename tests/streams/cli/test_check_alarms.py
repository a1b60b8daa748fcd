"""``driftline check-alarms``: false alarms promised and seen."""

import json

import pytest

from drift import false_alarms
from tests.streams import traffic

BUDGET = ("--one-false-alarm-every", "600 calls")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Runs of 500 calls: quick, and enough for a small budget."""
    monkeypatch.setattr(false_alarms, "SHORTEST", 500)
    monkeypatch.setattr(false_alarms, "LONGEST", 500)


def lines(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def test_a_kept_promise_is_told_for_all_detectors_together_and_each(driftline, normal):
    ran = driftline("check-alarms", normal, *BUDGET, "--runs", 20, "--json")
    assert ran.status == 0
    together, *alone = lines(ran)
    assert (together["of"], together["detector"], together["answer"]) == ("resampled", "together", "kept")
    assert [one["detector"] for one in alone] == list(traffic.baseline().panel.names)
    assert together["promised_every_calls"] == 600 < together["low"] * 3
    lengths = together["run_lengths"]
    assert len(lengths["alarmed"]) == together["alarms"]
    assert len(lengths["alarmed"]) + len(lengths["without_alarm"]) == 20
    assert "kept: " in ran.err and "prompt_chain" in ran.err


def test_the_same_seed_gives_the_same_report(driftline, normal):
    first, again = (driftline("check-alarms", normal, *BUDGET, "--runs", 20, "--json").out for _ in range(2))
    assert first == again
    assert driftline("check-alarms", normal, *BUDGET, "--runs", 20, "--json", "--seed", 1).out != first


def test_a_broken_promise_ends_with_1(driftline, normal, monkeypatch):
    kept = false_alarms.resampled

    def eager(baseline, thresholds, **given):
        return kept(baseline, [dict.fromkeys(one, 0.5) for one in thresholds], **given)

    monkeypatch.setattr("streams.cli.check_alarms.resampled", eager)
    ran = driftline("check-alarms", normal, *BUDGET, "--runs", 20)
    assert ran.status == 1
    assert "broken: 20 alarms" in ran.err and "build the baseline of more calls" in ran.err


def test_too_little_exposure_is_no_pass_and_a_smaller_budget_is_tried(driftline, normal):
    ran = driftline("check-alarms", normal, "--runs", 20, "--json")
    assert ran.status == 0
    assert "not enough exposure to tell: " in ran.err and "one false alarm allowed every 500 calls" in ran.err
    assert [(one["of"], one["promised_every_calls"]) for one in lines(ran) if one["detector"] == "together"] == [
        ("resampled", 200_000),
        ("smaller_budget", 500),
    ]


def test_held_back_calls_without_drift_raise_no_alarm(driftline, normal, write):
    path = write(traffic.lines(traffic.calls(1000, 1500)))
    ran = driftline("check-alarms", normal, "--against", path, "--runs", 20, "--json")
    held = [one for one in lines(ran) if one["of"] == "held_back"]
    assert ran.status == 0
    assert (held[0]["alarms"], held[0]["calls"], held[0]["answer"]) == (0, 500, "not_enough_exposure")
    assert "500 held-back calls in their order" in ran.err and "of 20 other orders of them alarmed" in ran.err


def test_held_back_calls_that_alarm_end_with_1_and_are_not_called_false(driftline, normal, write):
    path = write(traffic.lines(traffic.calls(1000, 1800, changed_from=1000)))
    ran = driftline("check-alarms", normal, "--against", path, "--runs", 20, "--json")
    held = {one["detector"]: one for one in lines(ran) if one["of"] == "held_back"}
    assert ran.status == 1
    assert held["together"]["answer"] == "broken"
    assert held["together"]["alarms"] == sum(one["alarms"] for name, one in held.items() if name != "together") > 0
    assert "what has drifted is no false alarm" in ran.err


def test_a_picture_is_drawn_where_it_was_asked_for(driftline, normal, tmp_path):
    path = tmp_path / "alarms.svg"
    assert driftline("check-alarms", normal, *BUDGET, "--runs", 20, "--plot", path).status == 0
    assert b"<svg" in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--plot", "alarms.txt"), "--plot alarms.txt: its name must end in"),
        (("--against", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--one-false-alarm-every", "often"), "one_false_alarm_every"),
    ],
)
def test_wrong_use_is_told_before_the_work(driftline, normal, arguments, told):
    ran = driftline("check-alarms", normal, *arguments)
    assert ran.status == 2
    assert told in ran.err


def test_held_back_calls_of_another_segment_are_refused_with_what_there_is(driftline, normal, write):
    path = write(traffic.lines(traffic.calls(1000, 1100, app="other-bot")))
    ran = driftline("check-alarms", normal, "--against", path)
    assert ran.status == 2
    assert "no segment support-bot/answer" in ran.err and "other-bot/answer" in ran.err
