"""What an e-detector remembers: means over 64, 256 and 1,024 calls to bet with, and the evidence won so far.

Evidence follows the e-CUSUM ``M_t = max(M_{t-1}, log w_t) + l_t`` with ``w_t`` the calls (or the share of the budget's
time) in the block: exp M_t less the calls seen is a supermartingale, so a threshold log A means an average run length
of at least A calls, however calls fall into blocks (Shin, Ramdas, Rinaldo 2022, E-detectors). Arrays carry an axis of
replicas, so that live judging (one replica) and calibration (many) are the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MEMORIES = np.array([64.0, 256.0, 1024.0])
"""Calls after which a block's weight in the mean has fallen to 1/e^2."""

CAUTION = 2.0
"""Standard deviations by which a mean must exceed its noise before it is bet on."""

Bet = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Memory:
    """State of one detector for R replicas and M memories."""

    total: FloatArray  # (R, M, d) decayed sum of centred features
    mass: FloatArray  # (R, M, P) decayed number of calls of each part
    spread: FloatArray  # (R, M, P) decayed squared weights: variance of the mean is spread / mass**2
    log_e: FloatArray  # (R, M) evidence, natural log
    age: FloatArray  # (R, M) calls since the evidence last started anew


def start(replicas: int, width: int, parts: int = 1) -> Memory:
    """Memory of nothing."""
    shape = (replicas, len(MEMORIES))
    counts = np.zeros((*shape, parts))
    return Memory(np.zeros((*shape, width)), counts, counts, np.full(shape, -np.inf), np.zeros(shape))


def means(memory: Memory, size: FloatArray, part: IntArray | int = 0) -> tuple[FloatArray, FloatArray]:
    """Mean centred feature ``(R, M, d)`` and its variance ``(R, M, P)`` in variances of a call.

    Parameters
    ----------
    size
        Calls of the baseline in each part, ``(R, P)``.
    part
        The part of each coordinate, ``(d,)``, or the only one.
    """
    seen = memory.mass > 1e-9
    mass = np.where(seen, memory.mass, 1.0)
    noise = np.where(seen, memory.spread / (mass * mass), 1e9)
    each = mass[..., part] if isinstance(part, np.ndarray) else mass
    return memory.total / each, noise + 1.0 / size[:, None]


def learn(
    memory: Memory,
    centred: FloatArray,
    n: FloatArray,
    calls: FloatArray,
    size: FloatArray,
    bet: Bet,
    part: IntArray | int = 0,
) -> tuple[Memory, FloatArray]:
    """Bets for each of T blocks, each made before its block is seen, and the memory after the last.

    Parameters
    ----------
    centred
        Sums of centred features, shape ``(T, R, d)``.
    n
        Calls of each part that count for this detector, ``(T, R, P)``.
    calls
        All calls of the block, ``(T, R)``: the clock by which memories decay.
    bet
        From means and their variances to a direction, ``(R, M, d)``.
    """
    total, mass, spread = memory.total, memory.mass, memory.spread
    bets = np.empty((*centred.shape[:2], len(MEMORIES), centred.shape[2]))
    for t in range(len(centred)):
        bets[t] = bet(*means(Memory(total, mass, spread, memory.log_e, memory.age), size, part))
        step = np.minimum(1.0, 2 * calls[t][:, None] / (MEMORIES + calls[t][:, None]))[..., None]
        total = total * (1 - step) + step * centred[t][:, None]
        mass = mass * (1 - step) + step * n[t][:, None]
        spread = spread * (1 - step) ** 2 + step**2 * n[t][:, None]
    return Memory(total, mass, spread, memory.log_e, memory.age), bets


def accumulate(memory: Memory, gains: FloatArray, calls: FloatArray, weight: FloatArray) -> tuple[Memory, FloatArray]:
    """Evidence after T blocks, and its course, the mean over memories, natural log, shape ``(T, R)``."""
    log_e, age, floor = memory.log_e, memory.age, np.log(np.maximum(weight, 1e-12))
    course = np.empty(weight.shape)
    for t in range(len(gains)):
        age = np.where(log_e > floor[t][:, None], age, 0.0) + calls[t][:, None]
        log_e = np.maximum(log_e, floor[t][:, None]) + gains[t]
        top = log_e.max(axis=1)
        course[t] = top + np.log(np.exp(log_e - top[:, None]).mean(axis=1))
    return Memory(memory.total, memory.mass, memory.spread, log_e, age), course


def shrink(square: FloatArray, noise: FloatArray, width: int | IntArray) -> FloatArray:
    """Share of a mean that is bet on: zero until its square exceeds what noise explains by two standard deviations.

    James and Stein (1961) with d + 2 sqrt(2 d) in place of d - 2.
    """
    explained = (width + CAUTION * np.sqrt(2.0 * width)) * noise
    return np.asarray(np.maximum(0.0, 1.0 - explained / np.maximum(square, 1e-30)))
