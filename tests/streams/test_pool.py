"""Small segments of an app: which are pooled, what the pool finds, and what it leaves alone."""

from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import baseline as baselines
from drift.budget import Budget
from drift.fleet import Fleet
from streams.alerts import encode
from streams.embedded import Options, Watch
from streams.measure import parts_of, segment_of
from streams.observe import Clock
from streams.pool import Pools, pooled
from streams.verdicts import segment_verdict
from tests.streams import traffic

BUDGET = Budget(200_000, "calls")
PROMPTS = 20
POOL = "support-bot/*"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Baselines that are built in a second, with guaranteed thresholds."""
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=0))


def log(last, changed_from=None, prompts=PROMPTS, **fields):
    """Calls whose prompts take turns."""
    made = traffic.calls(0, last, changed_from=changed_from, **fields)
    return traffic.records([{**call, "prompt_name": f"p{number % prompts:02}"} for number, call in enumerate(made)])


def run(calls, batch=1000, told=None, **options):
    """The watch and its alerts after these calls."""
    warn = (lambda text: None) if told is None else told.append
    watched = Watch(traffic.meter(), Options(BUDGET, **{"first": 1200, **options}), warn=warn)
    alerts = [one for low in range(0, len(calls), batch) for one in watched.feed(calls[low : low + batch])[0]]
    return watched, [*alerts, *watched.finish()]


def test_a_swap_under_prompts_of_a_hundred_calls_is_found_at_the_level_of_the_app():
    told = []
    _, alerts = run(log(2400, changed_from=1700), told=told)
    model = next(one for one in alerts if one.kind == "model")
    assert (model.level, len(model.members), model.segment) == (
        "app",
        PROMPTS,
        {"app": "support-bot", "prompt_name": "*"},
    )
    assert f"{POOL} (at the level of the app: 20 small segments together) answers like questions" in model.sentence
    assert model.calls_seen < 900
    assert any("of 20 segments together are the baseline" in one for one in told)


def test_each_member_says_where_it_is_judged_and_the_pool_who_its_members_are():
    watched, _ = run(log(2400))
    found = {name: segment_verdict(one) for name, one in watched.segments.items()}
    assert found[POOL].level == "app"
    assert found[POOL].members == [f"support-bot/p{number:02}" for number in range(PROMPTS)]
    assert found[POOL].answer == "no_drift"
    assert "prompt" not in {one["kind"] for one in found[POOL].kinds}
    member = found["support-bot/p03"]
    assert (member.pool, member.answer) == (POOL, "not_enough_data")
    assert "judged together with others of its app in support-bot/* (120 calls, too few to judge alone)" in (
        member.sentence
    )


def test_without_a_change_the_pool_is_silent_even_if_its_prompts_are_called_in_other_shares():
    calls = log(4000)
    busy = [one for number, one in enumerate(calls) if number < 1300 or one.prompt_name < "p05" or number % 3]
    _, alerts = run(busy)
    assert alerts == []


def test_prompts_with_unlike_inputs_are_no_news_and_none_of_them_is_an_anchor():
    made = [{**call, "prompt_name": f"p{n % PROMPTS:02}"} for n, call in enumerate(traffic.calls(0, 2400))]
    for n, call in enumerate(made[1::2]):
        one, other = n * 37 % 911, n * 53 % 613
        call |= {"input": f"Add {one} to {other}", "output": str(one + other)}
    watched, alerts = run(traffic.records(made))
    assert watched.segments[POOL].calls > 1000
    assert alerts == []


def test_the_same_log_in_batches_of_any_size_gives_the_same_pool_and_alerts():
    found = []
    for batch in (1, 7, 1000):
        watched, alerts = run(log(2000, changed_from=1500), batch)
        found.append((watched.segments[POOL].judge.baseline.id, [encode(one) for one in alerts]))
    assert found[0][1]
    assert found[1:] == found[:1] * 2


def test_large_segments_are_in_no_pool_and_switched_off_there_is_none():
    watched, _ = run(log(2000, prompts=3), first=500)
    assert len(watched.segments) == 3
    assert all(one.judge for one in watched.segments.values())
    watched, alerts = run(log(2000, changed_from=1500), pool=False)
    assert POOL not in watched.segments
    assert alerts == []


def test_a_log_that_ends_early_is_judged_by_the_first_half_of_the_pool():
    watched, _ = run(log(900), first=3000)
    pool = watched.segments[POOL]
    assert 450 <= pool.judge.baseline.pane.n <= 450 + 17
    assert pool.judge.baseline.pane.n + pool.calls == 900


def test_few_calls_of_few_segments_are_no_pool():
    watched, _ = run(log(300), first=3000)
    assert POOL not in watched.segments
    assert all("at least 400" in one.refused for one in watched.segments.values())


def test_a_pool_ends_when_each_member_is_judged_alone():
    found = []
    for batch in (50, 1000):
        watched, _ = run(log(1900, prompts=5), batch, first=200)
        pool = watched.segments[POOL]
        members = [watched.segments[name] for name in pool.members]
        assert len(members) == 5
        assert all(one.judge for one in members)
        assert pool.until == max(one.judge.baseline.pane.end for one in members)
        assert pool.calls + pool.judge.baseline.pane.n < 1100
        found.append((pool.calls, [one.calls for one in members]))
    assert found[0] == found[1]


def test_a_refused_pool_leaves_its_segments_as_they_were():
    watched, alerts = run(log(1600, input="Hello there", output="Hi"))
    assert POOL not in watched.segments
    assert alerts == []
    assert {one.pool for one in watched.segments.values()} == {""}


def test_pools_take_the_room_of_their_members_in_a_fleets_budget():
    fleet = Fleet(Budget(7, "days"), PROMPTS, {"support-bot/p00": 0.5})
    watched, _ = run(log(1500), fleet=fleet)
    assert watched.segments[POOL].judge.budget == fleet.share(0.5)
    assert watched.counts["beyond"] == 0


def test_a_prompt_that_is_named_like_a_pool_is_told_from_it():
    (real,) = traffic.records([{**traffic.calls(0, 1)[0], "prompt_name": "*"}])
    assert segment_of(real) == "support-bot/%2A"
    assert parts_of(segment_of(real)) == ("support-bot", "*", "")


def waiting(counts, tick_ms=10_000):
    """Pools over calls of segments given tick by tick, asked after every tick and only at the end."""
    made = []
    for every in (True, False):
        pools, found = Pools(40, Clock(tick_ms)), []
        for tick, counted in enumerate(counts):
            for name, n in counted.items():
                for _ in range(n):
                    pools.count(name, tick * tick_ms)
            if every:
                found += pools.gathered((tick + 1) * tick_ms)
        found += pools.gathered(len(counts) * tick_ms)
        made.append(found)
    return made


ticks = st.lists(st.dictionaries(st.sampled_from([f"app/{c}" for c in "abcdefgh"]), st.integers(1, 4)), max_size=20)


@settings(max_examples=50)
@given(ticks)
def test_who_is_pooled_depends_on_event_time_alone(counts):
    often, once = waiting(counts)
    assert often[:1] == once[:1]
    for pool in often[:1]:
        assert len(pool.members) > 1
        before = [sum(one.get(name, 0) for one in counts[: pool.end // 10_000]) for name in pool.members]
        assert sum(before) >= 40
        assert max(before) * 4 < 40


def test_pooled_calls_differ_by_prompt_version_and_variant_and_are_of_one_segment():
    pools = Pools(4, Clock())
    first = traffic.records(traffic.calls(0, 1, prompt_name="a", prompt_version="v1"))[0]
    pool = pools.last({"support-bot/a": [1] * 3, "support-bot/b": [1] * 3}, 4)[0]
    others = [first, msgspec.structs.replace(first, prompt_version="v2"), msgspec.structs.replace(first, variant="x")]
    made = [pooled(one, pool) for one in others]
    assert {segment_of(one) for one in made} == {POOL}
    assert [one.variant for one in made] == ["a v1", "a v2", "a v1 (x)"]
