from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift import lens as lenses
from drift.call import DIMENSIONS, GRID
from drift.errors import CorruptError
from tests.drift.builders import BUCKETS, DIM, grid, lens, vectors


@given(st.permutations(range(12)), st.integers(1, 12))
def test_a_call_is_seen_alike_in_any_batch_and_order(order, batch):
    views = vectors(12, 21)
    together = lens().see(*views)
    for low in range(0, 12, batch):
        some = np.array(order[low : low + batch])
        for ours, theirs in zip(lens().see(*(view[some] for view in views)), together, strict=True):
            np.testing.assert_array_equal(ours, theirs[some])


def test_products_of_unit_rows_are_exact_in_float32():
    inputs, outputs, formats = (view.astype(np.int64) for view in vectors(200, 22))
    made = lens()
    for rows, columns in [
        (inputs, made.codebook.T),
        (inputs, made.input_map),
        (outputs, made.output_map),
        (formats, made.format_map),
    ]:
        largest_partial_sum = np.abs(rows) @ np.abs(columns.astype(np.int64))
        assert largest_partial_sum.max() < 2**24
        exact = rows @ columns.astype(np.int64)
        np.testing.assert_array_equal(rows.astype(np.float32) @ columns.astype(np.float32), exact)


def test_the_bound_that_makes_products_exact_holds_for_any_unit_row():
    made = lens()
    for columns in (made.codebook.T, made.input_map, made.output_map, made.format_map):
        longest = np.linalg.norm(columns.astype(np.float64), axis=0).max()
        assert longest * (GRID + 0.5 * np.sqrt(len(columns))) < 2**24


def test_the_same_calls_and_seed_give_the_same_lens():
    views = vectors(400, 23)
    assert lenses.fit("e", "f", *views, seed=4).id == lenses.fit("e", "f", *views, seed=4).id
    assert lenses.fit("e", "f", *views, seed=4).id != lenses.fit("e", "f", *views, seed=5).id


def test_the_tails_of_fresh_calls_are_what_the_bands_promise():
    made = lenses.fit("e", "f", *vectors(3000, 24))
    bands = made.see(*vectors(4000, 25))[1]
    for band, tail in enumerate(lenses.TAILS, 1):
        outside = (bands >= band).mean()
        assert 1 - tail == pytest.approx(outside, rel=0.25, abs=0.008)


@given(st.integers(40, 4000))
def test_a_codebook_has_a_topic_for_every_forty_calls_but_eight_to_sixty_four(calls):
    made = lenses.fit("e", "f", *vectors(300, 26), calls=calls)
    assert made.topics <= np.clip(calls // 40, 8, 64)


def test_the_nearest_topic_is_the_one_of_largest_product_and_ties_go_to_the_lowest():
    inputs, outputs, formats = vectors(100, 27)
    made = lens()
    topics = made.see(inputs, outputs, formats)[0]
    np.testing.assert_array_equal(topics, np.argmax(inputs.astype(np.int64) @ made.codebook.T.astype(np.int64), axis=1))
    tied = replace(made, codebook=np.concatenate([made.codebook, made.codebook]))
    np.testing.assert_array_equal(tied.see(inputs, outputs, formats)[0], topics)


def test_a_call_without_input_has_no_topic_and_features_of_zero():
    nothing, formats = np.zeros((2, DIM), np.int16), np.zeros((2, BUCKETS), np.int16)
    topics, _, features = lens().see(nothing, nothing, formats)
    assert topics.tolist() == [-1, -1]
    assert not features.any()


@pytest.mark.parametrize("kind", ["none", "one", "two", "equal", "zeros", "few values often"])
def test_calls_that_teach_little_still_give_a_lens_that_sees(kind):
    inputs = {
        "none": np.zeros((0, DIM), np.int16),
        "one": vectors(1, 28)[0],
        "two": vectors(2, 28)[0],
        "equal": np.repeat(vectors(1, 28)[0], 100, axis=0),
        "zeros": np.zeros((5, DIM), np.int16),
        "few values often": np.repeat(vectors(9, 28)[0], 50, axis=0),
    }[kind]
    made = lenses.fit("e", "f", inputs, inputs, np.zeros((len(inputs), BUCKETS), np.int16))
    topics, bands, features = made.see(*vectors(20, 29))
    assert ((topics >= 0) & (topics < made.topics)).all()
    assert ((bands >= 0) & (bands <= len(lenses.TAILS))).all()
    assert features.shape == (20, 3, DIMENSIONS)


def test_the_default_lens_sees_without_having_learnt_from_calls():
    anchors = np.random.default_rng(30).normal(size=(500, DIM))
    made = lenses.default("e", "f", anchors / np.linalg.norm(anchors, axis=1, keepdims=True), BUCKETS)
    topics, bands, features = made.see(*vectors(200, 31))
    assert len(np.unique(topics)) > 10
    assert features.any(axis=(0, 2)).all()
    assert bands.max() <= 4
    assert np.linalg.norm(made.format_map.astype(float), axis=0).max() <= lenses.SCALE * 1.01


def test_principal_directions_are_those_of_numpy():
    inputs = vectors(500, 32)[0]
    found = lenses.directions(inputs)[:, :DIM] / lenses.SCALE
    _, columns = np.linalg.eigh(np.cov((inputs / GRID).T))
    np.testing.assert_allclose(np.abs((found * columns[:, ::-1]).sum(axis=0)), 1, atol=0.01)


def test_topics_are_of_unit_length():
    made = lenses.centres(grid(np.random.default_rng(33).normal(size=(300, DIM))) / GRID, 12)
    np.testing.assert_allclose(np.linalg.norm(made / lenses.SCALE, axis=1), 1, atol=0.01)


def test_bytes_of_a_lens_give_the_lens_back():
    data = lenses.encode(lens())
    back = lenses.decode(data)
    assert back.id == lens().id
    assert lenses.encode(back) == data


@pytest.mark.parametrize("data", [b"", b"\0" * 40, lenses.encode(lens())[:-9], b"{}"])
def test_what_is_not_a_lens_is_refused(data):
    with pytest.raises(CorruptError):
        lenses.decode(data)


def test_arrays_that_do_not_fit_together_are_refused():
    wrong = replace(lens(), output_map=lens().output_map[:-1])
    with pytest.raises(CorruptError, match="do not fit together"):
        lenses.decode(lenses.encode(wrong))
