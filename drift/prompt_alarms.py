"""Alarms about prompts: a version far from the anchor, and rules of versions that calls break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drift import prompt_rules, prompts
from drift.alarm import Alarm, ended, event_of, known_point, latched, simple_alarm
from drift.anchor import Anchor
from drift.call import MARKERS
from drift.pane import Pane
from drift.panel import QUESTIONS
from drift.prompt_rules import LEAST, RULES, Breach
from drift.prompts import Link, Version
from drift.state import Judge, SegmentState

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
        every, tolerance = float(np.exp(config.thresholds[CHAIN][1])), config.tolerances[CHAIN]
        looked = tuple(prompts.look(anchor, one, tolerance, every) for one in chain.versions)
        chain = replace(chain, versions=looked)
    here = {int(code) for code in np.unique(pane.sums.cells["stratum"])}
    outside = [one for one in chain.versions if one.outside and one.stratum in here]
    if any(_doubtful(anchor, one, config.tolerances[CHAIN]) for one in chain.versions if one.stratum in here):
        chain = replace(chain, outside_at=state.calls)
    state = replace(state, chain=chain)
    latch = state.latches.get(QUESTIONS[CHAIN])
    if latch is None and outside:
        return _raise_chain(config, anchor, state, pane, outside[-1])
    if latch is not None and state.calls - chain.outside_at >= config.clear_after:
        return ended(config, state, pane, CHAIN)
    return state, []


def _doubtful(anchor: Anchor, version: Version, tolerance: float) -> bool:
    """Whether a version may lie outside the tolerance: an alarm does not end while it is in use."""
    return version.outside or version.looked == 0 or prompts.distance(anchor, version).size > tolerance


def _raise_chain(
    config: Judge, anchor: Anchor, state: SegmentState, pane: Pane, version: Version
) -> tuple[SegmentState, list[Alarm]]:
    rows = state.rows["stratum"] == np.uint64(version.stratum)
    alarm = replace(
        simple_alarm(config, state, pane, CHAIN, "firing", rows),
        since=version.first,
        statistic=version.evidence,
        threshold=version.wanted,
        effect=prompts.effect(prompts.distance(anchor, version)),
        point=known_point(state, version.first),
        marker=event_of(state, "prompt_version", version.name),
        scores=prompts.along(anchor, version, state.rows[rows]),
        links=prompts.links(anchor, state.chain),
        anchor=(anchor.name, anchor.calls),
        version=version.name,
    )
    return latched(state, alarm), [alarm]


def _rules(
    config: Judge, state: SegmentState, pane: Pane, breaches: tuple[Breach, ...]
) -> tuple[SegmentState, list[Alarm]]:
    """Each breach is told, one before it of the same rule ends with it; a rule unbroken for long is told to be kept."""
    alarms: list[Alarm] = []
    for breach in breaches:
        if breach.rule in state.latches:
            state, over = ended(config, state, pane, breach.rule)
            alarms += over
        alarm = replace(
            simple_alarm(config, state, pane, breach.rule, "firing", _broke(state, breach)),
            since=breach.since,
            statistic=float(breach.calls),
            threshold=float(LEAST),
            point=known_point(state, breach.since),
            marker=event_of(state, "prompt_hash", f"{breach.version}\x1f{breach.after}") if breach.after else None,
            breach=breach,
            version=breach.version,
        )
        state, alarms = latched(state, alarm), [*alarms, alarm]
    for rule in RULES:
        if rule in state.latches and state.calls - state.prompts.last.get(rule, 0) >= config.clear_after:
            state, over = ended(config, state, pane, rule)
            alarms += over
    return state, alarms


def _broke(state: SegmentState, breach: Breach) -> BoolArray:
    """The sampled calls of a breach."""
    hot = bool(breach.after)
    field, name = ("prompt_hash", f"{breach.version}\x1f{breach.after}") if hot else ("prompt_version", breach.version)
    codes = state.rows["markers"][:, MARKERS.index(field)]
    return np.array([state.names.get(int(code), "") == name for code in codes], dtype=bool)


def newest(config: Judge, state: SegmentState) -> Link | None:
    """The newest version other than the anchor of which enough is known, as a link of the chain."""
    if config.anchor is None:
        return None
    known = [one for one in prompts.links(config.anchor, state.chain) if one.total is not None]
    return known[-1] if known else None
