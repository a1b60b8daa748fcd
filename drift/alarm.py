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
from drift.panel import KINDS
from drift.slices import Sliced, slices
from drift.state import Judge, SegmentState


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of state of one kind of drift, with its evidence."""

    state: Literal["firing", "resolved"]
    kind: str
    question: str
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
    rows: Rows
    texts: tuple[Texts, ...]
    names: Mapping[int, str]
    slices: tuple[Sliced, ...] = ()


def explained(
    config: Judge,
    state: SegmentState,
    becomes: Literal["firing", "resolved"],
    question: str,
    detector: str,
    pane: Pane,
    found: Effect | None,
    point: ChangePoint | None,
) -> Alarm:
    """The evidence for an alarm of this kind that a detector raised (with its change point) or that ended (without)."""
    latch, kind, layout = state.latches.get(question), KINDS[detector], config.layout
    since = state.history.since(point.bucket) if point else None
    recent = state.rows["at"] >= point.at if point else np.zeros(len(state.rows), bool)
    rows = state.rows[recent]
    topics, new = _asked(config, since, rows) if since is not None and kind == "data" else ((), None)
    parts = None
    if since is not None and detector in layout.scalars and kind != "data":
        parts = split(config.baseline, layout, detector, since)
    scores = np.full(len(rows), np.nan)
    if since is not None and detector == "answers":
        scores = along_answers(config.baseline, direction(config.baseline, layout, detector, since), rows)
    return Alarm(
        state=becomes,
        kind=kind,
        question=question,
        detector=detector,
        tick=latch.tick if latch else pane.tick,
        at=pane.end,
        raised_at=latch.raised_at if latch else pane.end,
        since=point.at if point else (latch.since if latch else pane.tick),
        calls=state.calls,
        statistic=latch.statistic if latch else state.statistics[detector],
        threshold=config.thresholds[detector][0],
        effect=found,
        point=point,
        marker=nearest(state.markers, point) if point else None,
        topics=topics,
        newcomers=new,
        split=parts,
        scores=scores,
        rows=rows,
        texts=tuple(pair for pair, there in zip(state.texts, recent, strict=True) if there),
        names=state.names,
        slices=slices(config, state, detector, found, since, rows) if since is not None and found is not None else (),
    )


def _asked(config: Judge, since: FloatArray, rows: Rows) -> tuple[tuple[Moved, ...], Newcomers | None]:
    """Which topics moved since a change point, and the sampled calls that the shift of the inputs is made of."""
    counts = since[config.layout.topics]
    shift = since[config.layout.inputs] / max(float(counts.sum()), 1.0) - config.baseline.fit.input_mean
    return moved(config.baseline, counts), newcomers(config.baseline, shift, rows)
