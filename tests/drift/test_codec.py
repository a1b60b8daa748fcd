import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from drift import codec
from drift.errors import CorruptError

KIND, VERSION = "thing", 3
KINDS = [np.int8, np.int16, np.int64, np.uint8, np.uint64, np.float32, np.float64, np.bool_]

arrays = st.sampled_from(KINDS).flatmap(
    lambda kind: npst.arrays(kind, npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
)
plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text())
trees = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        plain | arrays,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(trees)
def test_a_tree_of_arrays_and_plain_values_comes_back_as_it_was(tree):
    tree = {**tree, KIND: VERSION}
    assert same(codec.unpack(codec.pack(tree), KIND, VERSION), tree)


@given(trees)
def test_equal_trees_give_equal_bytes_whatever_the_order_of_their_keys(tree):
    assert codec.pack(tree) == codec.pack(dict(reversed(tree.items())))


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_narrowest_integers_hold_their_extremes(value):
    back = codec.unpack(codec.pack({KIND: VERSION, "a": np.array([value, 0])}), KIND, VERSION)["a"]
    assert back.dtype == np.int64
    assert back.tolist() == [value, 0]


def test_small_numbers_are_stored_in_narrow_integers():
    noise = np.random.default_rng(1).integers(-100, 100, 1000)
    assert len(codec.pack({"a": noise})) < 1100
    assert codec.pack({"a": noise}) != codec.pack({"a": noise.astype(np.int32)})


def test_every_damaged_byte_is_noticed():
    data = codec.pack({KIND: VERSION, "a": np.arange(20), "text": "hello world", "tree": {"x": [1.5, None]}})
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        with pytest.raises(CorruptError):
            codec.unpack(bytes(damaged), KIND, VERSION)


def test_one_damaged_bit_is_noticed_or_does_no_harm():
    tree = {KIND: VERSION, "a": np.arange(20)}
    data = codec.pack(tree)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(CorruptError):
            assert same(codec.unpack(bytes(damaged), KIND, VERSION), tree)


def test_bytes_that_are_torn_or_too_many_are_noticed():
    data = codec.pack({KIND: VERSION, "a": np.arange(20)})
    for torn in [data[:length] for length in range(len(data))] + [data + b"\0"]:
        with pytest.raises(CorruptError):
            codec.unpack(torn, KIND, VERSION)


@pytest.mark.parametrize(
    ("tree", "named"),
    [({"other": 1}, "not a thing"), ({KIND: 4}, "format 4, this release reads format 3")],
)
def test_another_kind_or_format_is_named(tree, named):
    with pytest.raises(CorruptError, match=named):
        codec.unpack(codec.pack(tree), KIND, VERSION)


def test_a_table_comes_back_and_a_missing_column_is_noticed():
    dtype = np.dtype([("a", "<i8"), ("b", "<i2", (3,))])
    made = np.zeros(4, dtype)
    made["a"], made["b"] = np.arange(4), 7
    columns = codec.unpack(codec.pack({KIND: VERSION, "t": made}), KIND, VERSION)["t"]
    np.testing.assert_array_equal(codec.table(columns, dtype), made)
    with pytest.raises(CorruptError, match="lacks a column"):
        codec.table({"a": columns["a"]}, dtype)


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(TypeError, match="cannot be stored: object"):
        codec.pack({"a": object()})
