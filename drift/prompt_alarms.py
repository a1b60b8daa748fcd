"""Alarms about prompts: a version far from the anchor, and rules of versions that calls break."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from drift import prompt_rules, prompts
from drift.alarm import Alarm
from drift.anchor import Anchor
from drift.call import MARKERS, Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect
from drift.explain import ChangePoint, MarkerEvent
from drift.pane import Pane
from drift.panel import KINDS, QUESTIONS
from drift.prompt_rules import LEAST, RULES, Breach
from drift.prompts import Link, Version
from drift.state import Judge, Latch, SegmentState

CHAIN = "prompt_chain"

BoolArray = prompts.BoolArray


def prompted(
    config: Judge, state: SegmentState, pane: Pane, grown: BoolArray
) -> tuple[SegmentState, tuple[Alarm, ...]]:
    """State and alarms after a block that is counted already.

    Parameters
    ----------
    grown
        Topics of the lens whose answers are set aside because they have grown, shape ``(topics,)``.
    """
    watched, breaches = prompt_rules.watch(
        config.baseline, config.allowed, state.prompts, pane, state.calls - pane.n, config.clear_after
    )
    state = replace(state, prompts=watched)
    state, alarms = _rules(config, state, pane, breaches)
    if config.anchor is not None:
        state, more = _chain(config, config.anchor, state, pane, grown)
        alarms += more
    return state, tuple(alarms)


def _chain(
    config: Judge, anchor: Anchor, state: SegmentState, pane: Pane, grown: BoolArray
) -> tuple[SegmentState, list[Alarm]]:
    chain = prompts.update(anchor, state.chain, pane, grown)
    if chain is not state.chain:
        chain = prompts.look(anchor, chain, config.tolerances[CHAIN], np.exp(config.thresholds[CHAIN][1]))
    here = {int(code) for code in np.unique(pane.sums.cells["stratum"])}
    outside = [one for one in chain.versions if one.outside and one.stratum in here]
    if outside:
        chain = replace(chain, outside_at=state.calls)
    state = replace(state, chain=chain)
    latch = state.latches.get(QUESTIONS[CHAIN])
    if latch is None and outside:
        return _raise_chain(config, anchor, state, pane, outside[-1])
    if latch is not None and state.calls - chain.outside_at >= config.clear_after:
        return _end(config, state, pane, CHAIN)
    return state, []


def _raise_chain(
    config: Judge, anchor: Anchor, state: SegmentState, pane: Pane, version: Version
) -> tuple[SegmentState, list[Alarm]]:
    rows = state.rows["stratum"] == np.uint64(version.stratum)
    alarm = replace(
        _alarm(config, state, pane, CHAIN, "firing", rows),
        since=version.first,
        statistic=version.evidence,
        threshold=version.wanted,
        effect=prompts.effect(prompts.distance(anchor, version)),
        point=_point(state, version.first),
        marker=_event(state, "prompt_version", version.name),
        scores=prompts.along(anchor, version, state.rows[rows]),
        links=prompts.links(anchor, state.chain),
        anchor=(anchor.name, anchor.calls),
        version=version.name,
    )
    return _latched(state, alarm), [alarm]


def _rules(
    config: Judge, state: SegmentState, pane: Pane, breaches: tuple[Breach, ...]
) -> tuple[SegmentState, list[Alarm]]:
    """Each breach is told, one before it of the same rule ends with it; a rule unbroken for long is told to be kept."""
    alarms: list[Alarm] = []
    for breach in breaches:
        if breach.rule in state.latches:
            state, ended = _end(config, state, pane, breach.rule)
            alarms += ended
        alarm = replace(
            _alarm(config, state, pane, breach.rule, "firing", _broke(state, breach)),
            since=breach.since,
            statistic=float(breach.calls),
            threshold=float(LEAST),
            point=_point(state, breach.since),
            marker=_event(state, "prompt_hash", f"{breach.version}\x1f{breach.after}") if breach.after else None,
            breach=breach,
            version=breach.version,
        )
        state, alarms = _latched(state, alarm), [*alarms, alarm]
    for rule in RULES:
        if rule in state.latches and state.calls - state.prompts.last.get(rule, 0) >= config.clear_after:
            state, ended = _end(config, state, pane, rule)
            alarms += ended
    return state, alarms


def _broke(state: SegmentState, breach: Breach) -> BoolArray:
    """The sampled calls of a breach."""
    field, name = (
        ("prompt_hash", f"{breach.version}\x1f{breach.after}")
        if breach.after
        else (
            "prompt_version",
            breach.version,
        )
    )
    codes = state.rows["markers"][:, MARKERS.index(field)]
    return np.array([state.names.get(int(code), "") == name for code in codes], dtype=bool)


def _alarm(
    config: Judge,
    state: SegmentState,
    pane: Pane,
    detector: str,
    becomes: Literal["firing", "resolved"],
    rows: BoolArray,
) -> Alarm:
    """An alarm with what every one of them says."""
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
        threshold=config.thresholds[CHAIN][0] if detector == CHAIN else float(LEAST),
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


def _latched(state: SegmentState, alarm: Alarm) -> SegmentState:
    nowhere: FloatArray = np.zeros(0)
    latch = Latch(
        alarm.detector, alarm.statistic, alarm.raised_at, alarm.since, alarm.tick, alarm.calls, nowhere, alarm.version
    )
    return replace(state, latches={**state.latches, alarm.question: latch})


def _end(config: Judge, state: SegmentState, pane: Pane, detector: str) -> tuple[SegmentState, list[Alarm]]:
    question = QUESTIONS[detector]
    none = np.zeros(len(state.rows), dtype=bool)
    alarm = replace(_alarm(config, state, pane, detector, "resolved", none), version=state.latches[question].version)
    others = {name: one for name, one in state.latches.items() if name != question}
    return replace(state, latches=others), [alarm]


def _point(state: SegmentState, at: int) -> ChangePoint:
    """A change whose date is known: the first tick of what is new."""
    history = state.history
    bucket = max(int(np.searchsorted(history.span[:, 0], np.int64(at), side="right")) - 1, 0)
    calls = int(history.calls[bucket])
    return ChangePoint(bucket, at, at, at, calls, calls, calls)


def _event(state: SegmentState, field: str, name: str) -> MarkerEvent | None:
    events = [one for one in state.markers.events if one.field == field and state.names.get(one.after) == name]
    return events[-1] if events else None


def newest(config: Judge, state: SegmentState) -> Link | None:
    """The newest version other than the anchor of which enough is known, as a link of the chain."""
    if config.anchor is None:
        return None
    known = [one for one in prompts.links(config.anchor, state.chain) if one.total is not None]
    return known[-1] if known else None


def effect_now(config: Judge, state: SegmentState) -> Effect | None:
    """Distance of the newest version from the anchor."""
    found = newest(config, state)
    return prompts.effect(found.total) if found is not None and found.total is not None else None
