import numpy as np
import pytest

from drift.distances.given import given, leading


def calls(seed, n=120, topics=5, dimensions=3):
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.4, rng.integers(0, topics, n), rng.normal(size=(n, dimensions)), rng.normal(size=(n, 2))


def dummies(current, topics, inputs):
    return np.column_stack([current, *(topics == topic for topic in np.unique(topics)), inputs]).astype(float)


def test_the_difference_is_the_coefficient_of_side_in_the_full_regression():
    current, topics, inputs, outcome = calls(1)
    design = given(current, topics, inputs)
    coefficients = np.linalg.lstsq(dummies(current, topics, inputs), outcome, rcond=None)[0]
    assert design.difference(design.residual(outcome)) == pytest.approx(coefficients[0])
    assert design.degrees == len(current) - 1 - 5 - 3


def test_what_topics_and_inputs_determine_leaves_nothing():
    current, topics, inputs, _ = calls(2)
    determined = np.column_stack([3.0 * topics + 7, inputs @ [1.0, -2.0, 0.5], np.full(len(topics), 1e6)])
    assert not given(current, topics, inputs).residual(determined).any()


def test_a_topic_that_one_side_lacks_says_nothing_without_inputs():
    topics = np.array([0, 0, 0, 0, 9, 9])
    current = np.array([True, False, True, False, True, True])
    design = given(current, topics, np.empty((6, 0)))
    assert design.label.tolist() == [0.5, -0.5, 0.5, -0.5, 0, 0]
    assert not design.leverage.any()


def test_labels_are_shuffled_inside_their_topics_and_reproducibly():
    current, topics, inputs, _ = calls(3)
    design = given(current, topics, inputs)
    drawn = np.vstack(list(design.permuted(70, np.random.default_rng(0))))
    assert drawn.shape == (70, len(topics))
    for topic in range(5):
        kept = np.sort(design.label[topics == topic])
        assert (np.sort(drawn[:, topics == topic], axis=1) == kept).all()
    assert (drawn == np.vstack(list(design.permuted(70, np.random.default_rng(0))))).all()
    assert (drawn != design.label).any(axis=1).all()


def test_leading_directions_whiten_and_leave_out_constant_columns():
    rng = np.random.default_rng(4)
    rows = np.column_stack([rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)), np.zeros(500)])
    rows -= rows.mean(axis=0)
    white = rows @ leading(rows, 10)
    assert white.T @ white / 500 == pytest.approx(np.eye(3), abs=1e-9)
    assert leading(rows, 2).shape == (4, 2)
    assert leading(np.zeros((9, 2)), 2).shape == (2, 0)


def test_inputs_that_tell_the_sides_apart_entirely_leave_no_information():
    current = np.arange(40) >= 20
    design = given(current, np.zeros(40, dtype=int), current[:, None] * 3.0)
    assert design.information == 0
    assert given(current, np.zeros(40, dtype=int), np.empty((40, 0))).information == pytest.approx(10)
