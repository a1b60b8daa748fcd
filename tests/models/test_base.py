import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.base import GRID, is_blank, load_embedder, to_grid, unit_rows

entries = st.floats(-1, 1, width=32)
matrices = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=8), elements=entries)


@given(st.lists(st.integers(-GRID, GRID)))
def test_a_vector_on_the_grid_stays_where_it_is(steps):
    vectors = np.array(steps, dtype=np.float32) / np.float32(GRID)
    assert to_grid(vectors).tolist() == steps


@given(matrices)
def test_rounding_moves_no_entry_by_more_than_half_a_step(vectors):
    assert np.all(np.abs(to_grid(vectors) / GRID - vectors.astype(np.float64)) <= 0.5 / GRID)


@given(st.integers(-GRID, GRID - 1))
def test_the_middle_of_two_steps_goes_to_the_even_one(step):
    middle = np.array([(step + 0.5) / GRID], dtype=np.float32)
    assert to_grid(middle)[0] == step + step % 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0, -1.5])
def test_what_does_not_fit_the_grid_is_refused(bad):
    with pytest.raises(ValueError, match="vectors must be finite"):
        to_grid(np.array([[0.5, bad]], dtype=np.float32))


@given(matrices)
def test_a_row_gets_unit_length_or_stays_zero(rows):
    lengths = np.linalg.norm(unit_rows(rows).astype(np.float64), axis=1)
    expected = rows.any(axis=1).astype(np.float64)
    tiny = np.abs(rows).max(axis=1, initial=0.0) < 1e-30  # their lengths are no longer precise in float32
    assert lengths[~tiny] == pytest.approx(expected[~tiny], abs=1e-6)


@pytest.mark.parametrize(("text", "blank"), [("", True), (" \n\t\u3000", True), ("a", False), (" a ", False)])
def test_white_space_alone_is_blank(text, blank):
    assert is_blank(text) is blank


@pytest.mark.parametrize("name", ["", "bert", "wordllama:x", "sentence-transformers", "sentence-transformers:"])
def test_an_unknown_name_is_answered_with_what_is_possible(name):
    with pytest.raises(ValueError, match=r"'wordllama' or 'sentence-transformers:<name or folder>', got"):
        load_embedder(name)


def test_the_default_embedder_is_wordllama():
    assert load_embedder().identity.startswith("wordllama ")
