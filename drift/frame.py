"""The coordinates in which a baseline judges: its topics, its whitened inputs, its answers.

Everything here is linear in the sums of a pane, and stays as it is when a baseline is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.cluster.hierarchy
import scipy.linalg
import scipy.sparse

from drift import seasons
from drift.bins import LOGS, MISSING
from drift.call import DIMENSIONS, GRID, LENGTH_GRID, OUTPUT_CHARS, Rows
from drift.lens import TOPICS, Lens
from drift.parts import FloatArray, IntArray, grouped, whiten

FEWEST = 10
"""Calls of a topic in the baseline from which its answers can be compared."""

NEAR = 1
"""Calls count for `model` in bands below this one: within the distance of 80 % of fresh calls to their topic."""

SMALL = 20
"""Calls of a pooled prompt from which on its answers are compared with its own."""

PER_CELL = 20
"""Calls of a pool for each prompt and topic: topics are merged until cells hold so many."""

LEAST_TOPICS = 2

CALLS_A_COORDINATE = 60
INPUTS, ANSWERS = (8, 64), (8, 32)
"""Fewest and most coordinates of inputs, and of answers and their format each.

Topics that a baseline lacks show in directions in which it hardly varies: with 64 coordinates of 5,000 questions a new
domain is found in half the calls that it takes with 32.
"""

CROWDED = 0.5
"""Where more of the baseline than this lies outside, bands say little (a lens from elsewhere) and all of them count."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Fixed maps of a baseline.

    Parameters
    ----------
    groups
        The baseline's topic for each of the lens', shape ``(topics,)``: small ones are merged.
    input_mean, input_map
        Inputs are judged as ``(x - input_mean) @ input_map``, shapes ``(64,)`` and ``(64, d)``.
    answer_map
        Answers are judged as ``y @ answer_map`` with y the 64 coordinates of the output, the 64 of its format, and log
        length and its square: shape ``(130, r)``; residuals given the input are then white.
    answer_blocks
        Columns of it that belong to output, format and length.
    bands
        Calls in bands below this one are compared.
    strata
        Hashes of the prompt versions and variants that have means of their own.
    parts
        The part of each topic, ``(topics,)``: topics of one part have their answers judged together.
    slots
        Hours of the day or week that are told apart, 1 where the daily cycle is not known.
    """

    groups: IntArray
    input_mean: FloatArray
    input_map: FloatArray
    answer_map: FloatArray
    answer_blocks: tuple[tuple[int, int], ...]
    bands: int
    strata: tuple[int, ...]
    parts: IntArray
    slots: int = 1

    @property
    def part_count(self) -> int:
        """Parts of topics."""
        return int(self.parts.max()) + 1

    @property
    def topics(self) -> int:
        """Topics of the baseline."""
        return int(self.groups.max()) + 1

    def part_of(self, cell: IntArray) -> IntArray:
        """Part of each stratum and topic."""
        return self.parts[cell % self.topics]

    def topic(self, lens_topics: npt.NDArray[np.int16]) -> IntArray:
        """The baseline's topics, -1 where there was no input."""
        return np.where(lens_topics >= 0, self.groups[lens_topics], -1)

    def inputs(self, coordinates: npt.NDArray[np.integer], n: npt.ArrayLike = 1) -> FloatArray:
        """Whitened inputs: of calls, or of sums over ``n`` calls. Shape ``(..., 64)`` to ``(..., d)``."""
        offset = np.asarray(n, dtype=np.float64)[..., None] * (self.input_mean @ self.input_map)
        return np.asarray((coordinates / GRID) @ self.input_map - offset)

    def answers(self, outputs: npt.NDArray[np.integer], lengths: npt.NDArray[np.integer]) -> FloatArray:
        """Judged answers from ``(..., 2, 64)`` outputs and formats and ``(..., 2)`` log lengths, of calls or sums."""
        flat = outputs.reshape(*outputs.shape[:-2], 2 * DIMENSIONS) / GRID
        scale = np.array([LENGTH_GRID, LENGTH_GRID**2])
        return np.asarray(np.concatenate([flat, lengths / scale], axis=-1) @ self.answer_map)

    def stratum(self, hashes: npt.NDArray[np.uint64]) -> IntArray:
        """Position of each hash in ``strata``, -1 where the baseline does not know it."""
        found = np.full(len(hashes), -1)
        for position, known in enumerate(self.strata):
            found[hashes == np.uint64(known)] = position
        return found


def log_lengths(rows: Rows) -> IntArray:
    """Log characters of each output and its square, on the grid, shape ``(n, 2)``."""
    bins = rows["bins"][:, OUTPUT_CHARS]
    logs = np.where(bins == MISSING, 0, np.rint(LOGS[bins] * LENGTH_GRID)).astype(np.int64)
    return np.stack([logs, logs * logs], axis=1)


