"""Two sets of measured calls: are they different, and how?

Every aspect gets a p-value without assumptions on how calls are distributed, an effect with its interval, and one of
three answers. Calls are taken to be independent: repeats by one user make p-values too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from drift import aspects
from drift.aspects import ANSWERS, EXPLAINED, MIN_SAMPLES, QUANTILES, Difference, Relabel, Side
from drift.errors import EmptySampleError, SettingsError, ShapeError

__all__ = ["MISFIT", "TOLERANCES", "Difference", "Side", "compare"]

TOLERANCES: Mapping[str, float] = MappingProxyType(
    {"topics": 0.03, "inputs": 0.05, ANSWERS: 0.05, "scalars": 0.05, "flags": 1.0}
)
"""Effects too small to matter, in the unit of each; an aspect's own name overrides ``scalars`` or ``flags``."""

MISFIT = 0.1
"""Part of what inputs account for that a linear map may fail to take out of answers.

Less than this share of the explained shift is not called a change of the model. Measured on real answers of one model
under strongly tilted questions: .06 or less was left over in nine of ten draws.
"""


def compare(
    baseline: Side,
    current: Side,
    *,
    permutations: int = 499,
    seed: int = 0,
    alpha: float = 0.05,
    tolerances: Mapping[str, float] = TOLERANCES,
) -> tuple[Difference, ...]:
    """Say in which respects two sets of calls differ.

    Parameters
    ----------
    baseline, current
        The two sides, measured through one lens, at least ``MIN_SAMPLES`` calls each.
    permutations
        Random relabellings behind each permutation p-value. More are drawn where ``alpha`` divided by the number of
        aspects could not be reached otherwise.
    seed
        Of the relabellings. Same calls, same seed, same answer.
    alpha
        Chance that anything at all is called drift when nothing is, in (0, 1).
    tolerances
        Effects too small to matter, over the defaults of ``TOLERANCES``; an aspect's own name works too.

    Returns
    -------
    tuple of Difference
        Topics, inputs, answers given inputs, then scalars and flags by name.

    Raises
    ------
    EmptySampleError
        A side has fewer than ``MIN_SAMPLES`` calls.
    ShapeError
        The sides differ in coordinates.
    SettingsError
        A parameter is out of range, or a tolerance is of no known aspect.
    """
    scalars = sorted({*baseline.scalars, *current.scalars})
    flags = sorted({*baseline.flags, *current.flags})
    limits = {**TOLERANCES, **tolerances}
    limits = {**dict.fromkeys(scalars, limits["scalars"]), **dict.fromkeys(flags, limits["flags"]), **limits}
    _check_sides(baseline, current)
    _check_settings(permutations, alpha, tolerances, {*TOLERANCES, *scalars, *flags})
    relabel = Relabel(max(permutations, math.ceil(2 * (3 + len(scalars) + len(flags)) / alpha)), seed)
    found = [aspect(baseline, current, relabel) for aspect in (aspects.topics, aspects.inputs, aspects.answers)]
    found += [aspects.scalar(name, baseline, current) for name in scalars]
    found += [aspects.flag(name, baseline, current) for name in flags]
    return tuple(answered(found, alpha, limits))


def answered(found: list[Difference], alpha: float, tolerances: Mapping[str, float]) -> Iterator[Difference]:
    """Correct the p-values for each other (Holm 1979) and hold the effects against their tolerances."""
    adjusted = _holm([difference.p_value for difference in found])
    for difference, p_adjusted in zip(found, adjusted, strict=True):
        sure = difference.answer != "not_enough_data" and p_adjusted < alpha
        matters = sure and _matters(difference, tolerances[difference.aspect])
        yield replace(difference, p_adjusted=p_adjusted, answer="drift" if matters else difference.answer)


def _matters(difference: Difference, tolerance: float) -> bool:
    if difference.aspect == ANSWERS:
        tolerance = max(tolerance, MISFIT * difference.extra[EXPLAINED])
    return max(abs(difference.effect), difference.extra.get(QUANTILES, 0.0)) > tolerance


def _holm(p_values: list[float]) -> list[float]:
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p_value) for p_value in adjusted]


def _check_sides(baseline: Side, current: Side) -> None:
    for name, side in (("baseline", baseline), ("current", current)):
        if len(side.topics) < MIN_SAMPLES:
            raise EmptySampleError(
                f"{name} has {len(side.topics)} calls, at least {MIN_SAMPLES} are needed: take a longer range"
            )
    for name in ("inputs", "outputs", "output_inputs"):
        before, now = getattr(baseline, name).shape[1], getattr(current, name).shape[1]
        if before != now:
            raise ShapeError(f"{name} have {before} coordinates in baseline, {now} in current: measure by one lens")


def _check_settings(permutations: int, alpha: float, tolerances: Mapping[str, float], known: set[str]) -> None:
    if permutations < 1:
        raise SettingsError(f"permutations must be positive, got {permutations}")
    if not 0 < alpha < 1:
        raise SettingsError(f"alpha must lie between 0 and 1, got {alpha}")
    for name, tolerance in tolerances.items():
        if name not in known:
            raise SettingsError(f"tolerances: {name!r} is no aspect here, known are {', '.join(sorted(known))}")
        if not tolerance >= 0:
            raise SettingsError(f"tolerances[{name!r}] must not be negative, got {tolerance}")
