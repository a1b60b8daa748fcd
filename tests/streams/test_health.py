"""Health by progress: what comes forward lives, whatever the process does else."""

from streams.health import STALLED_S, Health, Stage


def stage():
    clock = [0.0]
    one = Stage("judge", now=lambda: clock[0], turned=0.0)
    one.reach(0, 0)
    return one, clock


def test_a_stage_whose_loop_does_not_come_round_is_stalled():
    one, clock = stage()
    clock[0] = STALLED_S + 1
    one.reach(0, 0)
    assert one.stalled
    one.turn()
    assert not one.stalled


def test_a_stage_that_leaves_records_lying_is_stalled_though_its_loop_comes_round():
    one, clock = stage()
    seen = []
    for _ in range(4):
        clock[0] += STALLED_S / 2
        one.turn()
        one.reach(7, 100)
        seen.append(one.stalled)
    assert seen == [False, False, False, True]
    one.reach(8, 99)
    assert not one.stalled


def test_a_stage_with_nothing_to_read_may_stay_where_it_is():
    one, clock = stage()
    for _ in range(9):
        clock[0] += STALLED_S / 2
        one.turn()
        one.reach(7, 0)
    assert not one.stalled


def test_a_worker_is_ready_when_each_of_its_stages_is_and_lives_while_none_is_stalled():
    health = Health()
    assert not health.ready
    observe, judge = health.stage("observe"), health.stage("judge")
    observe.ready = judge.ready = True
    assert health.ready and health.live
    judge.turned -= STALLED_S + 1
    assert not health.ready and not health.live
    assert health.fields()["stages"]["judge"]["stalled"]
