"""``driftline backtest``: what drift would be noticed in an operator's own calls, and how soon?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
from rich.console import Console

from drift.backtest import Plan
from drift.backtest import backtest as tried
from drift.baseline import Baseline
from drift.call import Rows
from drift.errors import BaselineRefusedError, SettingsError, SourceError
from drift.soundness import LEAST
from streams import plots
from streams.building import build_baseline
from streams.cli import delays
from streams.cli.common import Reading, bar, console, emit, open_meter, read, reading_options, say, settings_options
from streams.cli.delays import Found
from streams.cli.segments import chosen, first_calls, grouped
from streams.cli.stored import as_json, save
from streams.embedded import FIRST
from streams.held_back import seen
from streams.injected import KINDS, Material
from streams.measure import Meter
from streams.origins import tagged_segment
from streams.records import Record
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.store import Store
from streams.wording import percent


class Share(click.ParamType):
    """A share of one, written as ``5%`` or ``0.05``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; it must be positive and no more than ten times all."""
        text = str(value).replace(" ", "")
        try:
            found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            found = -1.0
        if not 0 < found <= 10:
            self.fail(f"{value!r} is no size: write 5% or 0.05", param, ctx)
        return found


@dataclass(frozen=True)
class Setup:
    """A baseline, the calls that streams are made of, and their rate."""

    baseline: Baseline
    rows: Rows
    own: bool
    calls_a_day: float


@click.command("backtest")
@click.argument("source", metavar="FILE")
@click.option(
    "--inject",
    "kind",
    required=True,
    type=click.Choice(list(KINDS)),
    help="; ".join(f"{name}: {kind.help}" for name, kind in KINDS.items()) + ".",
)
@click.option("--from", "elsewhere", metavar="FILE", help="The calls of a new topic, or of another model.")
@click.option("--size", "sizes", multiple=True, type=Share(), help="Such as 5%. Repeatable.  [default: a range]")
@click.option("--topic", metavar="WORDS|NUMBER", help="The topic that grows.  [default: the middle one by size]")
@click.option("--gradual", default=0, type=click.IntRange(0), metavar="N", help="It grows to its size over N calls.")
@click.option("--segment", metavar="SEGMENT", help="The segment, where FILE has several.")
@click.option("--baseline", "name", metavar="NAME|FILE", help="A baseline.  [default: of the file's first calls]")
@click.option("--first", type=click.IntRange(LEAST), help=f"Calls that become it.  [default: half, at most {FIRST:,}]")
@click.option("--force", is_flag=True, help="Take the first calls as the baseline even if many repeat each other.")
@click.option("--streams", default=40, show_default=True, type=click.IntRange(10), help="Streams for each size.")
@click.option("--before", default=2000, show_default=True, type=click.IntRange(100), help="Calls before the change.")
@click.option("--horizon", default=8000, show_default=True, type=click.IntRange(100), help="Calls after the change.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the random numbers.")
@click.option("--plot", metavar="FILE", help="Draw what was noticed, and when, over size: a .png, .svg or .pdf.")
@as_json
@reading_options
@settings_options("store", "embedder", "one_false_alarm_every", "tick_s", "scores")
def backtest(
    source: str,
    kind: str,
    elsewhere: str | None,
    sizes: tuple[float, ...],
    topic: str | None,
    gradual: int,
    segment: str | None,
    name: str | None,
    first: int | None,
    force: bool,
    streams: int,
    before: int,
    horizon: int,
    seed: int,
    plot: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Put drift into your own calls and say what would be noticed, after how many calls and hours.

    A baseline is made of the file's first calls, streams of the others, each in an order of its own; after the first
    --before calls of a stream the drift begins. Where the others are too few for a stream, calls are drawn from the
    baseline's own, and baselines redrawn and fitted anew, so that the answer is not flattered.

    \b
      driftline backtest calls.jsonl --inject new-topic --from travel.jsonl --size 10%
      driftline backtest calls.jsonl --inject longer --gradual 4000 --plot longer.png
      driftline backtest calls.jsonl --inject error --size 1% --size 5% --baseline support-bot@prod
    """
    out = console()
    plots.require(plot)
    _check(kind, elsewhere, topic, name, first)
    meter = open_meter(settings)
    plan = Plan(streams, before, horizon, gradual, seed=seed)
    setup = _setup(out, source, segment, name, first, force, plan, meter, reading, settings)
    plan = replace(plan, own=setup.own)
    others = None if elsewhere is None else _rows(out, meter, setup.baseline, _all(out, elsewhere, reading), settings)
    material = Material(setup.baseline, setup.rows, others, topic, seed)
    if kind == "model":
        _warn_strata(out, material)
    found = _tried(out, kind, material, sizes, plan, setup, settings)
    delays.tell(out, found, settings.budget)
    for line in delays.records(kind, found) if as_json else ():
        emit(line)
    if plot:
        save(plot, delays.drawn(plot, kind, found), "--plot")
        say(out, f"drawn: {plot}")


