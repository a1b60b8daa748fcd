"""From evidence to answers: thresholds, tolerance, the latch, and the three answers.

``judge`` is pure: the same state and panes give the same state and alarms, live, in replay and in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drift import prompts
from drift.alarm import Alarm, explained, latched
from drift.block import Block, gather
from drift.detectors.memory import FloatArray
from drift.effects import Effect, along, direction, effect
from drift.errors import LensMismatchError
from drift.explain import ChangePoint, change_point
from drift.hold import SETTLING, UNEXPLAINED, WEIGHED, moved, unexplained
from drift.mix import split
from drift.overall import overall
from drift.pane import Pane
from drift.panel import KINDS, QUESTIONS
from drift.prompt_alarms import CHAIN, newest, prompted
from drift.prompts import FIRST_LOOK
from drift.state import Judge, Latch, SegmentState, with_exemplars

Answer = Literal["drift", "no_drift", "not_enough_data"]

LEAST_CALLS = 100
"""Calls judged before silence means anything."""

MOSTLY = 0.5
"""Share of a change that other questions account for from which on they are thought of first."""

LEAST_COMPARED = 0.3
"""Share of recent calls whose answers must be comparable for silence about the model to mean anything."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one kind: its strongest detector, or why there is no answer.

    ``note`` says what else should be known, such as that answers moved too but mostly because the questions did.
    """

    kind: str
    answer: Answer
    detector: str
    statistic: float
    threshold: float
    effect: Effect | None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A block once it was scored: its calls, what they add up to in the baseline's layout, and the state after it."""

    pane: Pane
    sums: FloatArray
    state: SegmentState


Seen = Callable[[Scored], None]


def unseen(scored: Scored) -> None:
    """Look at no block."""