def frame(lens: Lens, rows: Rows, *, pooled: bool = False) -> Frame:
    """Frame for these calls of a baseline; of a pool every stratum is small, and has a mean of its own all the same."""
    n = len(rows)
    strata = _strata(rows, SMALL if pooled else max(200, n // 10))
    groups = _groups(lens, n // (PER_CELL * max(len(strata), 1)) if pooled else max(n // 40, TOPICS[0]))
    asked = rows[rows["topic"] >= 0]["features"][:, 0] / GRID
    mean, input_map = _principal(asked, int(np.clip(n // CALLS_A_COORDINATE, *INPUTS)))
    answered = rows["answered"] == 1
    bands = NEAR if (rows["band"] >= NEAR).mean() <= CROWDED else 5
    none = np.zeros(int(groups.max()) + 1, np.int64)
    made = Frame(groups, mean, input_map, np.zeros((2 * DIMENSIONS + 2, 0)), (), bands, strata, none)
    slots = seasons.count(rows["at"])
    rows = rows[answered & (rows["topic"] >= 0)]
    answer_map, blocks = _answer_map(made, rows, int(np.clip(n // CALLS_A_COORDINATE, *ANSWERS)))
    # In the order in which they are stored: a matrix product differs in the last digit with the order in memory.
    maps = np.ascontiguousarray(input_map), np.ascontiguousarray(answer_map)
    made = Frame(groups, mean, *maps, blocks, bands, strata, none, slots)
    return replace(made, parts=_parts(lens, made, rows)) if blocks else made


def _parts(lens: Lens, made: Frame, rows: Rows) -> IntArray:
    """Parts by the topics' centres."""
    topic = made.topic(rows["topic"])
    centres = np.stack([lens.codebook[made.groups == k].mean(axis=0) for k in range(made.topics)])
    return grouped(centres, np.bincount(topic, minlength=made.topics))


def _cells(made: Frame, rows: Rows) -> IntArray:
    """Stratum and topic of calls as one number."""
    return np.maximum(made.stratum(rows["stratum"]), 0) * made.topics + made.topic(rows["topic"])


def _groups(lens: Lens, wanted: int) -> IntArray:
    """Topics of the lens merged by their centres until there are as few as wanted, one for every 40 calls or so."""
    wanted = int(np.clip(wanted, LEAST_TOPICS, TOPICS[1]))
    if lens.topics <= wanted:
        return np.arange(lens.topics)
    tree = scipy.cluster.hierarchy.linkage(lens.codebook.astype(np.float64), method="ward")
    label = scipy.cluster.hierarchy.fcluster(tree, wanted, criterion="maxclust")
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def _strata(rows: Rows, least: int) -> tuple[int, ...]:
    """Prompt versions and variants with so many calls, or the only one that there is."""
    hashes, counts = np.unique(rows["stratum"], return_counts=True)
    if len(hashes) == 1:
        return (int(hashes[0]),)
    return tuple(int(h) for h, c in zip(hashes, counts, strict=True) if c >= least)


def _principal(values: FloatArray, width: int, dropped: float = 1e-4) -> tuple[FloatArray, FloatArray]:
    """Mean and whitening map onto the first principal components."""
    if len(values) < 2:
        return np.zeros(DIMENSIONS), np.zeros((DIMENSIONS, 0))
    mean = values.mean(axis=0)
    found, columns = scipy.linalg.eigh(np.cov((values - mean).T))
    kept = np.arange(len(found))[::-1][:width]
    kept = kept[found[kept] > max(dropped * found[-1], 1e-12)]
    return mean, np.asarray(columns[:, kept] / np.sqrt(found[kept]))


def _answer_map(made: Frame, rows: Rows, width: int) -> tuple[FloatArray, tuple[tuple[int, int], ...]]:
    """Map of answers whose residuals, after each topic's mean, are white within output, format and length."""
    if len(rows) < 2:
        return made.answer_map, ()
    raw = [
        rows["features"][:, 1] / GRID,
        rows["features"][:, 2] / GRID,
        log_lengths(rows) / (LENGTH_GRID, LENGTH_GRID**2),
    ]
    cell = _cells(made, rows)
    maps, blocks, at = [], [], 0
    for view, values in enumerate(raw):
        first = _principal(values, width)[1] if view < 2 else _length_map(values)
        second = whiten(topic_residuals(values @ first, cell))
        maps.append(first @ second)
        blocks.append((at, at + second.shape[1]))
        at += second.shape[1]
    return scipy.linalg.block_diag(*maps), tuple(block for block in blocks if block[1] > block[0])


def _length_map(logs: FloatArray) -> FloatArray:
    """Log length and its square, centred and scaled but for a constant."""
    mean, spread = logs[:, 0].mean(), max(logs[:, 0].std(), 0.05)
    return np.array([[1 / spread, -2 * mean / spread**2], [0.0, 1 / spread**2]])


def topic_residuals(values: FloatArray, cell: IntArray, weights: FloatArray | None = None) -> FloatArray:
    """Each row less the mean of its cell as if the cell had been averaged without it."""
    weights = np.ones(len(values)) if weights is None else weights
    count, mean = cell_means(values, cell, weights)
    return (values - mean[cell]) * (count / np.maximum(count - 1, 0.5))[cell, None]


def cell_means(
    values: FloatArray, cell: IntArray, weights: FloatArray, cells: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Weight and mean of each cell; of an empty one the overall mean."""
    cells = int(cell.max()) + 1 if cells is None else cells
    count = np.bincount(cell, weights, minlength=cells)
    pick = scipy.sparse.csr_array((weights, (cell, np.arange(len(cell)))), shape=(cells, len(cell)))
    overall = weights @ values / max(weights.sum(), 1e-9)
    mean = (pick @ values) / np.where(count > 0, count, 1.0)[:, None]
    return count.astype(np.float64), np.where((count > 0)[:, None], mean, overall)
