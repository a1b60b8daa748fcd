"""What every detector promises, whatever it detects."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from drift import codec
from drift.detectors.memory import Memory, means
from drift.detectors.rate import Rate
from drift.detectors.tilt import SHARES as LENGTHS
from drift.detectors.tilt import Reference, Tilt, Tilts
from drift.detectors.topics import Topics
from tests.drift import builders

BLOCKS, CALLS = 40, 12.0
SIZE = 300

_rng = np.random.default_rng(61)
SHARES = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
ROWS = _rng.normal(size=(SIZE, 6)) * [1, 1, 2, 0.5, 1, 1]
ROWS -= ROWS.mean(axis=0)
REFERENCE = Reference(ROWS, np.full(SIZE, 1 / SIZE))
OTHER = Reference(ROWS[::2, :3] - ROWS[::2, :3].mean(axis=0), np.full(SIZE // 2, 2 / SIZE))


def update(detector, state, *blocks):
    """State after these blocks, the evidence after each, and what else the detector says."""
    if not isinstance(detector, Tilt):
        return detector.update(state, *blocks)
    sums, n, calls, weight = blocks
    states, courses = Tilts({"one": detector}).update({"one": state}, {"one": (sums, n)}, calls, weight)
    return states["one"], courses["one"]


@dataclass(frozen=True)
class Case:
    """A detector of several replicas and what it reads, one array ``(blocks, replicas, ...)`` an argument."""

    detector: Any
    blocks: tuple[np.ndarray, ...]

    def step(self, state, low, high):
        """State after some of the blocks, and the evidence after each."""
        state, course, *_ = update(self.detector, state, *(array[low:high] for array in self.blocks))
        return state, course

    def only(self, replica):
        """The same for one of the replicas."""
        detector = self.detector
        if isinstance(detector, Topics):
            hours = None if detector.by_slot is None else detector.by_slot[[replica]]
            one = type(detector)(detector.proportions[[replica]], detector.size[[replica]], detector.slack, hours)
        else:
            one = Tilt(
                detector.mean[[replica]],
                [detector.reference[replica]],
                detector.blocks,
                detector.parts,
                detector.size[[replica]],
                detector.slack,
                detector.cap,
            )
        return Case(one, tuple(array[:, [replica]] for array in self.blocks))


@dataclass(frozen=True)
class Flags:
    """A rate, its blocks stepped through as the others' are."""

    rate: Rate
    slot: int | None = None

    def start(self):
        return self.rate.start()

    def update(self, state, flagged, n):
        course = []
        for hits, calls in zip(flagged[:, 0], n[:, 0], strict=True):
            state, statistic = self.rate.update(state, hits, calls, calls, self.slot)
            course.append([statistic])
        return state, np.array(course)


class Hourly(Topics):
    """Topics of blocks that are all of one hour, whose shares are others than those of the day."""

    __slots__ = ()

    def update(self, state, counts, calls, weight):
        return super().update(state, counts, calls, weight, np.ones(calls.shape, np.int64))


def hourly(replicas=3, moved=0.0):
    plain = topics(replicas, moved)
    known = plain.detector
    hours = np.stack([SHARES[::-1], SHARES])
    made = Hourly(known.proportions[:, [1, 0, 2, 3, 4]], known.size, known.slack, np.tile(hours, (replicas, 1, 1)))
    return Case(made, plain.blocks)


def topics(replicas=3, moved=0.0):
    rng = np.random.default_rng(62)
    shares = SHARES + moved * np.array([-1, 0, 0, 1, 0])
    counts = rng.multinomial(int(CALLS), shares, (BLOCKS, replicas)).astype(float)
    calls = np.full((BLOCKS, replicas), CALLS)
    return Case(Topics(np.tile(SHARES, (replicas, 1)), np.full(replicas, float(SIZE)), 0.001), (counts, calls, calls))


def tilt(replicas=3, moved=0.0):
    rng = np.random.default_rng(63)
    sums = ROWS[rng.integers(0, SIZE, (BLOCKS, replicas, int(CALLS)))].sum(axis=2) + moved * CALLS
    calls = np.full((BLOCKS, replicas), CALLS)
    detector = Tilt(
        np.zeros((replicas, 6)),
        [[REFERENCE]] * replicas,
        ((0, 4), (4, 6)),
        ((0, 2),),
        np.full((replicas, 1), float(SIZE)),
        np.array([0.001]),
    )
    return Case(detector, (sums, calls[..., None], calls, calls))


