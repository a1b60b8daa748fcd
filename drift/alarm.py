"""An alarm with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from drift.block import Layout
from drift.call import Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect, direction
from drift.explain import (
    ChangePoint,
    MarkerEvent,
    Moved,
    TopicShift,
    along_answers,
    moved,
    nearest,
    shifted_topics,
)
from drift.fit import OFF_TOPIC
from drift.mix import Split, split
from drift.newcomers import Newcomers, far_questions, newcomers
from drift.pane import Pane, Texts
from drift.panel import KINDS, QUESTIONS
from drift.prompt_rules import Breach
from drift.prompts import COVERED, Link, like
from drift.slices import Sliced, slices
from drift.state import Judge, Latch, SegmentState


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of state of one kind of drift, with its evidence.

    ``scores`` says how far each sampled answer lies along the drift; ``compared`` which share of the answers could be
    compared at all; ``held`` that `model` is held back for now; ``asked_for`` the requested model where it stayed;
    ``unlike`` that most inputs are unlike the baseline's, so that what they account for is not known.

    Alarms about prompts have the chain's ``links``, the ``anchor``'s version and calls, the ``version`` that they are
    about, or the rule that was broken.
    """

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
    links: tuple[Link, ...] = ()
    anchor: tuple[str, int] = ("", 0)
    version: str = ""
    breach: Breach | None = None
    shifted: tuple[TopicShift, ...] = ()
    compared: float | None = None
    held: bool = False
    asked_for: int = 0
    unlike: bool = False
    slices: tuple[Sliced, ...] = ()


def explained(
    config: Judge,
    state: SegmentState,
    becomes: Literal["firing", "resolved"],
    detector: str,
    pane: Pane,
    found: Effect | None,
    point: ChangePoint | None,
) -> Alarm:
    """The evidence for an alarm of this kind that a detector raised (with its change point) or that ended (without)."""
    recent = state.rows["at"] >= point.at if point else np.zeros(len(state.rows), bool)
    alarm = simple_alarm(config, state, pane, detector, becomes, recent)
    if alarm.question not in state.latches:
        alarm = replace(alarm, statistic=state.statistics[detector], threshold=config.thresholds[detector][0])
    alarm = replace(alarm, effect=found)
    return alarm if point is None else _evident(config, state, alarm, point)


def _evident(config: Judge, state: SegmentState, alarm: Alarm, point: ChangePoint) -> Alarm:
    """An alarm with all that is known of the calls since its change point."""
    baseline, layout, kind, detector, rows = config.baseline, config.layout, alarm.kind, alarm.detector, alarm.rows
    since = state.history.since(point.bucket)
    topics, new = _asked(config, detector, since, rows) if kind == "data" else ((), None)
    scalar = detector in layout.scalars and kind != "data"
    scores = alarm.scores
    if detector == "answers":
        scores = along_answers(baseline, direction(baseline, layout, detector, since), rows)
    return replace(
        alarm,
        since=point.at,
        point=point,
        marker=nearest(state.markers, point),
        topics=topics,
        newcomers=new,
        split=split(baseline, layout, detector, since) if scalar else None,
        scores=scores,
        shifted=shifted_topics(baseline, scores, rows) if kind == "model" else (),
        compared=_compared(layout, since) if kind == "model" else None,
        held=kind == "data" and state.held,
        asked_for=_asked_for(state, point) if kind == "model" else 0,
        unlike=_unlike(config, rows),
        slices=slices(config, state, detector, alarm.effect, since, rows) if alarm.effect is not None else (),
    )


def _compared(layout: Layout, since: FloatArray) -> float:
    """Share of the calls with an input whose answers were compared."""
    return min(float(since[layout.compared] / max(since[layout.topics].sum(), 1.0)), 1.0)


def _unlike(config: Judge, rows: Rows) -> bool:
    """Whether most of the sampled inputs are unlike the baseline's."""
    anchor = config.own_anchor
    asked = rows[rows["topic"] >= 0]
    return anchor is not None and len(asked) > 0 and like(anchor, asked).sum() < COVERED * len(asked)


