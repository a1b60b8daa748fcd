"""``driftline demo`` finds what was injected and nothing else."""

import msgspec
import pytest

from streams.alerts import Alert
from streams.simulate import injected


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
