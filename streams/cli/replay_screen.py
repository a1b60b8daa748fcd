"""What a person sees of a replay, and what programs read."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streams.cli.common import plain, say
from streams.kafka.stretch import Stretch
from streams.replay_jobs import Report
from streams.replaying import Seen, Told, Trial
from streams.side_by_side import Outcome, cell, differences, kinds

MOST = 12
"""Segments that are told one by one."""


def tell(out: Console, told: Sequence[Told], trials: Sequence[Trial], as_json: bool, resolution: str = "") -> None:
    """Tell alarms in the order of event time: sentences to people, records to programs.

    One trial's records are those of the live service as they are; of several each says first which trial's it is.

    Parameters
    ----------
    resolution
        Of ticks that are not the live service's: said in each record.
    """
    several = len(trials) > 1
    for one in told:
        record, name = msgspec.json.decode(one.record), trials[one.trial].name
        if as_json:
            marks = ({"judged_by": name} if several else {}) | ({"resolution": resolution} if resolution else {})
            mark = msgspec.json.encode(marks)[:-1] + b"," if marks else b"{"
            sys.stdout.buffer.write(mark + one.record[1:] + b"\n")
        style = {"firing": "yellow" if record.get("provisional") else "bold red", "acknowledged": "dim"}
        told_by = f"{name}: " if several else ""
        say(
            out,
            f"{told_by}{record['kind'].replace('_', ' ')}: {record['sentence']}",
            style=style.get(record["state"], "green"),
        )
    sys.stdout.buffer.flush()


def summarise(out: Console, by_segment: Mapping[str, Sequence[Outcome]], seen: Seen, trials: Sequence[Trial]) -> None:
    """What a person takes home: each trial's answers beside the others', and in words where they differ."""
    out.print()
    out.print(_table(by_segment, trials))
    out.print()
    alarms = [sum(len(one.alarms) for found in by_segment.values() for one in found if one.trial is t) for t in trials]
    counted = ", ".join(f"{n or 'no'} alarm{'s' * (n != 1)} by {t.name}" for n, t in zip(alarms, trials, strict=True))
    say(out, f"{seen.calls:,} calls in {seen.panes:,} panes judged; {counted}")
    if len(trials) > 1:
        for segment, found in list(by_segment.items())[:MOST]:
            if len(found) > 1:
                say(out, *differences(segment, found))


def _table(by_segment: Mapping[str, Sequence[Outcome]], trials: Sequence[Trial]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("segment", "kind", *(one.name for one in trials)):
        table.add_column(Text(plain(column)))
    for segment, found in list(by_segment.items())[:MOST]:
        by = {one.trial.name: one for one in found}
        for number, kind in enumerate(kinds(found)):
            cells = [_cell(by.get(trial.name), kind) for trial in trials]
            table.add_row(Text(plain(segment)) if number == 0 else "", Text(kind), *cells)
        if not kinds(found):
            table.add_row(Text(plain(segment)), "", *[Text("not judged", "yellow") for _ in trials])
    if len(by_segment) > MOST:
        table.caption = f"and {len(by_segment) - MOST:,} more segments"
    return table


def _cell(outcome: Outcome | None, kind: str) -> Text:
    if outcome is None:
        return Text("")
    now = outcome.now(kind)
    drift = bool(outcome.of(kind))
    style = "bold red" if drift else "yellow" if now is None or now.answer == "not_enough_data" else "green"
    return Text(plain(("drift " if drift else "") + cell(outcome, kind)), style)


@contextmanager
def progress(out: Console, plan: Mapping[int, Stretch]) -> Iterator[Callable[[Report, Console], None]]:
    """A function to be told of reports: a bar with the time left on a terminal, elsewhere only what must be known."""
    positions = {number: one.start for number, one in plan.items()}
    latest: dict[int, Report] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    bars = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=out, transient=True)
    total = sum(one.size for one in plan.values())
    task = bars.add_task("replaying", total=total or 1, note="")
    begun = time.monotonic()

    def told(report: Report, out: Console) -> None:
        say(out, *report.warnings, style="dim")
        positions[report.partition], latest[report.partition] = report.position, report
        calls, alarms = (sum(getattr(one, name) for one in latest.values()) for name in ("calls", "alarms"))
        rate = calls / max(time.monotonic() - begun, 1e-6)
        done = sum(min(at, plan[n].end) - plan[n].start for n, at in positions.items())
        bars.update(task, completed=done, note=f"{calls:,} calls, {rate:,.0f}/s, {alarms} alarms")

    if out.is_terminal:
        with bars:
            yield told
    else:
        yield told
