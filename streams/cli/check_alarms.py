"""``driftline check-alarms``: does a baseline keep its promise about false alarms?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
import scipy.stats
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.baseline import Baseline
from drift.budget import Budget
from drift.call import SCORES
from drift.errors import BaselineRefusedError
from drift.false_alarms import (
    TELLING,
    WANTED,
    RunLengths,
    Tally,
    orders,
    own_alarm_every,
    reordered,
    resampled,
    run_length,
)
from drift.fit import Features
from drift.state import Judge
from drift.trials import longest_stream
from streams import plots
from streams.cli.common import Reading, bar, console, emit, open_meter, read, reading_options, say, settings_options
from streams.cli.segments import chosen, grouped
from streams.cli.stored import as_json, save
from streams.held_back import HeldBack, seen
from streams.origins import tagged_segment
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.store import Store
from streams.wording import figure, percent

TOGETHER = "together"
NOTES = (
    "a detector may go beyond its own share: what is promised is their sum",
    "prompt_chain, which has a share too, is not tried: resampled calls have no new prompt version",
)

HOURS = (
    "this baseline knows hours of the day; resampled streams have none, so what it gets wrong of them is not tried: "
    "give calls of other days by --against"
)

REMEDY = "build the baseline of more calls: detectors alarm on what a small one gets wrong of its own traffic"

ANSWERS = {
    "kept": Text("kept", "green"),
    "broken": Text("broken", "bold red"),
    "not_enough_exposure": Text("not enough exposure to tell", "yellow"),
}


@dataclass(frozen=True)
class Checked:
    """Alarms of all detectors together and of each alone, beside what each may raise, and how long runs lasted.

    ``of`` is ``resampled``, ``smaller_budget`` (the same runs under another one) or ``held_back`` (whose runs are other
    orders of the calls).
    """

    of: str
    together: Tally
    alone: Mapping[str, Tally]
    runs: RunLengths


@click.command("check-alarms")
@click.argument("name", metavar="NAME|FILE")
@click.option("--against", metavar="FILE", help="Judge these held-back calls too: a file of calls that did not drift.")
@click.option("--runs", default=100, show_default=True, type=click.IntRange(20), help="Runs, each of a new baseline.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the random numbers.")
@click.option("--plot", metavar="FILE", help="Draw run lengths and intervals: a .png, .svg or .pdf.")
@as_json
@reading_options
@settings_options("store", "embedder", "one_false_alarm_every", "tick_s")
def check_alarms(
    name: str,
    against: str | None,
    runs: int,
    seed: int,
    plot: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Show whether a baseline raises false alarms as rarely as it promises (an A/A report).

    NAME is an id, SEGMENT@TAG or a file of a baseline. It is redrawn from its own calls and fitted anew, a stream
    without drift is drawn and judged, again and again; random numbers are others than those that found the thresholds.
    Counted is evidence over a threshold: the tolerance makes real alarms rarer still. With --against held-back calls
    are judged in their order, as `driftline watch` would, and in other orders.

    Exit status: 0 the promise is kept or there is too little to tell (which is said), 1 it is broken: the whole
    95 % interval of the calls between false alarms lies below it.

    \b
      driftline check-alarms support-bot/answer@prod
      driftline check-alarms support-bot/answer@prod --against next-week.jsonl --plot alarms.png
      driftline check-alarms prod.safetensors --one-false-alarm-every 30d --json
    """
    out = console()
    plots.require(plot)
    baseline = Store(settings.store).baseline(name)
    if baseline.calibration is None:
        say(out, "its calls were too few to calibrate: the guaranteed thresholds are checked", style="yellow")
    promise = settings.budget.calls(baseline.calls_a_day)
    say(out, *_promised(baseline, settings.budget, promise))
    segment = tagged_segment(name) or baseline.segment
    held = None if against is None else _seen(out, against, segment, baseline, reading, settings)
    found = list(_resampled(out, baseline, settings.budget, promise, runs, seed))
    for one in found:
        _tell(out, one)
    if found[0].together.answer == "broken":
        say(out, REMEDY, style="yellow")
    say(out, *NOTES, *((HOURS,) if baseline.frame.slots > 1 else ()), style="dim")
    if held is not None:
        found.append(_judged(out, baseline, held, settings, runs, seed))
    for one in found if as_json else ():
        _emit(baseline, one, settings.budget)
    if plot:
        _draw(plot, baseline, found[0])
        say(out, f"drawn: {plot}")
    if any(one.together.answer == "broken" for one in found if one.of != "smaller_budget"):
        sys.exit(1)


