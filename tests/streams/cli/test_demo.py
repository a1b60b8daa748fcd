"""``driftline demo`` finds what was injected and nothing else."""

import msgspec
import pytest

from streams.alerts import Alert
from streams.simulate import injected, simulate


@pytest.mark.slow
def test_the_demo_finds_every_injected_change_and_raises_no_alarm_without_one(driftline):
    ran = driftline("demo", "--json")
    assert ran.status == 0
    assert "missed" not in ran.err
    assert ran.err.count(" found ") >= sum(len(change.kinds) for change in injected())
    assert "raised without a change behind it: none" in ran.err
    alerts = [msgspec.json.decode(line, type=Alert) for line in ran.out.splitlines()]
    assert {one.kind for one in alerts} == {"data", "model", "prompt", "output_length", "operational"}
    swapped = next(one for one in alerts if one.kind == "model")
    assert swapped.marker["field"] == "served_model"


@pytest.mark.parametrize("to_pipe", [True, False])
def test_the_traffic_is_every_simulated_call_of_the_seed_in_order(driftline, tmp_path, to_pipe):
    path = tmp_path / "calls.jsonl"
    ran = driftline("demo", "--seed", 3, "--traffic", "-" if to_pipe else path)
    assert ran.status == 0
    lines = (ran.out if to_pipe else path.read_bytes()).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == list(simulate(3))


def test_traffic_judges_nothing_so_it_refuses_to_give_alerts(driftline):
    ran = driftline("demo", "--traffic", "-", "--json")
    assert ran.status == 2
    assert ran.out == b""
    assert "--traffic judges nothing" in ran.err


def test_traffic_that_cannot_be_written_ends_with_a_word_about_the_place(driftline, tmp_path):
    ran = driftline("demo", "--traffic", tmp_path / "no such folder" / "calls.jsonl")
    assert ran.status == 2
    assert "--traffic" in ran.err
    assert "cannot be written: No such file or directory" in ran.err
