"""From evidence to answers: thresholds, tolerance, the latch, and the three answers.

``judge`` is pure: the same state and panes give the same state and alarms, live, in replay and in tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drift.alarm import Alarm, explained
from drift.block import Block, gather
from drift.detectors.memory import FloatArray
from drift.effects import Effect, along, direction, effect
from drift.errors import LensMismatchError
from drift.explain import change_point
from drift.hold import UNEXPLAINED, unexplained
from drift.pane import Pane
from drift.panel import KINDS
from drift.state import CLEAR_AFTER, Judge, Latch, SegmentState, with_exemplars

Answer = Literal["drift", "no_drift", "not_enough_data"]

LEAST_CALLS = 100
"""Calls judged before silence means anything."""

LEAST_COMPARED = 0.3
"""Share of recent calls whose answers must be comparable for silence about the model to mean anything."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one kind: its strongest detector, or why there is no answer.

    ``held_back`` says that answers moved too, but mostly because the questions did.
    """

    kind: str
    answer: Answer
    detector: str
    statistic: float
    threshold: float
    effect: Effect | None
    reason: str = ""
    held_back: bool = False


def judge(config: Judge, state: SegmentState, tick: Pane) -> tuple[SegmentState, tuple[Alarm, ...]]:
    """State and alarms after one more closed tick of a segment, its partitions merged; ticks come in order of time.

    Raises
    ------
    LensMismatchError
        The pane was seen through another lens than the baseline.
    """
    if tick.lens != config.baseline.pane.lens:
        raise LensMismatchError(
            f"segment {tick.segment}: calls were seen through lens {tick.lens}, baseline {config.baseline.id} through "
            f"{config.baseline.pane.lens}: measure the calls again through that, or build a baseline of {tick.lens}"
        )
    pending, block = gather(state.pending, tick)
    if block is None:
        return replace(state, pending=pending), ()
    return _step(config, replace(state, pending=None), block)


def _step(config: Judge, state: SegmentState, pane: Pane) -> tuple[SegmentState, tuple[Alarm, ...]]:
    baseline = config.baseline
    block = Block(baseline, config.layout, pane, 0.0)
    block.weight = config.budget.weight(block.n, pane.end - pane.tick, config.calls_a_day)
    detectors, courses = baseline.panel.update(state.detectors, block.feed)
    statistics = {name: float(course[0, 0]) for name, course in courses.items()}
    state = replace(
        state,
        detectors=detectors,
        history=state.history.push(block.vector, state.calls, (pane.tick, pane.end)),
        markers=state.markers.update(pane, state.calls),
        statistics=statistics,
        calls=state.calls + block.n,
    )
    state = with_exemplars(state, pane)
    alarms: list[Alarm] = []
    for kind in dict.fromkeys(KINDS[name] for name in baseline.panel.names):
        state, alarm = (_clear if kind in state.latches else _raise)(config, state, kind, pane)
        alarms += [alarm] if alarm else []
    return state, tuple(alarms)


def _raise(config: Judge, state: SegmentState, kind: str, pane: Pane) -> tuple[SegmentState, Alarm | None]:
    """An alarm of this kind if a detector is over its threshold and the effect since the change is over tolerance."""
    state = replace(state, held=False) if kind == "model" else state
    over = {
        name: state.statistics[name] - config.thresholds[name][0]
        for name in config.baseline.panel.names
        if KINDS[name] == kind and state.statistics[name] >= config.thresholds[name][0]
    }
    for detector in sorted(over, key=lambda name: (-over[name], name)):
        point = change_point(
            config.baseline, config.layout, state.history, detector, state.detectors[detector], state.calls
        )
        sums = state.history.since(point.bucket)
        found = effect(config.baseline, config.layout, detector, sums)
        if found is None or found.size < config.tolerances[detector]:
            continue
        if kind == "model" and _due_to_inputs(config, state, sums):
            return replace(state, held=True), None
        alarm = explained(config, state, "firing", kind, detector, pane, found, point)
        way = direction(config.baseline, config.layout, detector, sums)
        latch = Latch(detector, pane.end, point.at, pane.tick, way)
        state = _reset(config, replace(state, latches={**state.latches, kind: latch}), kind)
        return state, alarm
    return state, None


def _due_to_inputs(config: Judge, state: SegmentState, sums: FloatArray) -> bool:
    """Whether inputs drifted first and account for most of what moved in the answers."""
    return "data" in state.latches and unexplained(config.baseline, config.layout, sums) < UNEXPLAINED


def _clear(config: Judge, state: SegmentState, kind: str, pane: Pane) -> tuple[SegmentState, Alarm | None]:
    """The end of an alarm once enough calls are back inside tolerance, all together and their last quarter."""
    latch = state.latches[kind]
    if state.calls - _calls_at(state, latch.raised_at) < config.clear_after or not all(
        _inside(config, state, kind, latch, calls) for calls in (config.clear_after, config.clear_after // 4)
    ):
        return state, None
    sums = state.history.since(state.history.reaching(config.clear_after, state.calls))
    found = effect(config.baseline, config.layout, latch.detector, sums)
    alarm = explained(config, state, "resolved", kind, latch.detector, pane, found, None)
    others = {name: one for name, one in state.latches.items() if name != kind}
    return _reset(config, replace(state, latches=others), kind), alarm


def _calls_at(state: SegmentState, at: int) -> int:
    """Calls judged when an event time had come, as far back as the history reaches."""
    later = np.flatnonzero(state.history.span[:, 0] >= at)
    return int(state.history.calls[later[0]]) if len(later) else state.calls


def _inside(config: Judge, state: SegmentState, kind: str, latch: Latch, calls: int) -> bool:
    """Whether the last calls may be inside tolerance: overall, and along the direction in which it had drifted."""
    sums = state.history.since(state.history.reaching(calls, state.calls))
    for name in (name for name in config.baseline.panel.names if KINDS[name] == kind):
        found = effect(config.baseline, config.layout, name, sums)
        if found is not None and found.surely > config.tolerances[name]:
            return False
    if not len(latch.way):
        return True
    return along(config.baseline, config.layout, latch.detector, sums, latch.way) <= config.tolerances[latch.detector]


def _reset(config: Judge, state: SegmentState, kind: str) -> SegmentState:
    """Detectors of a kind start anew, against the same baseline."""
    fresh = config.baseline.panel.start()
    names = [name for name in fresh if KINDS[name] == kind]
    return replace(
        state,
        detectors={**state.detectors, **{name: fresh[name] for name in names}},
    )


def verdicts(config: Judge, state: SegmentState) -> tuple[Verdict, ...]:
    """The present answer for every kind that the baseline can speak of."""
    made = []
    for kind in dict.fromkeys(KINDS.values()):
        names = [name for name in config.baseline.panel.names if KINDS[name] == kind]
        made.append(_verdict(config, state, kind, names))
    return tuple(made)


def _verdict(config: Judge, state: SegmentState, kind: str, names: list[str]) -> Verdict:
    if not names:
        return Verdict(kind, "not_enough_data", "", 0.0, 0.0, None, "the baseline holds no such measures")
    ratio = {name: state.statistics.get(name, 0.0) / config.thresholds[name][0] for name in names}
    detector = state.latches[kind].detector if kind in state.latches else max(ratio, key=lambda name: ratio[name])
    recent = state.history.since(state.history.reaching(CLEAR_AFTER, state.calls))
    found = effect(config.baseline, config.layout, detector, recent) if state.calls else None
    answer: Answer = "drift" if kind in state.latches else "no_drift"
    reason = "" if answer == "drift" else _too_little(config, state, kind, recent)
    statistic = max(state.statistics.get(detector, 0.0), 0.0)
    return Verdict(
        kind,
        "not_enough_data" if reason else answer,
        detector,
        statistic,
        config.thresholds[detector][0],
        found,
        reason,
        state.held and kind == "model",
    )


def _too_little(config: Judge, state: SegmentState, kind: str, recent: FloatArray) -> str:
    if state.calls < LEAST_CALLS:
        return f"{state.calls} calls judged, {LEAST_CALLS} wanted"
    asked = max(recent[config.layout.calls], 1.0)
    if kind == "model" and recent[config.layout.compared] / asked < LEAST_COMPARED:
        return (
            f"only {recent[config.layout.compared] / asked * 100:.0f} % of recent answers can be compared: "
            "the others are to questions or of prompt versions that the baseline does not know"
        )
    if kind == "data" and recent[config.layout.topics].sum() < LEAST_CALLS / 2:
        return "hardly any recent call has an input"
    if kind == "output_length" and recent[config.layout.scalars["output_length"]][0] < LEAST_CALLS / 2:
        return "hardly any recent call has an output"
    return ""
