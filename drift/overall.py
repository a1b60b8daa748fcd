"""Answers where most inputs are unlike the baseline's: compared whatever the input, since nothing can be held fixed.

As where a template without a version is part of the input. Nothing is held back then: inputs that the baseline does not
know explain nothing reliably. The comparison is that of prompt versions, the calls since coverage was lost its subject.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drift import prompts
from drift.alarm import Alarm, ended, known_point, latched, simple_alarm
from drift.anchor import Anchor
from drift.explain import nearest
from drift.pane import Pane, Table
from drift.prompts import COVERED, FIRST_LOOK, Version
from drift.state import Judge, SegmentState

OVERALL = "answers_overall"


def overall(config: Judge, state: SegmentState, pane: Pane) -> tuple[SegmentState, list[Alarm]]:
    """State and alarms after a block that is counted already."""
    anchor = config.own_anchor
    if anchor is None:
        return state, []
    cells = pane.sums.cells
    known = cells[anchor.baseline.frame.stratum(cells["stratum"]) >= 0]
    state = replace(state, like=state.like + pane.n if _like(anchor, known) else 0)
    if state.like >= FIRST_LOOK or (state.unlike is None and state.like):
        return _after(config, replace(state, unlike=None), pane)
    unlike = prompts.add(anchor, state.unlike or prompts.unseen(anchor, 0, "", "", pane.tick), known, pane.end)
    if unlike.answered >= FIRST_LOOK and unlike.covered:
        return _after(config, replace(state, unlike=None), pane)
    every = float(np.exp(config.thresholds["prompt_chain"][1]))
    unlike = prompts.look(anchor, unlike, config.tolerances["prompt_chain"], every)
    state = replace(state, unlike=unlike, unlike_at=state.calls if unlike.outside else state.unlike_at)
    if OVERALL in state.latches or not unlike.outside:
        return _after(config, state, pane)
    alarm = _alarm(config, anchor, state, pane, unlike)
    return latched(state, alarm), [alarm]


def _like(anchor: Anchor, cells: Table) -> bool:
    """Whether most answered calls have inputs that the baseline knows."""
    answered = cells[(cells["answered"] == 1) & (cells["topic"] >= 0)]
    return bool(answered["n"][prompts.like(anchor, answered)].sum() >= COVERED * answered["n"].sum())


def _after(config: Judge, state: SegmentState, pane: Pane) -> tuple[SegmentState, list[Alarm]]:
    """The end of an alarm that stands, once nothing was found for long enough."""
    if OVERALL in state.latches and state.calls - state.unlike_at >= config.clear_after:
        return ended(config, state, pane, OVERALL)
    return state, []


def _alarm(config: Judge, anchor: Anchor, state: SegmentState, pane: Pane, unlike: Version) -> Alarm:
    rows = state.rows["at"] >= unlike.first
    point = known_point(state, unlike.first)
    return replace(
        simple_alarm(config, state, pane, OVERALL, "firing", rows),
        since=unlike.first,
        statistic=unlike.evidence,
        threshold=unlike.wanted,
        effect=prompts.effect(prompts.distance(anchor, unlike)),
        point=point,
        marker=nearest(state.markers, point),
        scores=prompts.along(anchor, unlike, state.rows[rows]),
        compared=unlike.compared / max(unlike.answered, 1.0),
    )