def _promised(baseline: Baseline, budget: Budget, promise: float) -> Iterator[str]:
    in_calls = f" ({promise:,.0f} calls at the baseline's rate)" if budget.unit == "days" else ""
    yield f"baseline {baseline.id} of {baseline.segment}, {len(baseline.features.topic):,} reference calls"
    yield f"promised: at most one false alarm of all detectors together every {budget}{in_calls}"


def _seen(out: Console, path: str, segment: str, baseline: Baseline, reading: Reading, settings: Settings) -> HeldBack:
    """The held-back calls of the segment, before any long work."""
    records = chosen(grouped(read(path, reading, out), None, None), (segment,), path)[segment]
    meter = open_meter(settings)
    require_embedder(meter, baseline.lens, f"baseline {baseline.id}")
    with bar(out, 1.0, f"{segment}: ") as step:
        held = seen(meter, baseline, records, settings.clock, progress=lambda done: step("measuring", done))
    if not len(held.blocks):
        raise BaselineRefusedError(f"{path}: {len(held.rows)} calls are too few to judge: give more held-back calls")
    return held


def _thresholds(baseline: Baseline, budget: Budget) -> dict[str, float]:
    return {name: threshold for name, (threshold, _) in baseline.thresholds(budget).items()}


def _resampled(
    out: Console, baseline: Baseline, budget: Budget, promise: float, runs: int, seed: int
) -> Iterator[Checked]:
    """The check by resampling; where a promise is too large for it, also at a budget that it can tell of."""
    length = min(run_length(promise, runs), longest_stream(baseline))
    budgets = [budget]
    if runs * length < TELLING * promise:
        budgets.append(replace(budget, every=float(f"{runs * length / WANTED:.2g}"), unit="calls"))
    with bar(out, 1.0) as step:
        found = resampled(
            baseline,
            [_thresholds(baseline, one) for one in budgets],
            runs=runs,
            length=length,
            seed=seed,
            progress=lambda done: step("judging streams without drift", done),
        )
    for of, one, lengths in zip(("resampled", "smaller_budget"), budgets, found, strict=False):
        yield _checked(of, baseline, one, lengths)


def _checked(of: str, baseline: Baseline, budget: Budget, lengths: RunLengths) -> Checked:
    shares = own_alarm_every(baseline.thresholds(budget))
    alone = {_named(baseline, name): lengths.tally(shares[name], name) for name in baseline.panel.names}
    return Checked(of, lengths.tally(budget.calls(baseline.calls_a_day)), alone, lengths)


def _named(baseline: Baseline, detector: str) -> str:
    """A detector as alerts name it: a score has its own name."""
    return baseline.title(detector) if detector in SCORES else detector


def _judged(out: Console, baseline: Baseline, held: HeldBack, settings: Settings, runs: int, seed: int) -> Checked:
    """Alarms that the judge raises on the held-back calls, told with what other orders of them would have raised."""
    judge = Judge(baseline, settings.budget, settings.all_tolerances, settings.clear_after)
    raised, calls = held.judged(judge), float(len(held.rows))
    shares = own_alarm_every(judge.thresholds)
    alone = {
        _named(baseline, name): Tally(sum(one.detector == _named(baseline, name) for one in raised), calls, share)
        for name, share in shares.items()
    }
    promise = settings.budget.calls(baseline.calls_a_day)
    with bar(out, 1.0) as step:
        lengths = reordered(
            baseline,
            Features.of(baseline.frame, held.rows),
            held.blocks,
            _thresholds(baseline, settings.budget),
            runs=orders(len(held.rows), runs),
            seed=seed,
            progress=lambda done: step("judging held-back calls in other orders", done),
        )
    found = Checked("held_back", Tally(len(raised), calls, promise), alone, lengths)
    _tell(out, found)
    for one in raised:
        say(out, f"  {one.kind.replace('_', ' ')}: {one.sentence}")
    if raised:
        say(out, "what has drifted is no false alarm: judge these by what you know of the calls", style="yellow")
    return found


