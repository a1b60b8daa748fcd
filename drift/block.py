"""A block of calls in a baseline's coordinates: what detectors step through and what the history keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.bins import MISSING
from drift.call import FEEDBACK, FLAGS
from drift.detectors.memory import FloatArray
from drift.fit import FAR, OFF_TOPIC, THUMBS_DOWN, feedback, measured
from drift.pane import Pane, merge
from drift.panel import Feed, Mask
from drift.seasonal_sums import adjusted, hours_in
from drift.sliced_sums import parts

LEAST = 10
"""Calls from which on a block is judged."""

LONGEST_MS = 3_600_000
"""Event time after which a block is judged with fewer calls."""


def gather(pending: Pane | None, tick: Pane) -> tuple[Pane | None, tuple[Pane, ...]]:
    """What is still pending and the blocks that are ready, once another whole tick has closed.

    A block never reaches over an hour of silence: what waits is judged without the tick that follows it.
    """
    ready: tuple[Pane, ...] = ()
    if pending is not None and tick.end - pending.tick > LONGEST_MS:
        ready, pending = (pending,), None
    grown = tick if pending is None else merge([pending, tick])
    if grown.n >= LEAST or grown.end - grown.tick >= LONGEST_MS:
        return None, (*ready, grown)
    return grown, ready


def sizes(ticks: Iterable[Pane]) -> list[int]:
    """Calls in each block that these ticks form, given in order of time."""
    made: list[int] = []
    pending: Pane | None = None
    for tick in ticks:
        pending, ready = gather(pending, tick)
        made += [block.n for block in ready]
    return made


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each sum stands in a block's vector: topics, inputs, answers, scalars, flags, counts of calls.

    The vectors of the declared slices follow that of the whole, in the order of ``values``, the hashes of their values.
    """

    topics: slice
    inputs: slice
    answers: slice
    compared: int
    scalars: Mapping[str, slice]  # n, two Legendre polynomials, log (of scores thousandths) and its square
    flags: Mapping[str, int]
    calls: int
    rated: int  # calls with feedback; that of all calls where the baseline has none
    width: int
    values: tuple[int, ...] = ()

    @property
    def span(self) -> int:
        """Width of the whole and its slices."""
        return self.width * (1 + len(self.values))

    def raised(self, baseline: Baseline, detector: str, sums: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Flagged calls and all that might be, in sums ``(..., width)``, for a detector of a rate."""
        if detector in self.scalars:
            place = sums[..., self.scalars[detector]]
            return baseline.fit.scales[detector].raised(place), place[..., 0]
        flagged = sums[..., self.flags[detector]]
        if detector == OFF_TOPIC:  # only a question can be
            return flagged, sums[..., self.topics].sum(axis=-1)
        return flagged, sums[..., self.rated if detector == THUMBS_DOWN else self.calls]

    @classmethod
    def of(cls, baseline: Baseline) -> Layout:
        """Layout of this baseline's blocks."""
        at = 0

        def take(count: int) -> slice:
            nonlocal at
            at += count
            return slice(at - count, at)

        frame = baseline.frame
        topics, inputs, answers = take(frame.topics), take(frame.input_map.shape[1]), take(frame.answer_map.shape[1])
        compared = take(1).start
        scalars = {name: take(5) for name in baseline.fit.scales}
        flags = {name: take(1).start for name in (*FLAGS, OFF_TOPIC)}
        values = tuple(code for one in baseline.slices for code in one.codes.values())
        calls = take(1).start
        rated = calls
        if THUMBS_DOWN in baseline.panel.rates:
            flags[THUMBS_DOWN], rated = take(1).start, take(1).start
        return cls(topics, inputs, answers, compared, scalars, flags, calls, rated, at, values)


class Block:
    """One block of live calls, for a panel of one replica."""

    def __init__(self, baseline: Baseline, layout: Layout, pane: Pane, weight: float) -> None:
        """Read the sums of a pane."""
        self.hours = hours_in(baseline, (pane.tick, pane.end))
        self.baseline, self.layout, self.weight = baseline, layout, weight
        self.cells, self.counts = pane.sums.cells, pane.sums.counts
        self.slices = pane.sums.slice_cells, pane.sums.slice_counts
        self.grown: npt.NDArray[np.bool_] = np.zeros(baseline.frame.topics, bool)
        self._found: tuple[FloatArray, FloatArray] | None = None  # what was compared, for these topics that had grown

    @cached_property
    def vector(self) -> FloatArray:
        """All sums of the block, less what is due to its hour of the day.

        Read it after the feed was stepped through, which says which topics had grown.
        """
        return adjusted(self.baseline, self.layout, self.sums, self.hours)

    @cached_property
    def sums(self) -> FloatArray:
        """All sums as they are."""
        made, layout = np.zeros(self.layout.width), self.layout
        made[layout.topics] = self._topics
        made[layout.inputs] = self._inputs
        residuals, compared = self._found or self._compared(self.grown)
        made[layout.answers], made[layout.compared] = residuals.sum(axis=0), compared.sum()
        for name, place in layout.scalars.items():
            made[place] = self._scalars[name]
        for name, at in layout.flags.items():
            made[at] = self._flagged[name][0]
        made[layout.calls] = self.n
        if THUMBS_DOWN in layout.flags:
            made[layout.rated] = self._flagged[THUMBS_DOWN][1]
        return made

    @property
    def vectors(self) -> FloatArray:
        """The vector of the whole and that of each slice, one after the other, shape ``(span,)``."""
        if not self.layout.values:
            return self.vector
        kept = parts(self.baseline, self.layout, self.slices, self.layout.values, self.grown)
        kept = adjusted(self.baseline, self.layout, kept, self.hours)
        return np.concatenate([self.vector, kept.ravel()])

    @cached_property
    def n(self) -> int:
        """Calls of the block."""
        return int(self.cells["n"].sum())

    @property
    def feed(self) -> Feed:
        """The block for the detectors."""
        scalars = {name: (values[None, None, 1:3], np.array([[values[0]]])) for name, values in self._scalars.items()}
        return Feed(
            np.array([[float(self.n)]]),
            np.array([[self.weight]]),
            self._topics[None, None],
            self._inputs[None, None],
            self._compare,
            scalars,
            self._flagged,
            None if self.baseline.fit.seasons is None else np.array([[np.argmax(self.hours)]]),
        )

    def _compare(self, grown: Mask) -> tuple[FloatArray, FloatArray]:
        self.grown = grown[0, 0]
        self._found = sums, n = self._compared(self.grown)
        return sums[None, None], n[None, None]

    @cached_property
    def _flagged(self) -> dict[str, tuple[float, float]]:
        """Calls with each flag, far from every topic, of a score's rarer verdict, rated down; and all that might be."""
        flags = {name: (float(self.cells["flags"][:, i].sum()), float(self.n)) for i, name in enumerate(FLAGS)}
        far = self.cells["n"][(self._topic >= 0) & (self.cells["band"] >= FAR)]
        scores = {
            name: (float(scale.raised(self._scalars[name])), float(self._scalars[name][0]))
            for name, scale in self.baseline.fit.scales.items()
            if scale.verdict is not None
        }
        rest = {OFF_TOPIC: (float(far.sum()), float(self._topics.sum())), THUMBS_DOWN: self._feedback}
        return flags | scores | rest

    @cached_property
    def _topic(self) -> npt.NDArray[np.int64]:
        return self.baseline.frame.topic(self.cells["topic"])

    @cached_property
    def _topics(self) -> FloatArray:
        asked = self._topic >= 0
        counts = np.bincount(self._topic[asked], self.cells["n"][asked], minlength=self.baseline.frame.topics)
        return counts.astype(np.float64)

    @cached_property
    def _inputs(self) -> FloatArray:
        asked = self._topic >= 0
        total = self.cells["features"][asked, 0].sum(axis=0)
        return self.baseline.frame.inputs(total, self.cells["n"][asked].sum())

    def _compared(self, grown: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Sums of residuals of the answers that can be compared ``(P, r)`` and their numbers ``(P,)``, by part."""
        frame, learnt, cells = self.baseline.frame, self.baseline.fit, self.cells
        stratum = frame.stratum(cells["stratum"])
        kept = (cells["answered"] == 1) & (cells["band"] < frame.bands) & (stratum >= 0) & (self._topic >= 0)
        place = np.where(kept, stratum * frame.topics + self._topic, 0)
        kept &= learnt.known[place] & ~grown[self._topic]
        place, used = place[kept], cells[kept]
        sums, counts = np.zeros((frame.part_count, frame.answer_map.shape[1])), np.zeros(frame.part_count)
        part = frame.part_of(place)
        for one in np.unique(part):
            here = used[part == one]
            n = here["n"].astype(np.float64)
            answers = frame.answers(here["features"][:, 1:].sum(axis=0), here["length"].sum(axis=0))
            inputs = frame.inputs(here["features"][:, 0].sum(axis=0), n.sum())
            expected = np.bincount(place[part == one], n, minlength=len(learnt.base)) @ learnt.base
            sums[one], counts[one] = answers - expected - inputs @ learnt.slope[one], n.sum()
        return sums, counts

    @cached_property
    def _feedback(self) -> tuple[float, float]:
        """Calls rated down, and all that are rated."""
        here = self.counts[self.counts["series"] == FEEDBACK]
        down, rated = feedback(here["bin"])
        return float(here["n"][down].sum()), float(here["n"][rated].sum())

    @cached_property
    def _scalars(self) -> dict[str, FloatArray]:
        made = {}
        there = self.counts[self.counts["bin"] != MISSING]
        series, bins, counts = there["series"].copy(), there["bin"].copy(), there["n"].astype(np.float64)
        for name, scale in self.baseline.fit.scales.items():
            here = series == scale.series
            n, bin_ = counts[here], bins[here]
            values = measured(scale.series, bin_)
            made[name] = np.array([n.sum(), *(n @ scale.basis(bin_)), n @ values, n @ (values * values)])
        return made
