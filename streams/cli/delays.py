"""What a backtest found: to read, for programs, and to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.backtest import Noticed, Outcome, Plan
from drift.baseline import Baseline
from drift.budget import Budget
from drift.call import SCORES
from drift.effects import Effect
from streams import plots
from streams.cli.common import say
from streams.plots import Course
from streams.wording import figure, lasting, percent

ANY = "any"
"""What stands for all detectors together."""


@dataclass(frozen=True)
class Found:
    """What a drift of one size did under a baseline, the drift in words, and how many calls a day brings."""

    baseline: Baseline
    what: str
    size: float
    outcome: Outcome
    plan: Plan
    calls_a_day: float

    @property
    def together(self) -> Noticed:
        """By any detector that the drift matters to; by none, where it is below every tolerance."""
        if self.outcome.affected:
            return self.outcome.noticed(*self.outcome.affected)
        return Noticed(np.full(self.plan.streams, np.inf), 0)

    def lasting(self, calls: float) -> str:
        """How long so many calls take."""
        return lasting(calls / self.calls_a_day)

    @property
    def sentence(self) -> str:
        """What an operator wants to know."""
        outcome, noticed = self.outcome, self.together
        slowly = f", gradually over {self.plan.gradual:,} calls," if self.plan.gradual else ""
        what = self.what[0].upper() + self.what[1:] + slowly
        if not outcome.affected:
            return f"{what.rstrip(',')}: below your tolerance, no alert however long it lasts ({self._largest()})."
        streams = f"{noticed.found} of {len(noticed.delay)} streams"
        within = f"within {self.plan.horizon:,} calls ({self.lasting(self.plan.horizon)} of your traffic)"
        if noticed.share < 0.5 or not len(noticed.delay):
            often = "" if not noticed.found else f" more often than not: {streams} noticed"
            return f"{what} would not be noticed {within}{often}."
        calls = noticed.quantile(0.5)
        leader = self.baseline.title(outcome.leader)
        after = f"{_rounded(calls):,} calls, about {self.lasting(calls)} of your traffic"
        return f"{what} would be noticed after {after} ({streams}, mostly by {leader} first)."

    def _largest(self) -> str:
        name = self.outcome.strongest
        tolerance, found = self.outcome.tolerances[name], self.outcome.effects.get(name)
        if found is None or found.size == 0:
            return "no detector sees anything of it"
        return f"largest effect: {self.baseline.title(name)}, {figure(found.size)} of {figure(tolerance)}"


def _rounded(calls: float) -> int:
    """Calls to two digits that count."""
    return round(float(f"{calls:.2g}"))


def tell(out: Console, found: Sequence[Found], budget: Budget) -> None:
    """A table of all sizes, whether alarms come without drift, and a sentence for each size."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    plan = found[0].plan
    for column in (
        "size",
        "detector",
        "effect",
        "noticed",
        "95 % interval",
        "after (median)",
        "8 of 10 between",
        "time",
    ):
        table.add_column(column, justify="left" if column == "detector" else "right")
    for one in found:
        table.add_row(*map(Text, (percent(one.size), ANY, "", *_cells(one, one.together))), style="bold")
        for name in _shown(one.outcome):
            effect = _effect(one.outcome.effects.get(name))
            table.add_row("", Text(one.baseline.title(name)), Text(effect), *map(Text, _by(one, name)))
    say(out, f"{plan.streams} streams for each size; noticed: an alarm within {plan.horizon:,} calls of the change")
    out.print(table)
    say(out, "", *_without_drift(found[0], budget.calls(found[0].baseline.calls_a_day)), style="dim")
    say(out, "", *(one.sentence for one in found))


def _shown(outcome: Outcome) -> list[str]:
    """Detectors to which the drift matters, and those that would say something of it but for their tolerance."""
    quiet = [
        name
        for name in outcome.first
        if name not in outcome.affected and outcome.effects.get(name) is not None and outcome.noticed(name).share >= 0.2
    ]
    return [*outcome.affected, *quiet]


def _by(one: Found, name: str) -> tuple[str, ...]:
    if name not in one.outcome.affected:
        return ("below tolerance", *[""] * 4)
    return _cells(one, one.outcome.noticed(name))


