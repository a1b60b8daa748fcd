import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import GRID
from models.ngrams import trigram_view

anything = st.text(st.characters(exclude_categories=()))  # lone surrogates too
texts = st.lists(st.one_of(anything, st.text("ab", max_size=6)), max_size=70)


def counted_in_a_loop(text, buckets):
    """The definition, gram by gram."""
    data = text.encode("utf-8", "surrogatepass")[:4096]
    grams = [int.from_bytes(data[i : i + 3], "big") for i in range(len(data) - 2)]
    counts = Counter((gram * 0x9E3779B1 % 2**32) * buckets // 2**32 for gram in grams)
    return [round(math.sqrt(counts[bucket] / max(len(grams), 1)) * GRID) for bucket in range(buckets)]


@given(texts, st.sampled_from([2, 16, 1024, 65536]))
def test_the_view_is_its_definition_and_no_text_touches_another(batch, buckets):
    batch = batch[: max(1, 2**14 // buckets)]
    assert trigram_view(batch, buckets).tolist() == [counted_in_a_loop(text, buckets) for text in batch]


@given(texts)
def test_rows_have_unit_length_or_are_zero_for_texts_under_three_bytes(batch):
    lengths = np.linalg.norm(trigram_view(batch) / GRID, axis=1)
    assert lengths == pytest.approx(
        [float(len(text.encode("utf-8", "surrogatepass")) >= 3) for text in batch], abs=2e-3
    )


@pytest.mark.parametrize("batch", [[], [""], ["", "a"], ["a", "", ""], ["ab", "cd", ""]])
def test_short_and_empty_texts_are_rows_of_zeros(batch):
    view = trigram_view(batch)
    assert view.shape == (len(batch), 1024)
    assert not view.any()


def test_only_the_first_4096_bytes_are_read():
    text = "é" + "ab" * 4096
    view = trigram_view([text, text[:4095], text[:4094]])
    assert (view[0] == view[1]).all()
    assert (view[1] != view[2]).any()


def test_a_change_of_format_moves_the_view_more_than_a_change_of_words():
    view = trigram_view(["(A) yes (B) no (C) maybe", "(A) red (B) blue (C) gray", "(A). yes (B). no (C). maybe"])
    grams = [set(np.flatnonzero(row)) for row in view]
    assert grams[2] - grams[0] > set()
    assert len((grams[2] - grams[0]) - grams[1]) >= 6  # "A).", "B).", "C).", and "). " before each word


def test_common_3_grams_spread_over_the_buckets():
    words = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
    distinct = {words[i : i + 3] for i in range(len(words) - 2)}
    loads = (trigram_view(sorted(distinct)) > 0).sum(axis=0)
    assert loads.var() / loads.mean() < 1.5  # 1 for a random function


@pytest.mark.parametrize("buckets", [-4, 0, 1, 1000, 131072])
def test_buckets_must_be_a_power_of_two(buckets):
    with pytest.raises(ValueError, match=f"buckets must be a power of two from 2 to 65536, got {buckets}"):
        trigram_view(["abc"], buckets)
