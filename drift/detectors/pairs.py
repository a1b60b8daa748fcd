"""Shadow pairs: do two models answer the same input differently? Bets on the sign of paired differences, no baseline.

Both answers of a pair are to one input. If both come from the same law given that input, swapping them changes
nothing: the difference d = shadow - live is as likely as -d, whatever the law, the input and all earlier pairs. So
1 + tanh <theta, d> = 2 / (1 + exp(-2 <theta, d>)) has mean one for every theta made of earlier pairs, and the product
of these bets is a nonnegative martingale [1]_: by Ville's inequality it ever exceeds 1 / alpha with chance alpha at
most, however many pairs come and however often one looks. Nothing is assumed of traffic, nothing is calibrated. Of all
bets on d against -d this one grows fastest where d is normal with mean mu and covariance S and theta = S^-1 mu [2]_.

Not fresh, and to be left out by whoever feeds pairs: the same two answers to the same input once more, as a cache or
a replay brings them. Answers lost on one side for their length or content break the symmetry: count them.

References
----------
.. [1] de la Peña (1999), A general class of exponential inequalities for martingales and ratios; Ramdas, Ruf, Larsson,
   Koolen (2020), Admissible anytime-valid sequential inference must rely on nonnegative martingales (section on
   symmetry).
.. [2] Half the log likelihood ratio of d and -d is mu' S^-1 d; Grünwald, de Heide, Koolen (2024), Safe testing; Shafer
   (2021), Testing by betting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, lgamma, log

import numpy as np
import numpy.typing as npt

from drift.distances.checked import finite
from drift.errors import ShapeError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RIDGES = (0.1, 1.0, 10.0, 100.0)
"""Pairs' worth of shrinkage of a bet, each one's evidence kept: few are best for plain changes, many for slight ones.

On real pairs (March and June releases, models of two sizes, two ways to sample) seven values from .03 to 30 were no
sooner than .1, 1 and 10 by more than a tenth; with 100 one changed answer in ten was found a quarter
sooner at a level of .001, on the streams it was tried on.
"""

CAP = 2.0
"""Longest exponent: a pair loses a factor of 28 at most, and wins 1.96 of the 2 that could be won."""

SUREST = 0.9
"""Most of a difference's square that its mean may be taken to explain: bounds a bet after a few equal pairs."""

REFITS = 16
"""Bets are made anew when a sixteenth of the pairs remembered has been added: the price of a fit is shared."""

MEMORIES = (64.0, 256.0, 1024.0)
"""Differing pairs that a detector without end remembers: the share of an older one is below 1/e."""


@dataclass(frozen=True, slots=True)
class PairState:
    """What M memories of d coordinates know of the pairs that differed, and the evidence of B bets."""

    seen: int  # pairs that differed
    mass: FloatArray  # (M,) decayed number of them
    total: FloatArray  # (M, d) decayed sum of differences
    moment: FloatArray  # (M, d, d) decayed sum of their outer products
    bets: FloatArray  # (B, d), B = memories * views * ridges
    log_e: FloatArray  # (B,) evidence, natural log

    @property
    def evidence(self) -> float:
        """Mean of the bets' evidence, natural log."""
        top = float(self.log_e.max())
        return top + log(float(np.exp(self.log_e - top).mean()))