def _asked_for(state: SegmentState, point: ChangePoint) -> int:
    """Hash of the requested model, zero where that moved too (or is not given)."""
    only = replace(state.markers, events=tuple(one for one in state.markers.events if one.field == "model"))
    return 0 if nearest(only, point) else state.markers.usual["model"]


def _asked(config: Judge, detector: str, since: FloatArray, rows: Rows) -> tuple[tuple[Moved, ...], Newcomers | None]:
    """Which topics moved since a change point, and the sampled calls that the shift of the inputs is made of."""
    counts = since[config.layout.topics]
    if detector == OFF_TOPIC:
        far, n = config.layout.raised(config.baseline, OFF_TOPIC, since)
        return moved(config.baseline, counts), far_questions(config.baseline, float(far), float(n), rows)
    shift = since[config.layout.inputs] / max(float(counts.sum()), 1.0) - config.baseline.fit.input_mean
    return moved(config.baseline, counts), newcomers(config.baseline, shift, rows)


def simple_alarm(
    config: Judge,
    state: SegmentState,
    pane: Pane,
    detector: str,
    becomes: Literal["firing", "resolved"],
    rows: npt.NDArray[np.bool_],
) -> Alarm:
    """An alarm with what every one of them says, and the sampled calls that it is about."""
    latch = state.latches.get(QUESTIONS[detector])
    kept: Rows = state.rows[rows]
    return Alarm(
        state=becomes,
        kind=KINDS[detector],
        question=QUESTIONS[detector],
        detector=detector,
        tick=latch.tick if latch else pane.tick,
        at=pane.end,
        raised_at=latch.raised_at if latch else pane.end,
        since=latch.since if latch else pane.tick,
        calls=state.calls,
        statistic=latch.statistic if latch else 0.0,
        threshold=latch.threshold if latch else 0.0,
        effect=None,
        point=None,
        marker=None,
        topics=(),
        newcomers=None,
        split=None,
        scores=np.full(len(kept), np.nan),
        rows=kept,
        texts=tuple(pair for pair, there in zip(state.texts, rows, strict=True) if there),
        names=state.names,
    )


def latched(state: SegmentState, alarm: Alarm, way: FloatArray | None = None) -> SegmentState:
    """The state in which an alarm stands, and the direction in which it drifted, if it has one."""
    latch = Latch(
        detector=alarm.detector,
        statistic=alarm.statistic,
        raised_at=alarm.raised_at,
        since=alarm.since,
        tick=alarm.tick,
        calls=alarm.calls,
        way=np.zeros(0) if way is None else way,
        version=alarm.version,
        threshold=alarm.threshold,
    )
    return replace(state, latches={**state.latches, alarm.question: latch})


def ended(config: Judge, state: SegmentState, pane: Pane, detector: str) -> tuple[SegmentState, list[Alarm]]:
    """The state and the alarm when a simple alarm is over."""
    question = QUESTIONS[detector]
    none = np.zeros(len(state.rows), dtype=bool)
    alarm = replace(
        simple_alarm(config, state, pane, detector, "resolved", none), version=state.latches[question].version
    )
    others = {name: one for name, one in state.latches.items() if name != question}
    return replace(state, latches=others), [alarm]


def known_point(state: SegmentState, at: int) -> ChangePoint:
    """A change point whose date is known: the first tick of what is new."""
    history = state.history
    bucket = max(int(np.searchsorted(history.span[:, 0], np.int64(at), side="right")) - 1, 0)
    calls = int(history.calls[bucket])
    return ChangePoint(bucket, at, at, at, calls, calls, calls)


def event_of(state: SegmentState, field: str, name: str) -> MarkerEvent | None:
    """The last time when a marker came to have this value."""
    events = [one for one in state.markers.events if one.field == field and state.names.get(one.after) == name]
    return events[-1] if events else None
