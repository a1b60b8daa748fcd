"""What a verdict depends on: the judge's configuration, and all that is remembered of a segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from drift import prompt_rules
from drift.anchor import Anchor, anchored
from drift.baseline import Baseline
from drift.block import Layout
from drift.budget import Budget
from drift.call import ROW, Rows
from drift.detectors.memory import FloatArray
from drift.errors import LensMismatchError
from drift.explain import Markers
from drift.history import History
from drift.pane import Pane, Texts
from drift.panel import State
from drift.prompt_rules import Watched
from drift.prompts import Chain, Version
from drift.tolerances import TOLERANCES as TOLERANCES

CLEAR_AFTER = 1024
"""Calls that must be back inside tolerance, all together and their last quarter, before an alarm ends."""

EXEMPLARS = 256
"""Recent calls kept for examples, at most ten of a block."""


@dataclass(frozen=True)
class Judge:
    """A baseline, a budget and tolerances: all that a verdict depends on besides the calls.

    Parameters
    ----------
    origin
        Baseline of the anchor, with which later prompt versions are compared: this one's own unless another is given.
    allowed
        Prompt versions that may be used, None where that is not declared.

    Raises
    ------
    LensMismatchError
        The origin was seen through another lens.
    """

    baseline: Baseline
    budget: Budget
    tolerances: Mapping[str, float] = field(default_factory=lambda: TOLERANCES)
    clear_after: int = CLEAR_AFTER
    origin: Baseline | None = None
    allowed: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.origin is not None and self.origin.pane.lens != self.baseline.pane.lens:
            raise LensMismatchError(
                f"anchor {self.origin.id} was seen through lens {self.origin.pane.lens}, baseline {self.baseline.id} "
                f"through {self.baseline.pane.lens}: build the baseline with --lens {self.origin.pane.lens}"
            )

    @cached_property
    def anchor(self) -> Anchor | None:
        """The prompt version that later ones are compared with."""
        return anchored(self.origin) if self.origin else self.own_anchor

    @cached_property
    def own_anchor(self) -> Anchor | None:
        """The baseline's own earliest prompt version; a pool, of many prompts, has none."""
        return None if self.baseline.members else anchored(self.baseline)

    @cached_property
    def layout(self) -> Layout:
        """Layout of blocks."""
        return Layout.of(self.baseline)

    @cached_property
    def thresholds(self) -> dict[str, tuple[float, float]]:
        """Threshold and guaranteed threshold of each detector."""
        return self.baseline.thresholds(self.budget)

    @cached_property
    def calls_a_day(self) -> float:
        """The baseline's rate of calls."""
        return self.baseline.calls_a_day


@dataclass(frozen=True, slots=True)
class Latch:
    """An alarm that stands, the direction in which it drifted, and the prompt version that it is about, if it is."""

    detector: str
    statistic: float
    raised_at: int
    since: int
    tick: int
    calls: int
    way: FloatArray
    version: str = ""
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class SegmentState:
    """All that is remembered of a segment."""

    pending: Pane | None
    detectors: State
    history: History
    markers: Markers
    statistics: Mapping[str, float]
    latches: Mapping[str, Latch] = field(default_factory=dict)  # by question
    started: Mapping[str, int] = field(default_factory=dict)  # calls judged when a question's detectors started anew
    rows: Rows = field(default_factory=lambda: np.zeros(0, ROW))
    texts: tuple[Texts, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    held: bool = False
    calls: int = 0
    chain: Chain = field(default_factory=Chain)
    prompts: Watched = field(default_factory=Watched)
    unlike: Version | None = None  # calls since most inputs came to be unlike the baseline's
    like: int = 0  # calls since a block of which most were unlike them
    unlike_at: int = 0  # calls judged when their answers were last found to have moved


def start(judge: Judge) -> SegmentState:
    """State of a segment of which nothing was judged."""
    return SegmentState(
        None,
        judge.baseline.panel.start(),
        History.start(judge.layout.span),
        Markers.of(judge.baseline),
        {},
        prompts=prompt_rules.start(judge.baseline),
    )


def with_exemplars(state: SegmentState, pane: Pane) -> SegmentState:
    """The state with up to ten calls of another block for examples, the oldest forgotten."""
    rows = _appended(state.rows, pane.sample.rows[:10])[-EXEMPLARS:]
    new = pane.sample.texts or (("", ""),) * len(pane.sample.rows)
    texts = (*state.texts, *new[:10])[-EXEMPLARS:]
    names = state.names
    if not pane.names.keys() <= names.keys():  # else they cannot grow
        used = {*rows["stratum"].tolist(), *rows["markers"].ravel().tolist()}
        used |= {event.before for event in state.markers.events} | {event.after for event in state.markers.events}
        used |= set(state.markers.usual.values())
        names = {code: name for code, name in {**names, **pane.names}.items() if code in used}
    return replace(state, rows=rows, texts=texts, names=names)


def _appended(rows: Rows, new: Rows) -> Rows:
    """Rows of one kind, without the search for a kind common to both that ``np.concatenate`` makes of tables."""
    made = np.zeros(len(rows) + len(new), ROW)
    made[: len(rows)], made[len(rows) :] = rows, new
    return made