def judge(
    config: Judge, state: SegmentState, tick: Pane, *, seen: Seen = unseen
) -> tuple[SegmentState, tuple[Alarm, ...]]:
    """State and alarms after one more closed tick of a segment, its partitions merged; ticks come in order of time.

    Parameters
    ----------
    seen
        Shown each block after it was scored, for whoever keeps the course of statistics; nothing depends on it.

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
    pending, ready = gather(state.pending, tick)
    state = replace(state, pending=pending)
    alarms: tuple[Alarm, ...] = ()
    for block in ready:
        state, new = _step(config, state, block, seen)
        alarms += new
    return state, alarms


def _step(config: Judge, state: SegmentState, pane: Pane, seen: Seen) -> tuple[SegmentState, tuple[Alarm, ...]]:
    baseline = config.baseline
    weight = config.budget.weight(pane.n, pane.end - pane.tick, config.calls_a_day)
    block = Block(baseline, config.layout, pane, weight)
    detectors, courses = baseline.panel.update(state.detectors, block.feed)
    state = replace(
        state,
        detectors=detectors,
        history=state.history.push(block.vectors, state.calls, (pane.tick, pane.end)),
        markers=state.markers.update(pane, state.calls),
        statistics={name: float(course[0, 0]) for name, course in courses.items()},
        calls=state.calls + block.n,
    )
    state = with_exemplars(state, pane)
    state, first = prompted(config, state, pane, block.grown[baseline.frame.groups])
    state, second = overall(config, state, pane)
    alarms = [*first, *second]
    for question in dict.fromkeys(QUESTIONS[name] for name in baseline.panel.names):
        state, alarm = (_clear if question in state.latches else _raise)(config, state, question, pane)
        alarms += [alarm] if alarm else []
    seen(Scored(pane, block.sums, state))
    return state, tuple(alarms)


def _detectors(config: Judge, question: str) -> list[str]:
    return [name for name in config.baseline.panel.names if QUESTIONS[name] == question]


def _raise(config: Judge, state: SegmentState, question: str, pane: Pane) -> tuple[SegmentState, Alarm | None]:
    """An alarm if a detector is over its threshold and the effect since the change is over tolerance."""
    state = replace(state, held=False) if question == "model" and state.held else state
    over = {name: state.statistics[name] - config.thresholds[name][0] for name in _detectors(config, question)}
    started = state.started.get(question, 0)
    raised = sorted((name for name in over if over[name] >= 0), key=lambda name: (-over[name], name))
    if raised and question == "model" and _explained_by_drift(config, state):
        return replace(state, held=True), None
    for detector in raised:
        bets = state.detectors[detector]
        point = change_point(config.baseline, config.layout, state.history, detector, bets, started, state.calls)
        sums = state.history.since(point.bucket)
        found = effect(config.baseline, config.layout, detector, sums)
        if found is None or found.size < config.tolerances[detector]:
            continue
        if "data" not in state.latches and _due_to_inputs(config, state, detector, point, sums):
            return replace(state, held=state.held or question == "model"), None
        alarm = explained(config, state, "firing", detector, pane, found, point)
        way = direction(config.baseline, config.layout, detector, sums)
        return _reset(config, latched(state, alarm, way), question), alarm
    return state, None


def _explained_by_drift(config: Judge, state: SegmentState) -> bool:
    """Whether inputs drifted and account for what moved in the answers since then, at most over the last calls."""
    if "data" not in state.latches:
        return False
    history, since = state.history, np.int64(state.latches["data"].since)
    drifted = int(np.searchsorted(history.span[:, 0], since))
    if state.calls - int(np.append(history.calls, state.calls)[drifted]) < SETTLING:
        return True
    sums = history.since(max(history.reaching(WEIGHED, state.calls), drifted))
    return unexplained(config.baseline, config.layout, sums) < UNEXPLAINED


def _due_to_inputs(config: Judge, state: SegmentState, detector: str, point: ChangePoint, sums: FloatArray) -> bool:
    """Whether inputs account for a change of what is answered before `data` can say that they moved."""
    baseline, layout = config.baseline, config.layout
    if detector == "answers":
        fresh = state.calls - point.calls < SETTLING
        return moved(baseline, layout, sums) and (fresh or unexplained(baseline, layout, sums) < UNEXPLAINED)
    if KINDS[detector] == "data" or detector not in layout.scalars:
        return False
    if state.calls - point.calls >= SETTLING and not baseline.members:  # of a pool's mix `data` never speaks
        return False
    parts = split(baseline, layout, detector, sums)
    return parts is not None and parts.share >= MOSTLY


def _clear(config: Judge, state: SegmentState, question: str, pane: Pane) -> tuple[SegmentState, Alarm | None]:
    """The end of an alarm once enough calls are back inside tolerance and the last quarter of them is not outside."""
    latch = state.latches[question]
    if state.calls - latch.calls < config.clear_after:
        return state, None
    last, latest = (state.history.since(state.history.reaching(n, state.calls)) for n in _windows(config))
    if not _back(config, question, latch, last) or _outside(config, question, latest):
        return state, None
    found = effect(config.baseline, config.layout, latch.detector, last)
    alarm = explained(config, state, "resolved", latch.detector, pane, found, None)
    others = {name: one for name, one in state.latches.items() if name != question}
    return _reset(config, replace(state, latches=others), question), alarm


def _windows(config: Judge) -> tuple[int, int]:
    return config.clear_after, config.clear_after // 4


def _back(config: Judge, question: str, latch: Latch, sums: FloatArray) -> bool:
    """Whether every effect is inside tolerance, and what is left of the drift in its own direction too."""
    for name in _detectors(config, question):
        found = effect(config.baseline, config.layout, name, sums)
        if found is not None and found.size > config.tolerances[name]:
            return False
    if not len(latch.way):
        return True
    return along(config.baseline, config.layout, latch.detector, sums, latch.way) <= config.tolerances[latch.detector]


def _outside(config: Judge, question: str, sums: FloatArray) -> bool:
    """Whether an effect is surely outside tolerance."""
    found = [(name, effect(config.baseline, config.layout, name, sums)) for name in _detectors(config, question)]
    return any(one is not None and one.surely > config.tolerances[name] for name, one in found)


def _reset(config: Judge, state: SegmentState, question: str) -> SegmentState:
    """Detectors of a question start anew, against the same baseline, and what was before is another story."""
    fresh = config.baseline.panel.start()
    anew = {name: fresh[name] for name in _detectors(config, question)}
    return replace(
        state,
        detectors={**state.detectors, **anew},
        started={**state.started, question: state.calls},
    )


def verdicts(config: Judge, state: SegmentState) -> tuple[Verdict, ...]:
    """The present answer for every kind that the baseline can speak of."""
    made = []
    for kind in dict.fromkeys(KINDS.values()):
        names = [name for name in config.baseline.panel.names if KINDS[name] == kind]
        if kind == "prompt":
            made.append(_prompts(config, state))
        elif names or kind != "quality":  # whoever sends no scores has not asked
            made.append(_verdict(config, state, kind, names) if names else _no_measures(config, kind))
    return tuple(made)


def _prompts(config: Judge, state: SegmentState) -> Verdict:
    """The present answer about prompt versions."""
    version = newest(config, state)
    found = prompts.effect(version.total) if version and version.total else None
    threshold = version.version.wanted if version and version.version.looked else config.thresholds[CHAIN][1]
    standing = [one for one in state.latches.values() if KINDS[one.detector] == "prompt"]
    if standing:
        one = standing[0]
        return Verdict("prompt", "drift", one.detector, one.statistic, one.threshold, found)
    statistic = version.version.evidence if version else 0.0
    if reason := _unknown_prompts(config, state):
        return Verdict("prompt", "not_enough_data", CHAIN, statistic, threshold, found, reason)
    note = "" if version else "only the anchor's version is in use"
    return Verdict("prompt", "no_drift", CHAIN, statistic, threshold, found, note=note)


def _unknown_prompts(config: Judge, state: SegmentState) -> str:
    """Why nothing can be said of prompt versions, empty where something can."""
    if state.calls < LEAST_CALLS:
        return f"{state.calls} calls judged, {LEAST_CALLS} wanted"
    if config.anchor is None:
        return "no prompt version of the baseline has enough answers to compare with"
    if not config.anchor.name:
        return "the baseline's calls carry no prompt_version"
    latest = state.chain.versions[-1:]
    if latest and latest[0].mean(latest[0].covered)[1] < FIRST_LOOK:
        return f"version {latest[0].name} has {latest[0].answered:.0f} answers, {FIRST_LOOK} wanted"
    return ""


def _no_measures(config: Judge, kind: str) -> Verdict:
    reason = "the baseline holds no such measures"
    if kind == "model" and config.baseline.frame.answer_blocks:
        reason = "no prompt version of the baseline has enough answers to compare"
    return Verdict(kind, "not_enough_data", "", 0.0, 0.0, None, reason)


def _verdict(config: Judge, state: SegmentState, kind: str, names: list[str]) -> Verdict:
    standing = [one for one in state.latches.values() if KINDS[one.detector] == kind]
    statistics = {name: max(state.statistics.get(name, 0.0), 0.0) for name in names}
    detector = max(statistics, key=lambda name: statistics[name] / config.thresholds[name][0])
    statistic, threshold = statistics[detector], config.thresholds[detector][0]
    if standing:
        strongest = max(standing, key=lambda one: one.statistic / max(one.threshold, 1e-9))
        detector, statistic, threshold = strongest.detector, strongest.statistic, strongest.threshold
    recent = state.history.since(state.history.reaching(config.clear_after, state.calls))
    there = state.calls and detector in names
    found = effect(config.baseline, config.layout, detector, recent) if there else None
    if standing:
        return Verdict(kind, "drift", detector, statistic, threshold, found)
    if reason := _too_little(config, state, kind, recent):
        return Verdict(kind, "not_enough_data", detector, statistic, threshold, found, reason)
    note = "moved, but by less than the tolerance" if statistic >= threshold else ""
    if state.held and kind == "model":
        note = "answers moved too, held back while other questions may explain it"
    return Verdict(kind, "no_drift", detector, statistic, threshold, found, note=note)


def _too_little(config: Judge, state: SegmentState, kind: str, recent: FloatArray) -> str:
    """Why there is too little to say that a kind has not drifted, empty where there is not."""
    if state.calls < LEAST_CALLS:
        return f"{state.calls} calls judged, {LEAST_CALLS} wanted"
    layout, asked = config.layout, max(recent[config.layout.calls], 1.0)
    if kind == "model" and recent[layout.compared] / asked < LEAST_COMPARED:
        return (
            f"only {recent[layout.compared] / asked * 100:.0f} % of recent answers can be compared with the baseline: "
            "the others are of prompt versions or to questions that it hardly knows, or of growing topics"
        )
    if kind == "data" and recent[layout.topics].sum() < LEAST_CALLS / 2:
        return "hardly any recent call has an input"
    for name, place in layout.scalars.items():
        if KINDS[name] == kind and recent[place][0] < LEAST_CALLS / 2:
            return f"hardly any recent call has a value for {config.baseline.title(name)}"
    return ""
