"""``driftline watch`` where segments are small, and where a fleet shares one budget."""

from functools import partial

import msgspec
import pytest

from drift import baseline as baselines
from tests.streams import traffic


@pytest.fixture
def small(write, monkeypatch):
    """A file of twenty prompts of ninety calls each, whose model is swapped late."""
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=0))
    made = traffic.calls(0, 1800, changed_from=1300)
    return write(traffic.lines([{**call, "prompt_name": f"p{n % 20:02}"} for n, call in enumerate(made)]))


def test_small_segments_are_judged_together_and_the_summary_says_where(driftline, small, tmp_path):
    ran = driftline("watch", small, "--json", "--fail-on", "drift", "--summary", tmp_path / "summary.jsonl")
    assert ran.status == 1
    alerts = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert {one["level"] for one in alerts} == {"app"}
    assert "at the level of the app: 20 small segments together" in ran.err
    told = [msgspec.json.decode(line) for line in (tmp_path / "summary.jsonl").read_bytes().splitlines()]
    assert sum(one.get("pool") == "support-bot/*" for one in told) == 20
    assert [len(one["members"]) for one in told if one.get("level")] == [20]


def test_without_a_pool_they_are_not_judged_and_fail_on_drift_says_so(driftline, small):
    ran = driftline("watch", small, "--no-pool", "--fail-on", "drift")
    assert ran.status == 3
    assert "support-bot/p00 (no baseline could be made of its calls)" in ran.err


def test_a_pool_that_is_calm_answers_for_its_members(driftline, write, monkeypatch):
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=0))
    made = [{**call, "prompt_name": f"p{n % 20:02}"} for n, call in enumerate(traffic.calls(0, 1400))]
    assert driftline("watch", write(traffic.lines(made)), "--fail-on", "drift").status == 0


def test_a_fleets_budget_is_told_and_stands_in_the_command_that_judges_again(driftline, small, tmp_path):
    config = tmp_path / "driftline.yaml"
    config.write_text("fleet: {one_false_alarm_every: 7d, segments: 1000, weights: {p00: 5}}")
    ran = driftline("watch", small, "--config", config, "--json")
    assert "1,000 segments together may raise one false alarm every 7 days" in ran.err
    alert = msgspec.json.decode(ran.out.splitlines()[0])
    assert alert["false_alarm"]["every"] == "7028 days"
    assert 'DRIFTLINE_FLEET=\'{"one_false_alarm_every":"7d","segments":1000,"weights":{"p00":5.0}}\'' in alert["replay"]
    again = driftline("watch", small, "--no-pool")
    assert "calls judged in 20 segments; no alarms" in again.err
