"""The prompt version that later ones are compared with, and what its answers are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.bins import LOGS
from drift.call import OUTPUT_CHARS
from drift.detectors.memory import FloatArray
from drift.frame import FEWEST, cell_means

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Mean ``(r,)`` and covariance ``(r, r)`` of a call's coordinates, and the calls that they rest on."""

    mean: FloatArray
    cov: FloatArray
    n: float

    @classmethod
    def of(cls, values: FloatArray) -> Level:
        """Level of coordinates ``(n, r)``."""
        width = values.shape[1]
        if len(values) < 2:
            return cls(np.zeros(width), np.eye(width), 1.0)
        return cls(values.mean(axis=0), np.cov(values.T).reshape(width, width), float(len(values)))


@dataclass(frozen=True, eq=False)
class Anchor:
    """The earliest prompt version of a baseline: v0 of the chain of its edits.

    Attributes
    ----------
    baseline
        It must have a prompt version with means of its own: see `anchored`.
    """

    baseline: Baseline

    @cached_property
    def place(self) -> int:
        """Which of the baseline's strata it is."""
        rows, known = self.baseline.pane.sample.rows, self.baseline.frame.strata
        begun = [int(rows["at"][rows["stratum"] == np.uint64(code)].min()) for code in known]
        return begun.index(min(begun))

    @property
    def stratum(self) -> int:
        """Hash of its version and variant."""
        return self.baseline.frame.strata[self.place]

    @property
    def name(self) -> str:
        """Its version, empty where its calls carried none."""
        return self.baseline.pane.names.get(self.stratum, "").partition("\x1f")[0]

    @property
    def calls(self) -> int:
        """Its calls in the baseline."""
        cells = self.baseline.pane.sums.cells
        return int(cells["n"][cells["stratum"] == np.uint64(self.stratum)].sum())

    @property
    def centres(self) -> FloatArray:
        """Its mean answer to each topic, ``(K, r)``."""
        return self.baseline.fit.centres[self._cells]

    @property
    def known(self) -> BoolArray:
        """Topics whose answers can be compared, ``(K,)``."""
        return np.asarray(self.baseline.fit.counts[self._cells] >= FEWEST)

    @cached_property
    def given(self) -> Level:
        """Its answers given the input: residuals of topic and linear map."""
        features, fit = self.baseline.features, self.baseline.fit
        cell = features.cell - self._cells.start
        here = (cell >= 0) & (cell < self.baseline.frame.topics)
        here[here] = self.known[cell[here]]
        expected = self.centres[cell[here]] + features.inputs[here] @ fit.slope
        return Level.of(features.answers[here] - expected)

    @cached_property
    def plain(self) -> Level:
        """Its answers whatever the input."""
        return Level.of(self.baseline.features.answers[self._answered])

    @cached_property
    def lengths(self) -> FloatArray:
        """Mean log characters of its answers to each topic, ``(K,)``."""
        logs = LOGS[self.baseline.pane.sample.rows["bins"][self._answered, OUTPUT_CHARS]][:, None]
        topic = self.baseline.features.topic[self._answered]
        return cell_means(logs, topic, np.ones(len(logs)), self.baseline.frame.topics)[1][:, 0]

    @property
    def _cells(self) -> slice:
        topics = self.baseline.frame.topics
        return slice(self.place * topics, (self.place + 1) * topics)

    @property
    def _answered(self) -> BoolArray:
        rows = self.baseline.pane.sample.rows
        stratum = self.baseline.frame.stratum(rows["stratum"])
        return np.asarray((stratum == self.place) & (rows["answered"] == 1) & (rows["topic"] >= 0))


def anchored(baseline: Baseline) -> Anchor | None:
    """The anchor in a baseline, None where no version of it has enough answers to compare with."""
    return Anchor(baseline) if baseline.frame.strata and baseline.frame.answer_blocks else None
