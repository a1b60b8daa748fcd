"""Baselines redrawn from a baseline's own calls, and streams like its own, for what is tried out by the hundred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drift.baseline import Baseline
from drift.budget import LARGEST
from drift.detectors.memory import FloatArray
from drift.fit import Features, fit
from drift.parts import IntArray
from drift.replicas import Replicas, recounted
from drift.resample import MOST_BLOCKS, redrawn


def weights(baseline: Baseline, runs: int, rng: np.random.Generator) -> list[FloatArray]:
    """How often each reference call is in each of so many baselines redrawn from them."""
    return [redrawn(len(baseline.features.topic), rng) for _ in range(runs)]


def replicas(baseline: Baseline, calls: Features, sizes: IntArray, drawn: Sequence[FloatArray]) -> Replicas:
    """Baselines fitted anew to their redrawn calls, rates included, that judge streams of ``calls``.

    Parameters
    ----------
    sizes
        Calls of each block of a stream, ``(T,)``.
    drawn
        How often each reference call is in each baseline.
    """
    fits = [fit(baseline.frame, baseline.features, one, baseline.fit) for one in drawn]
    scales = baseline.fit.scales
    rated = recounted(baseline.panel.rates, baseline.features, scales, drawn)
    return Replicas(baseline.frame, calls, fits, sizes, rated, verdicts=scales)


def unchanged(baseline: Baseline, calls: Features, sizes: IntArray, runs: int) -> Replicas:
    """The baseline as it is, that judges so many streams of ``calls``."""
    rated = {name: [known] * runs for name, known in baseline.panel.rates.items()}
    return Replicas(baseline.frame, calls, [baseline.fit] * runs, sizes, rated)


def block_sizes(baseline: Baseline, count: int, rng: np.random.Generator) -> IntArray:
    """Calls of so many blocks, drawn from the baseline's own.

    As in calibration those of more than ``LARGEST`` calls are cut: more looks, not fewer.
    """
    return rng.choice(_own_blocks(baseline), count)


def longest_stream(baseline: Baseline) -> int:
    """Calls that ``MOST_BLOCKS`` like the baseline's own hold."""
    return int(MOST_BLOCKS * _own_blocks(baseline).mean())


def stream_blocks(baseline: Baseline, length: int, rng: np.random.Generator) -> IntArray:
    """Calls of the blocks of a stream of about ``length`` calls, fewer where ``MOST_BLOCKS`` do not hold so many."""
    count = int(np.clip(round(length / _own_blocks(baseline).mean()), 1, MOST_BLOCKS))
    return block_sizes(baseline, count, rng)


def _own_blocks(baseline: Baseline) -> IntArray:
    given = baseline.blocks if len(baseline.blocks) else np.array([10], np.int64)
    return np.minimum(given, LARGEST).astype(np.int64)


def first_alarm(course: FloatArray, threshold: float, clock: FloatArray) -> FloatArray:
    """Calls until each run's evidence ``(T, R)`` first reached the threshold, infinite where it never did, ``(R,)``."""
    over = course >= threshold
    return np.where(over.any(axis=0), clock[over.argmax(axis=0)], np.inf)
