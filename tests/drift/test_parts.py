import numpy as np

from drift.parts import FEWEST, MOST, Whitening, grouped, whiten

RNG = np.random.default_rng(71)
PART = np.repeat([0, 1], [400, 600])
RESIDUALS = RNG.normal(size=(1000, 5)) * np.where(PART[:, None] == 0, 0.1, [1, 2, 3, 1, 0.5])
WEIGHTS = RNG.integers(0, 4, 1000).astype(float)
BLOCKS = ((0, 3), (3, 5))
MADE = Whitening.of(2, PART, RESIDUALS, WEIGHTS, BLOCKS)


def test_residuals_of_each_part_are_white_within_each_block_but_for_the_prior():
    for part, (one, blocks) in enumerate(zip(MADE.maps, MADE.blocks, strict=True)):
        here = part == PART
        for low, high in blocks:
            values = (RESIDUALS[here] @ one)[:, low:high]
            covariance = np.cov(values.T, fweights=WEIGHTS[here].astype(int), ddof=0)
            np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
            assert (np.diag(covariance) <= 1.1).all()
            if part:
                np.testing.assert_allclose(np.diag(covariance), 1, atol=0.2)


def test_spreads_say_how_much_farther_fresh_calls_scatter_than_those_a_map_was_made_of():
    rng, scale = np.random.default_rng(72), np.geomspace(3, 0.5, 30)
    few, many = (rng.standard_t(5, (n, 30)) * scale for n in (300, 20_000))
    part = np.repeat([0, 1], [300, 20_000])
    made = Whitening.of(2, part, np.concatenate([few, many]), np.ones(len(part)), ((0, 30),))
    fresh = (rng.standard_t(5, (20_000, 30)) * scale @ made.maps[0]).var(axis=0)
    ratio = fresh / (few @ made.maps[0]).var(axis=0)
    assert ratio.mean() > 1.1
    assert abs((made.spreads[0] ** 2).mean() - ratio.mean()) < (ratio.mean() - 1) / 3
    assert (made.spreads[1] < 1.05).all()


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


def test_a_part_whose_answers_are_all_the_same_has_coordinates_of_bounded_scale():
    same = np.where(PART[:, None] == 0, 0.0, RESIDUALS)
    made = Whitening.of(2, PART, same, WEIGHTS, BLOCKS)
    assert np.abs(made.maps[0]).max() < 32
    assert np.isfinite(made.spreads[0]).all()
