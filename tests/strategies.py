"""Hypothesis strategies that several tests share."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

MAX_BINS = 12

counts = npst.arrays(np.int64, st.integers(1, MAX_BINS), elements=st.integers(0, 5_000)).filter(np.any)
"""A histogram that holds something."""

coordinates = st.floats(-1e3, 1e3, allow_subnormal=False)
values = npst.arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 1e6, allow_subnormal=False))
"""Lengths, durations or costs: zero or more."""


def _pair_of_counts(bins):
    histogram = npst.arrays(np.int64, bins, elements=st.integers(0, 5_000)).filter(np.any)
    return st.tuples(histogram, histogram)


def _pair_of_samples(dimensions):
    rows = st.integers(2, 30).flatmap(lambda n: npst.arrays(np.float64, (n, dimensions), elements=coordinates))
    return st.tuples(rows, rows)


count_pairs = st.integers(1, MAX_BINS).flatmap(_pair_of_counts)
"""Two histograms over the same bins."""

sample_pairs = st.integers(1, 4).flatmap(_pair_of_samples)
"""Two samples of vectors with the same coordinates, at least two rows each; rows may repeat and columns be constant."""
