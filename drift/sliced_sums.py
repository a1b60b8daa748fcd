"""Sums of each value of a field in a baseline's coordinates, laid out like those of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.bins import MISSING
from drift.call import FEEDBACK, FLAGS, Rows
from drift.detectors.memory import FloatArray
from drift.fit import FAR, OFF_TOPIC, THUMBS_DOWN, feedback, measured
from drift.pane import Table, sliced
from drift.seasonal_sums import adjusted, hours_of

if TYPE_CHECKING:
    from drift.block import Layout

IntArray = npt.NDArray[np.int64]


def parts(
    baseline: Baseline,
    layout: Layout,
    tables: tuple[Table, Table],
    codes: Sequence[int],
    grown: npt.NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Vector of sums of each code, shape ``(codes, width)``; zeros for one that the tables do not hold.

    Parameters
    ----------
    tables
        Cells and counts of slices, see `drift.pane.sliced`.
    grown
        Topics whose answers are left out, shape ``(topics,)``.
    """
    made = np.zeros((len(codes), layout.width))
    cells, of_cell = _known(tables[0], codes)
    counts, of_count = _known(tables[1], codes)
    if len(cells) == 0:
        return made
    _asked(baseline, layout, cells, of_cell, made)
    _answered(baseline, layout, cells, of_cell, made, grown)
    for name, scale in baseline.fit.scales.items():
        here = (counts["series"] == scale.series) & (counts["bin"] != MISSING)
        bins, n, values = counts["bin"][here], counts["n"][here], measured(scale.series, counts["bin"][here])
        each = np.column_stack([np.ones(len(bins)), scale.basis(bins), values, values * values])
        np.add.at(made[:, layout.scalars[name]], of_count[here], each * n[:, None])
    far = (cells["topic"] >= 0) & (cells["band"] >= FAR)
    np.add.at(made[:, layout.flags[OFF_TOPIC]], of_cell[far], cells["n"][far])
    for position, name in enumerate(FLAGS):
        np.add.at(made[:, layout.flags[name]], of_cell, cells["flags"][:, position])
    if THUMBS_DOWN in layout.flags:
        for at, ours in zip((layout.flags[THUMBS_DOWN], layout.rated), feedback(counts["bin"]), strict=True):
            here = ours & (counts["series"] == FEEDBACK)
            np.add.at(made[:, at], of_count[here], counts["n"][here])
    np.add.at(made[:, layout.calls], of_cell, cells["n"])
    return made


def of_rows(
    baseline: Baseline, layout: Layout, rows: Rows, labels: npt.NDArray[np.uint64], codes: Sequence[int]
) -> FloatArray:
    """Vector of sums of the calls that bear each code in ``labels``, ``(n,)``, less what is due to their hours."""
    made = parts(baseline, layout, sliced(rows, labels[:, None]), codes)
    return adjusted(baseline, layout, made, hours_of(baseline, rows["at"], labels, codes))


def _known(table: Table, codes: Sequence[int]) -> tuple[Table, IntArray]:
    """Rows of these codes, and the place of each one's code."""
    wanted = np.array(codes, np.uint64)
    order = np.argsort(wanted)
    place = np.minimum(np.searchsorted(wanted[order], table["value"]), max(len(codes) - 1, 0))
    if not len(codes):
        return table[:0], np.zeros(0, np.int64)
    place = order[place]
    kept = wanted[place] == table["value"]
    return table[kept], place[kept]


def _asked(baseline: Baseline, layout: Layout, cells: Table, group: IntArray, made: FloatArray) -> None:
    frame, topic = baseline.frame, baseline.frame.topic(cells["topic"])
    asked = topic >= 0
    np.add.at(made, (group[asked], layout.topics.start + topic[asked]), cells["n"][asked])
    total = np.zeros((len(made), cells["features"].shape[2]), np.int64)
    np.add.at(total, group[asked], cells["features"][asked, 0])
    made[:, layout.inputs] = frame.inputs(total, made[:, layout.topics].sum(axis=1))


def _answered(
    baseline: Baseline,
    layout: Layout,
    cells: Table,
    group: IntArray,
    made: FloatArray,
    grown: npt.NDArray[np.bool_] | None,
) -> None:
    """Sums of residuals of the answers that can be compared, and their number."""
    frame, learnt = baseline.frame, baseline.fit
    stratum, topic = frame.stratum(cells["stratum"]), frame.topic(cells["topic"])
    kept = (cells["answered"] == 1) & (cells["band"] < frame.bands) & (stratum >= 0) & (topic >= 0)
    place = np.where(kept, stratum * frame.topics + topic, 0)
    kept &= learnt.known[place]
    if grown is not None:
        kept &= ~grown[topic]
    used, group, place, n = cells[kept], group[kept], place[kept], cells["n"][kept]
    features, lengths = (
        np.zeros((len(made), *cells["features"].shape[1:]), np.int64),
        np.zeros((len(made), 2), np.int64),
    )
    expected = np.zeros((len(made), frame.answer_map.shape[1]))
    np.add.at(features, group, used["features"])
    np.add.at(lengths, group, used["length"])
    inputs = frame.inputs(used["features"][:, 0], n) / n[:, None]
    np.add.at(expected, group, n[:, None] * learnt.expected(frame, place, inputs))
    np.add.at(made[:, layout.compared], group, n)
    made[:, layout.answers] = frame.answers(features[:, 1:], lengths) - expected
