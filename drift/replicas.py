"""Many streams of drawn calls, each judged by a baseline of its own, all together.

Calibration draws them from the baseline itself; a check of its promise from other calls; a backtest from calls that
were made to drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse

from drift.detectors import rate
from drift.detectors.memory import FloatArray
from drift.detectors.rate import Rate
from drift.fit import Features, Fit, Scale, raised
from drift.frame import Frame
from drift.panel import Feed, Mask, Panel, State
from drift.parts import IntArray

_CHUNK = 200


def recounted(
    known: Mapping[str, Rate], features: Features, scales: Mapping[str, Scale], weights: Sequence[FloatArray | IntArray]
) -> dict[str, list[Rate]]:
    """Detectors of rates as resamples of their calls count them, the hours alike; ``weights``: how often each is in."""
    made = {}
    for name, one in known.items():
        flagged, possible = raised(features, name, scales.get(name))
        made[name] = [
            replace(one, flagged=round(float(each @ flagged)), size=max(round(float(each @ possible)), 1))
            for each in weights
        ]
    return made


class Replicas:
    """R baselines of one frame, which judge R streams of the same blocks.

    Parameters
    ----------
    calls
        Whatever is drawn, in the coordinates of the frame.
    fits
        The baselines, with the same scales each.
    sizes
        Calls of each block, ``(T,)``.
    rated
        The baselines' detectors of rates, by name; none by default.
    slots
        Hour of the day or week of each block, ``(T,)``; where it is not given blocks are compared with all hours.
    verdicts
        Scales that say which verdict of a score is the rarer one; by default the first baseline's.
    """

    def __init__(
        self,
        frame: Frame,
        calls: Features,
        fits: Sequence[Fit],
        sizes: IntArray,
        rated: Mapping[str, Sequence[Rate]] | None = None,
        slots: IntArray | None = None,
        verdicts: Mapping[str, Scale] | None = None,
    ) -> None:
        """Prepare what all streams share."""
        self.frame, self.calls, self.fits, self.sizes, self.rated = frame, calls, fits, sizes, rated or {}
        self.slots, self.verdicts = slots, verdicts or fits[0].scales
        self.clock = np.cumsum(sizes).astype(np.float64)
        self._block = np.repeat(np.arange(len(sizes)), sizes)
        asked = calls.topic >= 0
        self._one_hot = scipy.sparse.csr_array(
            (np.ones(asked.sum()), (np.flatnonzero(asked), calls.topic[asked])), shape=(len(asked), frame.topics)
        )

    def courses(self, drawn: IntArray) -> dict[str, FloatArray]:
        """Evidence of each detector after every block, natural log, shape ``(T, R)``.

        Parameters
        ----------
        drawn
            Positions in ``calls``, ``(R, n)`` with n the calls of all blocks.
        """
        panel = Panel.of(self.frame, self.fits, {})
        state: State = panel.start()
        made: list[dict[str, FloatArray]] = []
        for low in range(0, len(self.sizes), _CHUNK):
            state, course = panel.update(state, self._feed(drawn, slice(low, low + _CHUNK)))
            made.append(course)
        courses = {name: np.concatenate([course[name] for course in made]) for name in made[0]}
        return courses | {name: self._rate(name, drawn) for name in self.rated}

    def _rate(self, name: str, drawn: IntArray) -> FloatArray:
        starts = (self.clock - self.sizes).astype(np.int64)
        flagged, possible = raised(self.calls, name, self.verdicts.get(name))
        hits, n = (np.add.reduceat(each[drawn], starts, axis=1).T for each in (flagged, possible))
        return rate.courses(self.rated[name], hits, n, self.sizes.astype(np.float64), self.slots)

    def _feed(self, drawn: IntArray, part: slice) -> Feed:
        sizes = self.sizes[part]
        first = int(self.clock[part.start] - self.sizes[part.start])
        inside = slice(first, first + int(sizes.sum()))
        block, drawn = self._block[inside] - part.start, drawn[:, inside]
        picks = [
            scipy.sparse.csr_array((np.ones(len(block)), (block, one)), shape=(len(sizes), len(self.calls.topic)))
            for one in drawn
        ]
        each = np.repeat(sizes[:, None], len(self.fits), axis=1).astype(np.float64)

        def compared(grown: Mask) -> tuple[FloatArray, FloatArray]:
            made = [self._residuals(one, drawn[r], block, grown[:, r]) for r, one in enumerate(self.fits)]
            return np.stack([sums for sums, _ in made], axis=1), np.stack([n for _, n in made], axis=1)

        return Feed(
            each,
            each,
            np.stack([(pick @ self._one_hot).toarray() for pick in picks], axis=1),
            np.stack([pick @ self.calls.inputs for pick in picks], axis=1),
            compared,
            {name: self._scalar(name, picks) for name in self.fits[0].scales},
            {},
            None if self.slots is None else np.repeat(self.slots[part, None], len(self.fits), axis=1),
        )

    def _scalar(self, name: str, picks: Sequence[scipy.sparse.csr_array]) -> tuple[FloatArray, FloatArray]:
        bins = self.calls.bins[:, self.fits[0].scales[name].series]
        given = (bins >= 0).astype(np.float64)
        sums = [
            pick @ (one.scales[name].basis(bins) * given[:, None]) for one, pick in zip(self.fits, picks, strict=True)
        ]
        return np.stack(sums, axis=1), np.stack([pick @ given for pick in picks], axis=1)

    def _residuals(self, one: Fit, drawn: IntArray, block: IntArray, grown: Mask) -> tuple[FloatArray, FloatArray]:
        cell, topic = self.calls.cell[drawn], self.calls.topic[drawn]
        kept = (cell >= 0) & one.known[cell] & ~grown[block, topic]
        cell, block, drawn = cell[kept], block[kept], drawn[kept]
        blocks, parts = len(grown), self.frame.part_count
        place = self.frame.part_of(cell) * blocks + block
        n = np.bincount(place, minlength=parts * blocks).astype(np.float64)
        pick = scipy.sparse.csr_array((np.ones(len(place)), (place, drawn)), shape=(len(n), len(self.calls.topic)))
        of = scipy.sparse.csr_array((np.ones(len(place)), (place, cell)), shape=(len(n), len(one.base)))
        sums = np.asarray(pick @ self.calls.answers - of @ one.base).reshape(parts, blocks, -1)
        sums -= np.asarray(pick @ self.calls.inputs).reshape(parts, blocks, -1) @ one.slope
        return sums.swapaxes(0, 1), n.reshape(parts, blocks).T
