"""The first calls of a segment as panes, until they are enough for a baseline: pure, for a judge that sees no call.

Whole ticks in event time, as ``driftline watch`` takes them of a file, seen through the default lens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drift import baseline as baselines
from drift import pane as panes
from drift.baseline import REFERENCE, Baseline, Kept
from drift.block import sizes
from drift.call import NOTHING, Declared
from drift.errors import BaselineRefusedError
from drift.lens import Lens
from drift.pane import Pane
from streams.provisional import Provisional
from streams.redact import Privacy

ENOUGH = 1000
"""Calls of a fair sample that a baseline rests on where panes hold no more than a part of their calls."""

PATIENCE = 4
"""Times the wanted calls after which a fair sample grows no more: one huge tick may have left too little of all."""


@dataclass(frozen=True, slots=True)
class First:
    """Closed ticks of a segment that waits for its baseline, in order of time.

    Parameters
    ----------
    wanted
        Calls that become the baseline, and all of the tick that reaches them.
    held
        Each tick as the bytes of a pane, made once: to be stored one by one, for 3,000 calls are some 2 MB.
    end
        Event time that the ticks reach.
    cut
        Whether a tick had more calls than its panes hold rows: then it goes on until a fair sample is large enough.
    """

    wanted: int
    held: tuple[bytes, ...] = ()
    calls: int = 0
    end: int = 0
    cut: bool = False

    @classmethod
    def of(cls, wanted: int, held: Iterable[bytes]) -> First:
        """The ticks that were stored, in order of time.

        Raises
        ------
        CorruptError
            One of them is damaged, or of a format that this release does not read.
        """
        made = cls(wanted)
        for one in held:
            made = made._with(panes.decode(one), one)
        return made

    def add(self, tick: Pane) -> First:
        """The ticks with one more, made by `whole`; one without calls or that is there already changes nothing."""
        if tick.n == 0 or tick.tick < self.end:
            return self
        return self._with(tick, panes.encode(tick))

    def _with(self, tick: Pane, data: bytes) -> First:
        cut = self.cut or tick.kept is not None
        return First(self.wanted, (*self.held, data), self.calls + tick.n, tick.end, cut)

    @property
    def ticks(self) -> list[Pane]:
        """The panes of its ticks."""
        return [panes.decode(one) for one in self.held]

    @property
    def full(self) -> bool:
        """Whether the calls are enough for a baseline, or will never be."""
        if self.calls < self.wanted:
            return False
        return not self.cut or self.calls >= PATIENCE * self.wanted or _sampled(self.ticks) >= ENOUGH


def whole(parts: Sequence[Pane]) -> Pane:
    """A closed tick from the panes of its source partitions, with all the rows that they hold."""
    return panes.merge(parts, size=REFERENCE)


def _sampled(ticks: Sequence[Pane]) -> int:
    """Rows of all ticks that are a fair sample together."""
    taus = [one.sample.tau for one in ticks if one.sample.tau is not None]
    keys = [one.sample.rows["key"] for one in ticks]
    return sum(int((key < min(taus)).sum()) if taus else len(key) for key in keys)


def known_facts(declared: Declared, texts: Privacy, largest_session: float | None = None) -> dict[str, Any]:
    """What a baseline says of how its calls were measured; what does not apply is absent."""
    known = {
        "slices": [{"field": one.field, "values": one.values} for one in declared.slices],
        "scores": declared.scores,
        "texts": "" if texts == "full" else texts,
        "largest_session": largest_session,
    }
    return {name: told for name, told in known.items() if told}


def build(
    first: First,
    lens: Lens,
    *,
    declared: Declared = NOTHING,
    texts: Privacy = "full",
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
    kept: Kept | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Baseline:
    """Baseline of the first ticks; a drift inside them is warned of, since a judge that refuses is blind.

    Parameters
    ----------
    declared, texts
        By which declared fields, scores and privacy their calls were measured.
    facts
        What else it should say of where it came from.
    force
        Build it although calls repeat each other.
    kept
        Calibrations of earlier builds, such as those of a store.

    Raises
    ------
    BaselineRefusedError
        The calls are too few, a sample of them is too small, or, and ``force`` is not given, they repeat each other.
    """
    ticks = first.ticks
    if first.cut and (rows := _sampled(ticks)) < ENOUGH:
        raise BaselineRefusedError(
            f"segment {ticks[0].segment}: its first {first.calls:,} calls came faster than panes keep them, {rows} are "
            f"left as a fair sample, {ENOUGH:,} are needed: build it from the calls (driftline baseline build)"
        )
    return baselines.build(
        lens,
        ticks,
        sizes(ticks),
        facts={"first": first.calls, **(facts or {}), **known_facts(declared, texts)},
        force=force,
        drift_refuses=False,
        kept=kept,
        progress=progress,
    )


def provisional(first: First, segment: str, tolerances: Mapping[str, float]) -> Provisional:
    """What has watched these ticks: who takes a segment over goes on with it, what was told is not told again."""
    watching = Provisional()
    for tick in first.ticks:
        watching.tick(segment, tick, tolerances)
    return watching