def parted(replicas=3, moved=0.0):
    """Two parts, of two blocks and of one; every third call is of the second."""
    rng = np.random.default_rng(65)
    counts = np.full((BLOCKS, replicas, 2), [CALLS * 2 / 3, CALLS / 3])
    drawn = ROWS[rng.integers(0, SIZE, (BLOCKS, replicas, int(CALLS)))] + moved
    first, second = drawn[:, :, ::3].sum(axis=2), (drawn[:, :, 1::3] + drawn[:, :, 2::3]).sum(axis=2)
    detector = Tilt(
        np.zeros((replicas, 9)),
        [[REFERENCE, OTHER]] * replicas,
        ((0, 4), (4, 6), (6, 9)),
        ((0, 2), (2, 3)),
        np.full((replicas, 2), [SIZE, SIZE / 2]),
        np.array([0.001, 0.002]),
    )
    calls = np.full((BLOCKS, replicas), CALLS)
    return Case(detector, (np.concatenate([second, first[..., :3]], axis=2), counts, calls, calls))


def rate(replicas=1, moved=0.0):
    flagged = np.random.default_rng(64).binomial(int(CALLS), 0.05 + moved, (BLOCKS, 1)).astype(float)
    return Case(Flags(Rate(15, SIZE)), (flagged, np.full((BLOCKS, 1), CALLS)))


def hourly_rate(replicas=1, moved=0.0):
    known = Rate(60, SIZE, offsets=(0.2, 15.5 / (SIZE + 1) - 60.5 / (SIZE + 1)), errors=(0.01, 0.01))
    return Case(Flags(known, 1), rate(replicas, moved).blocks)


EVERY = pytest.mark.parametrize("make", [topics, hourly, tilt, parted, rate, hourly_rate])
MANY = pytest.mark.parametrize("make", [topics, hourly, tilt, parted])


def arrays(state):
    if isinstance(state, Memory):
        return {
            "total": state.total,
            "mass": state.mass,
            "spread": state.spread,
            "log_e": state.log_e,
            "age": state.age,
        }
    return {"evidence": state}


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(arrays(a).values(), arrays(b).values(), strict=True))


@EVERY
def test_an_update_changes_neither_its_state_nor_its_blocks(make):
    case = make(moved=0.1)
    state, _ = case.step(case.detector.start(), 0, 20)
    kept = deepcopy((arrays(state), case.blocks))
    case.step(state, 20, 40)
    np.testing.assert_equal((arrays(state), case.blocks), kept)


@EVERY
def test_stepping_block_by_block_is_stepping_through_all_at_once(make):
    case = make(moved=0.1)
    whole, course = case.step(case.detector.start(), 0, BLOCKS)
    state, courses = case.detector.start(), []
    for t in range(BLOCKS):
        state, one = case.step(state, t, t + 1)
        courses.append(one)
    # What is learnt is equal to the bit; a bet's price may differ in the last digit with how many are priced at once.
    assert all(np.array_equal(arrays(state)[key], arrays(whole)[key]) for key in arrays(whole) if key != "log_e")
    np.testing.assert_allclose(np.concatenate(courses), course, rtol=1e-12, atol=1e-12)


@EVERY
def test_the_same_steps_give_the_same_state_to_the_bit(make):
    one, other = make(moved=0.1), make(moved=0.1)
    assert same(one.step(one.detector.start(), 0, BLOCKS)[0], other.step(other.detector.start(), 0, BLOCKS)[0])


@MANY
def test_replicas_do_not_influence_each_other(make):
    case = make(moved=0.1)
    _, course = case.step(case.detector.start(), 0, BLOCKS)
    for replica in range(3):
        alone = case.only(replica)
        _, single = alone.step(alone.detector.start(), 0, BLOCKS)
        np.testing.assert_allclose(single[:, 0], course[:, replica], rtol=1e-12, atol=1e-12)