@dataclass(frozen=True, slots=True)
class PairBets:
    """Bets on the sign of paired differences.

    Parameters
    ----------
    views
        Ranges of coordinates that are each bet on alone, and all together where there are several. Coordinates need no
        whitening: each view is scaled by what earlier differences scattered, each bet by their covariance.
    memories
        Differing pairs remembered. All (the default) is best for a test, shorter ones for a detector without end.
    restart
        False: a test; evidence log(1 / alpha) is passed with chance alpha at most if the two sides do not differ.
        True: a detector, which takes up evidence anew whenever it is below one (e-CUSUM); log A is passed once in A
        pairs at most on average (Shin, Ramdas, Rinaldo 2022).
    """

    views: tuple[tuple[int, int], ...]
    memories: tuple[float, ...] = (inf,)
    restart: bool = False

    @property
    def width(self) -> int:
        """Coordinates of a difference."""
        return self.views[-1][1]

    def start(self) -> PairState:
        """State of having seen nothing."""
        memories, width = len(self.memories), self.width
        bets = memories * len(self._parts) * len(RIDGES)
        return PairState(
            0,
            np.zeros(memories),
            np.zeros((memories, width)),
            np.zeros((memories, width, width)),
            np.zeros((bets, width)),
            np.zeros(bets),
        )

    def update(self, state: PairState, differences: npt.ArrayLike) -> tuple[PairState, FloatArray]:
        """State after pairs in the order they came, and the evidence after each.

        Pair by pair, so that the answer does not depend on how pairs were batched.

        Parameters
        ----------
        differences
            Features of the shadow answers less those of the live ones, shape ``(n, d)``. A row of zeros, two answers
            that agree, says nothing either way and changes nothing.

        Returns
        -------
        state, course
            Evidence in natural logarithms, shape ``(n,)``.

        Raises
        ------
        ShapeError
            A difference is NaN or infinite, or of another width.
        """
        rows = finite("differences", differences, 2)
        if rows.shape[1] != self.width:
            raise ShapeError(f"differences must have {self.width} coordinates, got {rows.shape[1]}")
        course = np.empty(len(rows))
        for i, row in enumerate(rows):
            if row.any():
                state = self._step(state, row)
            course[i] = state.evidence
        return state, course

    @property
    def _parts(self) -> tuple[tuple[int, int], ...]:
        return (*self.views, (0, self.width)) if len(self.views) > 1 else self.views

    def _step(self, state: PairState, row: FloatArray) -> PairState:
        before = np.maximum(state.log_e, 0.0) if self.restart else state.log_e
        log_e = before + np.log1p(np.tanh(np.clip(state.bets @ row, -CAP, CAP)))
        kept = 1.0 - 1.0 / np.array(self.memories)
        learnt = replace(
            state,
            seen=state.seen + 1,
            mass=state.mass * kept + 1.0,
            total=state.total * kept[:, None] + row,
            moment=state.moment * kept[:, None, None] + np.outer(row, row),
            log_e=log_e,
        )
        period = max(1, int(min(learnt.seen, np.median(self.memories))) // REFITS)
        if learnt.seen < 2 * REFITS or learnt.seen % period == 0:
            return replace(learnt, bets=self._fit(learnt))
        return learnt

    def _fit(self, state: PairState) -> FloatArray:
        """The next bets: ridge regressions of one on the differences, which point along S^-1 mu, shape ``(B, d)``."""
        made = []
        for mass, total, moment in zip(state.mass, state.total, state.moment, strict=True):
            scale = np.ones(self.width)
            for low, high in self.views:
                scale[low:high] = np.sqrt(np.trace(moment[low:high, low:high]) / mass) or 1.0
            for low, high in self._parts:
                by = scale[low:high]
                along = total[low:high] / by
                scatter = moment[low:high, low:high] / np.outer(by, by)
                for ridge in RIDGES:
                    slope = np.linalg.solve(scatter + ridge * np.eye(high - low), along)
                    explained = min(float(slope @ along) / mass, SUREST)
                    bet = np.zeros(self.width)
                    bet[low:high] = slope / by / (1.0 - explained)
                    made.append(bet)
        return np.stack(made)


def one_sided(live: int | IntArray, shadow: int | IntArray) -> FloatArray:
    """Evidence that one side has more of the pairs of which just one side failed, natural log.

    If the sides do not differ each such pair is a fair coin: McNemar's test (1947), looked at after every pair, bet on
    by Krichevsky and Trofimov's mixture (1981), which is a martingale: log(1 / alpha) is passed with chance alpha.

    Parameters
    ----------
    live, shadow
        Pairs so far in which only this side failed, shapes ``(n,)`` or numbers.
    """
    a, b = np.asarray(live, dtype=np.float64), np.asarray(shadow, dtype=np.float64)
    log_gamma = np.vectorize(lgamma, otypes=[np.float64])
    mixed = log_gamma(a + 0.5) + log_gamma(b + 0.5) - log_gamma(a + b + 1.0) - 2 * lgamma(0.5)
    return np.asarray(mixed + (a + b) * log(2.0))


def known_after(course: FloatArray, alpha: float) -> int | None:
    """Pairs after which the evidence first reached 1 / alpha, or None."""
    reached = np.flatnonzero(course >= -log(alpha))
    return int(reached[0]) + 1 if len(reached) else None
