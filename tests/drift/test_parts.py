import numpy as np

from drift.parts import FEWEST, MOST, Whitening, grouped, whiten

RNG = np.random.default_rng(71)
PART = np.repeat([0, 1], [400, 600])
RESIDUALS = RNG.normal(size=(1000, 5)) * np.where(PART[:, None] == 0, 0.1, [1, 2, 3, 1, 0.5])
WEIGHTS = RNG.integers(0, 4, 1000).astype(float)
BLOCKS = ((0, 3), (3, 5))
MADE = Whitening.of(2, PART, RESIDUALS, WEIGHTS, BLOCKS)


def test_residuals_of_each_part_are_white_within_each_block():
    for part, (one, blocks) in enumerate(zip(MADE.maps, MADE.blocks, strict=True)):
        here = part == PART
        for low, high in blocks:
            covariance = np.cov((RESIDUALS[here] @ one)[:, low:high].T, fweights=WEIGHTS[here].astype(int), ddof=0)
            np.testing.assert_allclose(covariance, np.eye(high - low), atol=1e-9)


def test_judged_coordinates_are_those_of_each_part_side_by_side():
    sums = RNG.normal(size=(7, 2, 5))
    judged = MADE.judged(sums)
    columns, ranges = MADE.layout
    assert judged.shape == (7, columns[-1][1])
    np.testing.assert_allclose(judged[:, columns[ranges[1][0]][0] :], sums[:, 1] @ MADE.maps[1])


def test_a_resample_keeps_as_many_coordinates_although_some_no_longer_vary():
    flat = RESIDUALS * [1, 1, 0, 1, 1]
    again = Whitening.of(2, PART, flat, WEIGHTS, BLOCKS, MADE)
    assert again.layout == MADE.layout
    assert all(np.isfinite(one).all() for one in again.maps)


def test_directions_that_hardly_vary_are_left_out():
    assert whiten(RNG.normal(size=(500, 3)) * [1, 1, 1e-3]).shape == (3, 2)


def test_topics_far_apart_are_parts_where_each_has_enough_calls():
    centres = np.concatenate([RNG.normal(size=(6, 4)), RNG.normal(size=(5, 4)) + 30])
    label = grouped(centres, [FEWEST] * 11)
    assert label.max() < MOST
    assert not set(label[:6]) & set(label[6:])
    few = grouped(centres, [FEWEST] * 6 + [1] * 5)
    assert not few.any()


def test_a_part_whose_answers_are_all_the_same_has_a_coordinate_of_bounded_scale():
    same = np.where(PART[:, None] == 0, 0.0, RESIDUALS)
    made = Whitening.of(2, PART, same, WEIGHTS, BLOCKS)
    assert [high - low for low, high in made.blocks[0]] == [1, 1]
    assert np.abs(made.maps[0]).max() < 32