@EVERY
def test_a_state_stored_and_read_again_continues_as_if_never_interrupted(make):
    case = make(moved=0.1)
    state, _ = case.step(case.detector.start(), 0, 17)
    tree = codec.unpack(codec.pack({"state": 1, **arrays(state)}), "state", 1)
    back = Memory(**{key: tree[key] for key in arrays(state)}) if isinstance(state, Memory) else tree["evidence"]
    assert same(case.step(back, 17, BLOCKS)[0], case.step(state, 17, BLOCKS)[0])


@EVERY
def test_the_state_never_grows(make):
    case = make(moved=0.1)
    sizes = {sum(a.nbytes for a in arrays(case.step(case.detector.start(), 0, t)[0]).values()) for t in (1, 7, BLOCKS)}
    assert len(sizes) == 1


@EVERY
def test_an_empty_block_changes_nothing_that_follows(make):
    case = make(moved=0.1)
    empty = Case(case.detector, tuple(np.zeros_like(array) for array in case.blocks))
    state, _ = case.step(case.detector.start(), 0, 20)
    after, course = empty.step(state, 0, 1)
    np.testing.assert_array_equal(case.step(after, 20, BLOCKS)[1], case.step(state, 20, BLOCKS)[1])
    assert np.isfinite(course).all()


@EVERY
def test_evidence_stays_a_number_however_large_the_drift(make):
    case = make()
    huge = Case(case.detector, (case.blocks[0] * 0 + 1e4, *(array * 0 + 5e4 for array in case.blocks[1:])))
    state, course = huge.step(case.detector.start(), 0, BLOCKS)
    assert np.isfinite(course).all()
    assert not any(np.isnan(array).any() for array in arrays(state).values())


@EVERY
def test_evidence_of_drift_grows_and_evidence_without_does_not(make):
    still, moved = make(), make(moved=0.3)
    assert still.step(still.detector.start(), 0, BLOCKS)[1][-1].max() < np.log(BLOCKS * CALLS)
    assert moved.step(moved.detector.start(), 0, BLOCKS)[1][-1].min() > np.log(BLOCKS * CALLS) + 10


def spread(state, replicas):
    return Memory(*(np.repeat(array[:1], replicas, axis=0) for array in arrays(state).values()))


def gains(before, after):
    """What each memory won in one call of weight one."""
    return np.exp(after.log_e - np.maximum(before.log_e, 0.0))


def test_a_bet_on_topics_is_fair_over_the_baseline_but_for_its_slack():
    learnt = topics(1, moved=0.3)
    state, _ = learnt.step(learnt.detector.start(), 0, BLOCKS)
    every, calls = topics(len(SHARES)), np.ones((1, len(SHARES)))
    before = spread(state, len(SHARES))
    after, *_ = update(every.detector, before, np.eye(len(SHARES))[None], calls, calls)
    won = gains(before, after)
    assert won.std(axis=0).min() > 0.1
    np.testing.assert_allclose(SHARES @ won, np.exp(-0.001), rtol=1e-12)


def test_a_tilt_wins_no_more_over_the_baseline_than_its_slack_leaves_and_hardly_less():
    learnt = tilt(1, moved=0.3)
    state, _ = learnt.step(learnt.detector.start(), 0, BLOCKS)
    every, calls = tilt(SIZE), np.ones((1, SIZE))
    before = spread(state, SIZE)
    after, _ = update(every.detector, before, ROWS[None], calls[..., None], calls, calls)
    won = gains(before, after)
    assert won.std(axis=0).min() > 0.1
    given = 0.001 * np.count_nonzero(
        every.detector.bet(*means(before, every.detector.size, every.detector.part))[0], axis=-1
    )
    assert (won.mean(axis=0) <= np.exp(-given) * (1 + 1e-12)).all()
    np.testing.assert_allclose(won.mean(axis=0), np.exp(-given), rtol=0.1)


def test_a_bet_is_priced_as_if_half_a_call_lay_as_far_as_any_did_in_its_direction():
    reference = Reference(ROWS, np.full(SIZE, 1 / SIZE))
    theta = np.array([[0.3, 0, 0, 0, 0, 0], [0, 0.2, -0.1, 0, 0, 0.3]])
    far = theta / np.linalg.norm(theta, axis=1, keepdims=True) * np.linalg.norm(ROWS, axis=1).max()
    for i, share in enumerate(LENGTHS):
        with_it = np.exp(share * ROWS @ theta.T).sum(axis=0) + 0.5 * np.exp(share * (far * theta).sum(axis=1))
        np.testing.assert_allclose(reference.cumulants(theta)[i], np.log(with_it / (SIZE + 0.5)), rtol=1e-9)