def _tried(
    out: Console,
    name: str,
    material: Material,
    sizes: Sequence[float],
    plan: Plan,
    setup: Setup,
    settings: Settings,
) -> list[Found]:
    """What drift of each size did; by default of all sizes that there is room for."""
    kind, found = KINDS[name], list[Found]()
    usual = kind.usual(material)
    wanted = sorted(set(sizes)) or [size for size in kind.sizes if usual + size <= 1]
    injections = [kind.put(material, size) for size in wanted]  # what cannot be asked for is refused before the work
    thresholds = {one: threshold for one, (threshold, _) in setup.baseline.thresholds(settings.budget).items()}
    with bar(out, float(len(wanted))) as step:
        for number, (size, injection) in enumerate(zip(wanted, injections, strict=True)):

            def told(done: float, what: str = f"{name} {percent(size)}", before: int = number) -> None:
                step(what, before + done)

            outcome = tried(setup.baseline, injection, plan, thresholds, settings.all_tolerances, progress=told)
            found.append(Found(setup.baseline, kind.sentence(material, size), size, outcome, plan, setup.calls_a_day))
    return found


def _check(kind: str, elsewhere: str | None, topic: str | None, name: str | None, first: int | None) -> None:
    """Refuse options that do not go together."""
    if KINDS[kind].elsewhere and elsewhere is None:
        raise SettingsError(f"--inject {kind} wants --from FILE: {KINDS[kind].help}")
    if elsewhere is not None and not KINDS[kind].elsewhere:
        raise SettingsError(f"--from is for --inject {' and '.join(k for k, v in KINDS.items() if v.elsewhere)}")
    if topic is not None and kind != "topic":
        raise SettingsError("--topic is for --inject topic")
    if name is not None and first is not None:
        raise SettingsError("--first makes a baseline and --baseline names one: give one of them")


def _setup(
    out: Console,
    source: str,
    segment: str | None,
    name: str | None,
    first: int | None,
    force: bool,
    plan: Plan,
    meter: Meter,
    reading: Reading,
    settings: Settings,
) -> Setup:
    stored = Store(settings.store).baseline(name) if name else None
    if stored is not None and name:
        require_embedder(meter, stored.lens, f"baseline {stored.id}")
        segment = segment or tagged_segment(name) or stored.segment
    records = _segment(out, source, segment, reading)
    baseline, rest = (stored, records) if stored else _built(out, records, first, force, meter, settings)
    days = (records[-1].event_time - records[0].event_time) / 86_400_000
    rows = _rows(out, meter, baseline, rest, settings) if rest else baseline.pane.sample.rows[:0]
    rows = _unlike(baseline, rows)
    own = len(rows) < plan.length
    say(
        out,
        f"baseline {baseline.id} of {baseline.segment}, {baseline.pane.n:,} calls; {len(rows):,} others in {source}",
    )
    if own:
        said = f"these are fewer than the {plan.length:,} of a stream (--before and --horizon): streams are drawn from "
        say(out, f"{said}the baseline's own calls, and it is redrawn and fitted anew for each", style="yellow")
        rows = baseline.pane.sample.rows
    return Setup(baseline, rows, own, len(records) / max(days, 1e-6))


def _unlike(baseline: Baseline, rows: Rows) -> Rows:
    """Calls that are not the baseline's own: where some are, none of its time is taken, for it names but a sample."""
    if not np.isin(rows["key"], baseline.pane.sample.rows["key"]).any():
        return rows
    return rows[(rows["at"] < baseline.pane.tick) | (rows["at"] >= baseline.pane.end)]


def _segment(out: Console, source: str, segment: str | None, reading: Reading) -> list[Record]:
    groups = grouped(read(source, reading, out), None, None)
    if segment is None and len(groups) > 1:
        known = ", ".join(f"{one} ({len(calls):,} calls)" for one, calls in sorted(groups.items())[:20])
        raise SourceError(f"{source} has {len(groups)} segments: choose one by --segment: {known}")
    groups = chosen(groups, (segment,) if segment else (), source)
    return next(iter(groups.values()))


def _built(
    out: Console, records: Sequence[Record], first: int | None, force: bool, meter: Meter, settings: Settings
) -> tuple[Baseline, Sequence[Record]]:
    """A baseline of the first calls, and the others."""
    if len(records) < LEAST:
        raise BaselineRefusedError(f"a baseline needs at least {LEAST} calls, got {len(records)}: give a longer file")
    wanted = first or max(min(len(records) // 2, FIRST), LEAST)
    taken = first_calls(records, wanted, settings.clock)
    with bar(out, 1.0) as step:
        made = build_baseline(meter, taken, clock=settings.clock, force=force, scores=settings.scores, progress=step)
    return made, records[len(taken) :]


def _all(out: Console, source: str, reading: Reading) -> list[Record]:
    """Every call of a file, whatever its segment."""
    return [record for group in grouped(read(source, reading, out), None, None).values() for record in group]


def _rows(out: Console, meter: Meter, baseline: Baseline, records: Sequence[Record], settings: Settings) -> Rows:
    with bar(out, 1.0) as step:
        held = seen(meter, baseline, records, settings.clock, progress=lambda done: step("measuring", done))
    return held.rows


def _warn_strata(out: Console, material: Material) -> None:
    known = material.baseline.frame.stratum(material.elsewhere["stratum"]) >= 0
    if not known.all():
        said = f"{percent(1 - float(known.mean()))} of the calls of --from carry a prompt version or variant that the "
        say(out, f"{said}baseline does not know: their answers cannot be compared with it", style="yellow")
