"""Sums as they would be had their calls come at all hours alike: what the history keeps and effects are told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.detectors.memory import FloatArray
from drift.parts import IntArray
from drift.seasons import slot_of

if TYPE_CHECKING:
    from drift.block import Layout


def adjusted(baseline: Baseline, layout: Layout, sums: FloatArray, hours: FloatArray) -> FloatArray:
    """Sums ``(..., width)`` less what is due to the hours of their calls; counts may then be negative.

    Parameters
    ----------
    hours
        Share of the calls in each slot, ``(S,)`` or ``(..., S)``.
    """
    seasons, learnt = baseline.fit.seasons, baseline.fit
    if seasons is None:
        return sums
    made, asked = sums.copy(), sums[..., layout.topics].sum(axis=-1, keepdims=True)
    made[..., layout.topics] -= asked * (hours @ (seasons.proportions(learnt.proportions) - learnt.proportions))
    made[..., layout.inputs] -= asked * (hours @ seasons.inputs)
    for name, place in layout.scalars.items():
        n = sums[..., place.start : place.start + 1]
        made[..., place.start + 1 : place.stop] -= n * (hours @ seasons.scalars[name].offsets)
    for name, at in layout.flags.items():
        rate = baseline.panel.rates.get(name)
        if rate is not None and rate.offsets:
            made[..., at] -= layout.raised(baseline, name, sums)[1] * (hours @ (rate.by_slot - rate.rate))
    return made


def hours_of(baseline: Baseline, at: IntArray, labels: npt.NDArray[np.uint64], codes: Sequence[int]) -> FloatArray:
    """Share of each slot in the calls that bear each code, ``(codes, S)``; even where none does."""
    slots = baseline.frame.slots
    slot = slot_of(at, slots)
    counts = np.stack([np.bincount(slot[labels == np.uint64(code)], minlength=slots) for code in codes])
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 1 / slots)


def hours_in(baseline: Baseline, span: tuple[int, int]) -> FloatArray:
    """The slot in which the middle of a block lies, as shares, ``(S,)``."""
    made = np.zeros(baseline.frame.slots)
    made[slot_of(sum(span) // 2, len(made))] = 1.0
    return made