def _cells(one: Found, noticed: Noticed) -> tuple[str, str, str, str, str]:
    low, high = noticed.interval
    early, median, late = (noticed.quantile(share) for share in (0.1, 0.5, 0.9))
    more = f"more than {one.plan.horizon:,}"
    return (
        f"{noticed.found} of {len(noticed.delay)}",
        f"{percent(low)} to {percent(high)}",
        f"{median:,.0f}" if np.isfinite(median) else more,
        f"{early:,.0f} to {f'{late:,.0f}' if np.isfinite(late) else '…'}" if np.isfinite(early) else "",
        one.lasting(median) if np.isfinite(median) else "",
    )


def _effect(found: Effect | None) -> str:
    if found is None:
        return ""
    if found.baseline is None or found.current is None:
        return f"{figure(found.size)} {found.unit}"
    if found.unit == "points":
        return f"{percent(found.baseline)} → {percent(found.current)}"
    return f"{figure(found.baseline)} → {figure(found.current)} {found.unit}"


def _without_drift(one: Found, promise: float) -> Iterator[str]:
    alarmed, streams, before = one.outcome.false_alarms, one.plan.streams, one.plan.before
    test = scipy.stats.binomtest(
        alarmed, streams, allowed := -float(np.expm1(-before / promise)), alternative="greater"
    )
    yield (
        f"false alarms: {alarmed} of {streams} streams in the {before:,} calls before the change, "
        f"the promise (one every {promise:,.0f}) allows {percent(allowed)}"
    )
    if test.pvalue < 0.01 and not one.plan.own:
        yield (
            "that is more than promised: the calls differ from the baseline as they are, and delays look shorter than "
            "they would be; take a baseline of later calls (--baseline, --first)"
        )


def records(kind: str, found: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """A line for each size and detector, all together first."""
    for one in found:
        about = {
            "baseline": one.baseline.id,
            "segment": one.baseline.segment,
            "inject": kind,
            "size": one.size,
            "gradual_calls": one.plan.gradual,
            "horizon_calls": one.plan.horizon,
        }
        before = {
            "calls_before": one.plan.before,
            "false_alarms": one.outcome.false_alarms,
            "streams": one.plan.streams,
        }
        yield about | {"detector": ANY} | _figures(one, one.together) | before | {"sentence": one.sentence}
        for name in one.outcome.first:
            effect = one.outcome.effects.get(name)
            size = {} if effect is None else {"effect": round(effect.size, 4), "measure": effect.measure}
            matters = {"tolerance": one.outcome.tolerances[name], "matters": name in one.outcome.affected}
            named = one.baseline.title(name) if name in SCORES else name  # as alerts name it
            yield about | {"detector": named} | size | matters | _figures(one, one.outcome.noticed(name))


def _figures(one: Found, noticed: Noticed) -> dict[str, Any]:
    low, high = noticed.interval
    median = noticed.quantile(0.5)
    return {
        "noticed": noticed.found,
        "of": len(noticed.delay),
        "share": None if np.isnan(noticed.share) else round(noticed.share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "median_calls": _finite(median),
        "p10_calls": _finite(noticed.quantile(0.1)),
        "p90_calls": _finite(noticed.quantile(0.9)),
        "median_s": _finite(median / one.calls_a_day * 86_400),
    }


def _finite(value: float) -> float | None:
    return round(value, 1) if np.isfinite(value) else None


def drawn(path: str, kind: str, found: Sequence[Found]) -> bytes:
    """A picture of what was noticed, and when, over size."""
    plan, baseline = found[0].plan, found[0].baseline
    slowly = f", gradually over {plan.gradual:,} calls" if plan.gradual else ""
    names = dict.fromkeys(name for one in found for name in one.outcome.affected)
    each = [
        _course(
            baseline.title(name), [(one, one.outcome.noticed(name)) for one in found if name in one.outcome.affected]
        )
        for name in names
    ]
    together = _course("any detector", [(one, one.together) for one in found])
    title = f"Drift put into {baseline.segment}: {kind.replace('-', ' ')}{slowly}"
    return plots.delays(path, title, "size, %", plan.horizon, together, each if len(each) > 1 else [])


def _course(name: str, points: Sequence[tuple[Found, Noticed]]) -> Course:
    seen = [noticed for _, noticed in points]
    return Course(
        name,
        [one.size * 100 for one, _ in points],
        [noticed.share for noticed in seen],
        [noticed.interval for noticed in seen],
        *([noticed.quantile(share) for noticed in seen] for share in (0.5, 0.1, 0.9)),
    )
