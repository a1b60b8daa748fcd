"""Two sides, compared at equal topics and inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drift.distances.checked import BoolArray, FloatArray, IntArray

CALLS_PER_INPUT = 6
"""Calls it takes to take one more coordinate of the inputs out. With fewer p-values held still, but say little."""

_DRAWS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Given:
    """What is left of calls once their topics and inputs are taken out.

    To compare means at equal topics and inputs, regress both the outcome and the side on topics and inputs and
    compare what is left (Frisch and Waugh 1933). Taken out of the outcome alone, a change that coincides with
    another mix would be absorbed by the fit, in part.

    Attributes
    ----------
    current
        Which calls are current ones, shape ``(n,)``.
    topics
        Topic of each call, shape ``(n,)``, numbered from 0 without gaps.
    basis
        Orthonormal coordinates of the inputs within topics, shape ``(n, k)``.
    label
        1 for a current call and 0 for a baseline one, less what topics and inputs say of it, shape ``(n,)``.
    leverage
        Share of a call's own outcome in its fit to the inputs, from 0 to 1, shape ``(n,)``.
    degrees
        Degrees of freedom left after topics, inputs and side.
    """

    current: BoolArray
    topics: IntArray
    basis: FloatArray
    label: FloatArray
    leverage: FloatArray
    degrees: int

    @property
    def information(self) -> float:
        """How many calls' worth of comparison is left; zero where inputs tell the sides apart entirely."""
        squared = float(self.label @ self.label)
        return squared if squared > 1e-9 else 0.0

    def residual(self, rows: FloatArray) -> FloatArray:
        """Take topics and inputs out of ``rows``, shape ``(n, d)``."""
        within = _within(rows, self.topics)
        return _without_rounding(within - self.basis @ (self.basis.T @ within), rows)

    def difference(self, residual: FloatArray) -> FloatArray:
        """Mean difference of the sides at equal topics and inputs, shape ``(d,)``; needs ``information``."""
        return self.label @ residual / self.information

    def permuted(self, draws: int, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield ``label`` with its calls shuffled inside topics, in blocks ``(some draws, n)``.

        Shuffling inside topics keeps the scatter of each topic in its place: with another mix, a loud topic is
        not mistaken for a quiet one (exchangeability blocks, Winkler et al. 2014).
        """
        order = np.argsort(self.topics, kind="stable")
        for start in range(0, draws, _DRAWS_AT_ONCE):
            keys = self.topics + rng.random((min(_DRAWS_AT_ONCE, draws - start), len(self.topics)))
            shuffled = np.empty_like(keys)
            shuffled[:, order] = self.label[np.argsort(keys, axis=1)]
            yield shuffled


def given(current: BoolArray, topics: IntArray, inputs: FloatArray) -> Given:
    """Prepare a comparison of two sides at equal topics and inputs.

    Parameters
    ----------
    current
        Which of the pooled calls are current ones, shape ``(n,)``.
    topics
        Any whole numbers, shape ``(n,)``. Best limited to topics that both sides have: others say nothing.
    inputs
        Coordinates, shape ``(n, d)``; ``d`` may be 0. Their leading principal components within topics are
        taken out by least squares, at most one for each ``CALLS_PER_INPUT`` calls. Nothing is shrunk,
        for a shrunk fit leaves part of the mix in the answer.

    Returns
    -------
    Given
        Ready for any number of outcomes.
    """
    numbered = np.unique(topics, return_inverse=True)[1].astype(np.int64)
    centred = _without_rounding(_within(inputs, numbered), inputs)
    basis = centred @ leading(centred, len(centred) // CALLS_PER_INPUT) / np.sqrt(len(centred))
    label = _within(current.astype(np.float64)[:, None], numbered)
    leverage = np.einsum("ij,ij->i", basis, basis)
    degrees = len(current) - int(numbered.max()) - 2 - basis.shape[1]
    return Given(current, numbered, basis, (label - basis @ (basis.T @ label))[:, 0], leverage, degrees)


def leading(rows: FloatArray, most: int) -> FloatArray:
    """Directions that turn centred rows into uncorrelated coordinates of unit variance, largest variance first.

    Directions with less than a thousandth of the largest variance are left out.

    Returns
    -------
    FloatArray
        Shape ``(d, k)`` with ``k`` at most ``most``, possibly 0.
    """
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    keep = np.flatnonzero(values > 1e-3 * values.max(initial=0.0))[::-1][:most]
    directions: FloatArray = vectors[:, keep] / np.sqrt(values[keep])
    return directions


def _within(rows: FloatArray, topics: IntArray) -> FloatArray:
    """Take each topic's mean out of its rows."""
    order = np.argsort(topics, kind="stable")
    counts = np.bincount(topics)
    sums = np.add.reduceat(rows[order], np.cumsum(counts) - counts, axis=0)
    return rows - (sums / counts[:, None])[topics]


def _without_rounding(left: FloatArray, rows: FloatArray) -> FloatArray:
    """Clear what is rounding error beside ``rows``: a constant column must not become a coordinate of noise."""
    return np.where(np.abs(left) > 1e-10 * np.abs(rows).max(initial=0.0), left, 0.0)