def test_bets_are_shorter_where_a_call_lies_far_off_and_none_is_made_that_does_not_pay():
    bets = np.array([0.9, 0.3, 0.001])[None, None, :, None] * np.full(6, 6**-0.5)
    rows = np.concatenate([ROWS, np.full((1, 6), 3.0)])
    lengths = []
    for reference in (REFERENCE, Reference(rows, np.full(len(rows), 1 / len(rows)))):
        detector = replace(tilt().detector, reference=[[reference]])
        made, prices = (each[0, 0] for each in detector._priced(bets, 0, np.full((1, 1, 3), 0.001)))
        np.testing.assert_array_equal(made == 0, prices == 0)
        lengths.append(made)
    assert 0 < lengths[1][0] < lengths[0][0] <= 1
    assert 0 < lengths[1][1] <= lengths[0][1]
    assert lengths[0][2] == lengths[1][2] == 0


def test_a_tilt_never_bets_longer_than_its_cap():
    detector = tilt().detector
    bets = detector.bet(np.full((3, 3, 6), 100.0), np.full((3, 3, 1), 1e-3))
    np.testing.assert_allclose(np.linalg.norm(bets, axis=-1), 1)


def test_nothing_is_bet_on_what_may_be_noise():
    detector, noise = tilt().detector, np.full((1, 3, 1), 0.01)
    assert not detector.bet(np.full((1, 3, 6), 0.1), noise).any()
    only_the_second_block = detector.bet(np.array([0.0, 0, 0, 0, 2, 2]) * np.ones((1, 3, 1)), noise)
    assert not only_the_second_block[..., :4].any()
    assert only_the_second_block[..., 4:].all()


def test_a_bet_on_one_part_wins_no_more_over_the_calls_of_that_part():
    learnt = parted(1, moved=0.8)
    state, _ = learnt.step(learnt.detector.start(), 0, BLOCKS)
    every, calls = parted(SIZE // 2), np.ones((1, SIZE // 2))
    before = spread(state, SIZE // 2)
    sums = np.concatenate([np.zeros((SIZE // 2, 6)), OTHER.features], axis=1)[None]
    after, _ = update(every.detector, before, sums, np.stack([0 * calls, calls], axis=2), calls, calls)
    won = gains(before, after)
    assert won.std(axis=0).min() > 0.1
    bets = every.detector.bet(*means(before, every.detector.size, every.detector.part))[0]
    most = np.exp(-0.002 * np.count_nonzero(bets[:, 6:], axis=-1))
    assert (won.mean(axis=0) <= most * (1 + 1e-12)).all()
    np.testing.assert_allclose(won.mean(axis=0), most, rtol=0.1)


def test_each_part_has_its_own_bounds_of_noise_and_of_bets():
    detector, noise = parted().detector, np.array([1e-3, 10.0]) * np.ones((3, 3, 1))
    bets = detector.bet(np.full((3, 3, 9), 2.0), noise)
    assert not bets[..., 6:].any()
    np.testing.assert_allclose(np.linalg.norm(bets[..., :6], axis=-1), 1)
    both = detector.bet(np.full((3, 3, 9), 2.0), np.full((3, 3, 2), 1e-3))
    np.testing.assert_allclose(np.linalg.norm(both[..., 6:], axis=-1), 1)


def test_topics_that_grow_are_named_before_the_next_block_and_not_without_growth():
    for moved, expected in ((0.3, True), (0.0, False)):
        case = topics(1, moved=moved)
        *_, grown = update(case.detector, case.detector.start(), *case.blocks)
        assert not grown[0].any()
        assert bool(grown[-1, 0, 3]) is expected
        assert not grown[-1, 0, 0]


def test_every_detector_of_a_baseline_follows_one_of_these_laws():
    panel = builders.baseline().panel
    assert isinstance(panel.topics, Topics)
    assert {type(one) for one in panel.tilts.values()} == {Tilt}
    assert {type(one) for one in panel.rates.values()} == {Rate}
    assert set(panel.names) == {"topics", *panel.tilts, *panel.rates}
