import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import to_grid
from models.cache import GridEmbedder

ROW = 2 * 4 + 256  # bytes a remembered row of four dimensions is charged


class Hashing:
    """Four numbers from a text's checksum; remembers what it was asked."""

    identity = "checksums"
    dim = 4
    exact = True

    def __init__(self, dim=4):
        self.dim = dim
        self.asked = []

    def embed(self, texts):
        self.asked.append(list(texts))
        seeds = [zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts]
        return np.array([np.random.default_rng(seed).uniform(-1, 1, self.dim) for seed in seeds], dtype=np.float32)

    def anchors(self):
        return self.embed(["a", "b"])


batches = st.lists(st.lists(st.text(st.sampled_from("ab\ud800é"), max_size=3), max_size=12), max_size=12)


@given(batches, st.integers(0, 9))
def test_memory_of_any_size_never_changes_a_row(batches, remembered):
    cached = GridEmbedder(Hashing(), cache_bytes=remembered * ROW)
    for batch in batches:
        expected = to_grid(Hashing().embed(batch)) if batch else np.empty((0, 4), dtype=np.int16)
        rows = cached.measure(batch)
        assert rows.dtype == np.int16
        assert rows.tobytes() == expected.tobytes()
        assert rows.shape == expected.shape


@given(batches, st.integers(0, 9))
def test_every_text_is_a_hit_or_a_miss_and_misses_are_what_was_embedded(batches, remembered):
    embedder = Hashing()
    cached = GridEmbedder(embedder, cache_bytes=remembered * ROW)
    for batch in batches:
        cached.measure(batch)
    assert cached.hits + cached.misses == sum(map(len, batches))
    assert cached.misses == sum(map(len, embedder.asked))


@given(batches)
def test_with_room_enough_a_text_is_embedded_once(batches):
    embedder = Hashing()
    cached = GridEmbedder(embedder)
    for batch in batches:
        cached.measure(batch)
    asked = [text for texts in embedder.asked for text in texts]
    assert sorted(asked) == sorted({text for batch in batches for text in batch})


def test_equal_texts_of_a_batch_are_embedded_once_even_without_memory():
    embedder = Hashing()
    GridEmbedder(embedder, cache_bytes=0).measure(["yes", "no", "yes", "yes"])
    assert embedder.asked == [["yes", "no"]]


def test_the_text_used_longest_ago_is_forgotten_first():
    embedder = Hashing()
    cached = GridEmbedder(embedder, cache_bytes=2 * ROW)
    for text in ("a", "b", "a", "c", "a", "b"):
        cached.measure([text])
    assert embedder.asked == [["a"], ["b"], ["c"], ["b"]]


def test_memory_stays_within_its_bound():
    bound = 2**20
    embedder = Hashing(dim=64)
    rows = np.zeros((256, 64), dtype=np.float32)
    embedder.embed = lambda texts: rows[: len(texts)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cached = GridEmbedder(embedder, cache_bytes=bound)
        sizes = []
        for start in range(0, 12 * 1024, 256):
            cached.measure([f"text {i}" for i in range(start, start + 256)])
            sizes.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert 0.7 * bound < max(sizes) <= bound


def test_an_embedder_that_fails_leaves_the_memory_usable():
    embedder = Hashing()
    cached = GridEmbedder(embedder)
    cached.measure(["a"])
    embedder.embed = lambda texts: np.full((len(texts), 4), np.nan, dtype=np.float32)
    with pytest.raises(ValueError, match="finite"):
        cached.measure(["a", "b"])
    del embedder.embed
    assert cached.measure(["b", "a"]).tobytes() == to_grid(Hashing().embed(["b", "a"])).tobytes()


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="cache_bytes must not be negative, got -1"):
        GridEmbedder(Hashing(), cache_bytes=-1)