def _tell(out: Console, found: Checked) -> None:
    say(out, "", _heading(found), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "may alarm every", "alarms", "one alarm every", "95 % interval (calls)", "of its share"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one in {TOGETHER: found.together, **found.alone}.items():
        if found.of != "resampled" and name != TOGETHER and not one.alarms:
            continue
        style = "bold" if name == TOGETHER else "red" if one.answer == "broken" else ""
        cells = (name.replace("_", " "), f"{one.promise:,.0f}", f"{one.alarms:,}", *_realised(one))
        table.add_row(*map(Text, cells), style=style)
    out.print(table)
    out.print(Text.assemble(ANSWERS[found.together.answer], Text(f": {_sentence(found)}")))


def _heading(found: Checked) -> str:
    many = f"{len(found.runs.length)} runs of {found.runs.length.mean():,.0f} calls"
    return {
        "resampled": f"by resampling: {many}",
        "smaller_budget": f"the same runs, were one false alarm allowed every {found.together.promise:,.0f} calls",
        "held_back": f"{found.together.exposure:,.0f} held-back calls in their order, as `driftline watch` judges",
    }[found.of]


def _realised(one: Tally) -> tuple[str, str, str]:
    low, high = one.interval
    every = f"{one.calls_per_alarm:,.0f}" if one.alarms else "none"
    interval = f"{low:,.0f} to {high:,.0f}" if one.alarms else f"more than {low:,.0f}"
    # a rate, so that more than 100 % is more often than promised
    return every, interval, percent(one.promise / one.calls_per_alarm) if one.alarms else "0 %"


def _sentence(found: Checked) -> str:
    one, runs = found.together, found.runs
    every, interval, _ = _realised(one)
    said = f"{one.alarms:,} alarm{'s' * (one.alarms != 1)} in {one.exposure:,.0f} calls, {figure(one.expected)} allowed"
    said += f"; one every {every} calls ({interval})" if one.alarms else f"; one in {interval} calls"
    alarmed, count = int(np.isfinite(runs.family).sum()), len(runs.length)
    low, high = scipy.stats.binomtest(alarmed, count).proportion_ci()
    allowed = float(np.mean(-np.expm1(-runs.length / one.promise)))
    what = f"of {count} other orders of them" if found.of == "held_back" else f"of {count} runs"
    return f"{said}; {alarmed} {what} alarmed ({percent(low)} to {percent(high)}), {percent(allowed)} may"


def _emit(baseline: Baseline, found: Checked, budget: Budget) -> None:
    about = {"of": found.of, "baseline": baseline.id, "segment": baseline.segment, "budget": str(budget)}
    for name, one in {TOGETHER: found.together, **found.alone}.items():
        low, high = one.interval
        emit(
            about
            | {
                "detector": name,
                "promised_every_calls": round(one.promise),
                "calls": round(one.exposure),
                "alarms": one.alarms,
                "allowed_alarms": round(one.expected, 4),
                "one_every_calls": _finite(one.calls_per_alarm),
                "low": _finite(low),
                "high": _finite(high),
                "answer": one.answer,
            }
            | (_run_lengths(found.runs) if name == TOGETHER else {})
        )


def _run_lengths(runs: RunLengths) -> dict[str, Any]:
    """Runs' calls until their alarm, and the share without one until then with its interval."""
    ended = np.isfinite(runs.family)
    names = ("calls", "share_without_alarm", "low", "high")
    survival = [dict(zip(names, map(_finite, point), strict=True)) for point in zip(*runs.survival(), strict=True)]
    return {
        "run_lengths": {
            "alarmed": np.sort(runs.family[ended]).tolist(),
            "without_alarm": np.sort(runs.length[~ended]).tolist(),
            "survival": survival,
        }
    }


def _finite(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _draw(path: str, baseline: Baseline, found: Checked) -> None:
    title = f"False alarms of {baseline.segment}: {_sentence(found).split(';')[0]}"
    save(path, plots.false_alarms(path, title, found.runs, found.together, found.alone), "--plot")
