"""Rules of prompt versions, in the small world of ``test_prompts``."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from drift.baseline import build
from drift.block import sizes
from drift.budget import Budget
from drift.call import MARKERS
from drift.prompt_rules import LEAST, SETTLED, TEMPLATES, VERSIONS
from drift.state import Judge, start
from drift.verdict import judge, verdicts
from tests.drift import builders

VERSION, TEMPLATE = MARKERS.index("prompt_version"), MARKERS.index("prompt_hash")
STRATUM = 900


def calls(n, seed, *, version="v1", template="", start=0):
    """Rows and the names behind their hashes."""
    rows = builders.calls(n, seed, start=start)
    rows["stratum"] = STRATUM
    names = {STRATUM: "v1\x1flive"}
    for position, name in ((VERSION, version), (TEMPLATE, template and f"{version}\x1f{template}")):
        code = abs(hash_of(name)) if name else 0
        rows["markers"][:, position] = code
        names |= {code: name} if name else {}
    return rows, names


def hash_of(name):
    return int.from_bytes(name.encode()[:7].ljust(7, b"\1"), "big") + len(name)


def panes(*parts, size=64):
    for rows, names in parts:
        for tick in builders.ticks(rows, size=size):
            yield replace(tick, names=names)


@cache
def baseline(version="v1", template="aa"):
    made = list(panes(calls(600, 1, version=version, template=template), size=5000))
    return build(builders.lens(), made, sizes(made), runs=0)


def config(**settings):
    return Judge(settings.pop("baseline", baseline()), Budget(20_000, "calls"), **settings)


def run(judged, *parts, state=None):
    state, alarms = state or start(judged), []
    for tick in panes(*parts):
        state, raised = judge(judged, state, tick)
        alarms += [(one.state, one.detector, one.version, one.breach) for one in raised if one.kind == "prompt"]
    return state, alarms


def test_the_same_version_and_template_breaks_no_rule():
    state, alarms = run(config(), calls(200, 2, template="aa"))
    assert alarms == []
    assert state.prompts.broken == {}


def test_a_template_that_changes_while_the_version_stays_is_told_once():
    state, alarms = run(config(), calls(100, 3, template="aa"), calls(200, 4, template="bb", start=100))
    ((becomes, rule, version, breach),) = alarms
    assert (becomes, rule, version) == ("firing", "hot_edit", "v1")
    assert (breach.before, breach.after) == ("aa", "bb")
    assert breach.since == 100_000
    assert LEAST <= breach.calls < LEAST + 20
    assert state.prompts.broken == {"hot_edit": 200}
    assert next(one for one in verdicts(config(), state) if one.kind == "prompt").answer == "drift"


def test_a_second_edit_is_told_too_and_one_that_is_undone_ends():
    judged = config(clear_after=100)
    state, alarms = run(judged, calls(40, 5, template="bb"), calls(40, 6, template="cc", start=40))
    assert [one[:2] for one in alarms] == [("firing", "hot_edit"), ("resolved", "hot_edit"), ("firing", "hot_edit")]
    _, alarms = run(judged, calls(150, 7, template="aa", start=80), state=state)
    assert [one[:2] for one in alarms] == [("resolved", "hot_edit")]


def test_one_stray_call_is_counted_and_not_told():
    state, alarms = run(config(), calls(LEAST - 1, 8, template="bb"), calls(100, 9, template="aa", start=20))
    assert alarms == []
    assert state.prompts.broken == {"hot_edit": LEAST - 1}


def test_a_template_that_differs_with_every_call_says_nothing():
    parts = [calls(20, 10 + k, template=f"{k}x", start=20 * k) for k in range(3 * TEMPLATES)]
    state, alarms = run(config(baseline=baseline(template="")), *parts)
    told = [one for one in alarms if one[0] == "firing"]
    assert len(told) <= TEMPLATES
    assert all(len(known) <= TEMPLATES + 1 for known in state.prompts.templates.values())
    _, alarms = run(config(baseline=baseline(template="")), calls(200, 40, template="new", start=5000), state=state)
    assert alarms == []


def test_a_version_of_few_calls_has_no_usual_template_yet():
    few = calls(SETTLED - 10, 41, version="v2", template="aa")
    _, alarms = run(config(), few, calls(100, 42, version="v2", template="bb", start=100))
    assert alarms == []


@pytest.mark.parametrize("version", ["v9", ""])
def test_a_version_that_is_not_allowed_is_told_and_its_end_too(version):
    judged = config(allowed=frozenset({"v1", "v2"}), clear_after=100)
    state, alarms = run(judged, calls(60, 43, version=version))
    rule = "unknown_version" if version else "unversioned"
    assert [one[:3] for one in alarms] == [("firing", rule, version)]
    state, alarms = run(judged, calls(200, 44, version="v2", start=100), state=state)
    assert [one[:2] for one in alarms] == [("resolved", rule)]
    _, alarms = run(judged, calls(60, 45, version=version, start=400), state=state)
    assert [one[:2] for one in alarms] == [("firing", rule)]


def test_without_a_declaration_any_version_may_be_used_but_none_at_all_is_news():
    _, alarms = run(config(), calls(100, 46, version="v7"))
    assert alarms == []
    _, alarms = run(config(), calls(100, 47, version=""))
    assert [one[:2] for one in alarms] == [("firing", "unversioned")]
    _, alarms = run(config(baseline=baseline(version="")), calls(100, 48, version=""))
    assert alarms == []


def test_versions_that_are_remembered_are_bounded():
    parts = [calls(12, 100 + k, version=f"w{k:03}", start=12 * k) for k in range(VERSIONS + 20)]
    state, alarms = run(config(allowed=frozenset({"v1"})), *parts)
    assert len(state.prompts.strangers) == VERSIONS
    assert state.prompts.broken["unknown_version"] == state.calls
    assert sum(one[0] == "firing" for one in alarms) == VERSIONS


def test_alarms_show_the_calls_that_broke_the_rule():
    judged = config()
    state = start(judged)
    told = []
    for tick in panes(calls(30, 60, template="aa"), calls(30, 61, template="bb", start=30)):
        state, raised = judge(judged, state, tick)
        told += raised
    codes = np.unique(told[0].rows["markers"][:, TEMPLATE])
    assert [state.names[int(code)] for code in codes] == ["v1\x1fbb"]
    assert told[0].marker.field == "prompt_hash"
