"""An alarm with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drift.call import Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect, direction
from drift.explain import (
    ChangePoint,
    MarkerEvent,
    Moved,
    Newcomers,
    along_answers,
    moved,
    nearest,
    newcomers,
)
from drift.mix import Split, split
from drift.pane import Pane, Texts
from drift.state import Judge, SegmentState


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of state of one kind of drift, with its evidence."""

    state: Literal["firing", "resolved"]
    kind: str
    detector: str
    tick: int
    at: int
    raised_at: int
    since: int
    calls: int
    statistic: float
    threshold: float
    effect: Effect | None
    point: ChangePoint | None
    marker: MarkerEvent | None
    topics: tuple[Moved, ...]
    newcomers: Newcomers | None
    split: Split | None
    scores: FloatArray
    samples: float
    rows: Rows
    texts: tuple[Texts, ...]
    names: Mapping[int, str]


def explained(
    config: Judge,
    state: SegmentState,
    becomes: Literal["firing", "resolved"],
    kind: str,
    detector: str,
    pane: Pane,
    found: Effect | None,
    point: ChangePoint | None,
) -> Alarm:
    """The evidence for an alarm of this kind that a detector raised (with its change point) or that ended (without)."""
    latch = state.latches.get(kind)
    recent = state.rows["at"] >= point.at if point else np.zeros(len(state.rows), bool)
    rows = state.rows[recent]
    topics, new = _asked(config, state, point, rows) if point and kind == "data" else ((), None)
    explainable = point is not None and detector in config.layout.scalars and kind != "data"
    since = state.history.since(point.bucket) if point and explainable else None
    parts = None if since is None else split(config.baseline, config.layout, detector, since)
    scores = np.full(len(rows), np.nan)
    if point is not None and detector == "answers":
        way = direction(config.baseline, config.layout, detector, state.history.since(point.bucket))
        scores = along_answers(config.baseline, way, rows)
    return Alarm(
        becomes,
        kind,
        detector,
        latch.tick if latch else pane.tick,
        pane.end,
        latch.raised_at if latch else pane.end,
        point.at if point else (latch.since if latch else pane.tick),
        state.calls,
        state.statistics[detector],
        config.thresholds[detector][0],
        found,
        point,
        nearest(state.markers, point) if point else None,
        topics,
        new,
        parts,
        scores,
        found.samples if found else 0.0,
        rows,
        tuple(pair for pair, there in zip(state.texts, recent, strict=False) if there),
        state.names,
    )


def _asked(
    config: Judge, state: SegmentState, point: ChangePoint, rows: Rows
) -> tuple[tuple[Moved, ...], Newcomers | None]:
    """Which topics moved since a change point, and the sampled calls that the shift of the inputs is made of."""
    since, layout = state.history.since(point.bucket), config.layout
    counts = since[layout.topics]
    shift = since[layout.inputs] / max(float(counts.sum()), 1.0) - config.baseline.fit.input_mean
    return moved(config.baseline, counts), newcomers(config.baseline, shift, rows)
