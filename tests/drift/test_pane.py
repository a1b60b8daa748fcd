import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import CorruptError, LensMismatchError
from drift.pane import CELL, COUNT, MARK, SLICE_CELL, SLICE_COUNT, Pane, Sums, decode, encode, merge
from tests.drift import builders

ROWS = builders.calls(120, 11, served_model=5)
ROWS["topic"][:9], ROWS["answered"][5:30] = -1, 0
ROWS["stratum"][40:60] = 3
ROWS["slices"][::3, 0], ROWS["slices"][1::3, 0], ROWS["slices"][::2, 2] = 8, 2**63 + 9, 10
NAMES = {5: "model-a", 77: "v1\x1f", 3: "v2\x1f"}

splits = st.lists(st.integers(0, len(ROWS)), max_size=6)
sizes = st.sampled_from([1, 5, 64, 119, 120, 500])


def parts_of(cuts, size, order=None):
    order = np.arange(len(ROWS)) if order is None else order
    bounds = [0, *sorted(cuts), len(ROWS)]
    texts = [(f"asked {i}", f"answered {i}") for i in range(len(ROWS))]
    made = []
    for low, high in itertools.pairwise(bounds):
        here = order[low:high]
        pairs = [texts[i] for i in here]
        made.append(Pane.of("lens", "segment", (0, 10), ROWS[here], pairs, NAMES, size=size))
    return made


@given(splits, sizes, st.randoms(use_true_random=False))
def test_any_split_in_any_order_merges_to_the_bytes_of_all_calls_at_once(cuts, size, random):
    order = np.array(random.sample(range(len(ROWS)), len(ROWS)))
    parts = parts_of(cuts, size, order)
    random.shuffle(parts)
    (whole,) = parts_of([], size)
    assert encode(merge(parts, size=size)) == encode(whole)


@given(splits, sizes, st.integers(1, 5))
def test_merging_is_associative(cuts, size, at):
    parts = parts_of(cuts, size)
    left, right = parts[:at], parts[at:]
    nested = merge([merge(left, size=size), *([merge(right, size=size)] if right else [])], size=size)
    assert encode(nested) == encode(merge(parts, size=size))


@given(st.integers(0, 120), sizes, sizes)
def test_a_pane_that_kept_fewer_rows_merges_exactly_too(cut, small, large):
    first, second = (parts_of([cut], size)[i] for i, size in enumerate((small, large)))
    assert encode(merge([first, second])) == encode(merge([second, first]))
    assert merge([first, second]).n == len(ROWS)


@given(sizes)
def test_an_empty_pane_changes_nothing(size):
    (whole,) = parts_of([], size)
    empty = Pane.of("lens", "segment", (0, 10), ROWS[:0], (), {}, size=size)
    assert encode(merge([empty, whole], size=size)) == encode(whole)
    assert merge([empty, empty]).n == empty.n == 0
    assert encode(decode(encode(empty))) == encode(empty)


@given(splits, sizes)
def test_bytes_of_a_pane_give_the_pane_back(cuts, size):
    for part in parts_of(cuts, size):
        back = decode(encode(part))
        assert encode(back) == encode(part)
        assert (back.n, back.tick, back.end, back.names) == (part.n, part.tick, part.end, part.names)
        assert back.sample.texts == part.sample.texts
        for ours, theirs in zip(_tables(part.sums), _tables(back.sums), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def _tables(sums):
    return sums.cells, sums.counts, sums.marks, sums.slice_cells, sums.slice_counts


@given(splits)
def test_sums_derived_from_rows_are_the_sums_kept(cuts):
    kept, derived = merge(parts_of(cuts, 3), size=3), merge(parts_of(cuts, 500), size=500)
    assert derived.kept is None
    assert kept.kept is not None
    for ours, theirs in zip(_tables(kept.sums), _tables(derived.sums), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_sample_holds_the_calls_of_smallest_key_and_the_key_of_the_next():
    (whole,) = parts_of([], 10)
    keys = np.sort(ROWS["key"])
    np.testing.assert_array_equal(whole.sample.rows["key"], keys[:10])
    assert whole.sample.tau == keys[10]


def test_every_sampled_call_keeps_its_own_texts():
    content = {int(row["content"]): f"asked {i}" for i, row in enumerate(ROWS)}
    for row, (asked, _) in zip((sample := merge(parts_of([30, 70], 20)).sample).rows, sample.texts, strict=True):
        assert content[int(row["content"])] == asked


def test_a_pane_without_texts_does_not_shift_those_of_another():
    with_texts, without = parts_of([60], 500)
    without = Pane.of("lens", "segment", (0, 10), without.sample.rows, (), NAMES, size=500)
    mixed = merge([without, with_texts], size=500)
    silent = set(without.sample.rows["content"].tolist())
    for row, pair in zip(mixed.sample.rows, mixed.sample.texts, strict=True):
        assert (pair == ("", "")) == (int(row["content"]) in silent)


def test_sums_add_up_what_the_rows_hold():
    sums = Sums.of(ROWS)
    assert [table.dtype for table in _tables(sums)] == [CELL, COUNT, MARK, SLICE_CELL, SLICE_COUNT]
    assert sums.n == len(ROWS)
    assert sums.cells["features"].sum() == ROWS["features"].astype(np.int64).sum()
    np.testing.assert_array_equal(sums.cells["flags"].sum(axis=0), ROWS["flags"].sum(axis=0))
    assert sums.counts["n"].sum() == ROWS["bins"].size
    assert sums.cells["length"][sums.cells["answered"] == 0].sum() == 0


def test_sums_of_slices_and_of_all_other_calls_are_exactly_those_of_all():
    sums, rest = Sums.of(ROWS), Sums.of(ROWS[ROWS["slices"][:, 0] == 0])
    cells, counts = (table[table["field"] == 0] for table in (sums.slice_cells, sums.slice_counts))
    assert set(cells["value"].tolist()) == {8, 2**63 + 9}
    for name in ("n", "features", "length", "flags"):
        parted = cells[name].sum(axis=0) + rest.cells[name].sum(axis=0)
        np.testing.assert_array_equal(parted, sums.cells[name].sum(axis=0))
    assert counts["n"].sum() + rest.counts["n"].sum() == sums.counts["n"].sum()


def test_calls_without_declared_fields_have_no_sums_of_slices():
    rows = ROWS.copy()
    rows["slices"] = 0
    assert len(Sums.of(rows).slice_cells) == len(Sums.of(rows).slice_counts) == 0


def test_panes_of_different_lenses_are_refused_by_both_names():
    one, other = (Pane.of(lens, "segment", (0, 10), ROWS[:3], (), {}) for lens in ("abc", "def"))
    with pytest.raises(LensMismatchError, match=r"abc.*def"):
        merge([one, other])


def test_a_damaged_pane_is_noticed():
    data = encode(parts_of([], 4)[0])
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        with pytest.raises(CorruptError):
            decode(bytes(damaged))
