"""What a person sees of a replay, and what programs read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.common import plain, say
from streams.replaying import Seen, Told, Trial
from streams.side_by_side import Outcome, cell, differences, kinds

MOST = 12
"""Segments that are told one by one."""


def tell(out: Console, told: Sequence[Told], trials: Sequence[Trial], as_json: bool) -> None:
    """Tell alarms in the order of event time: sentences to people, records to programs.

    One trial's records are those of the live service as they are; of several each says first which trial's it is.
    """
    several = len(trials) > 1
    for one in told:
        record, name = msgspec.json.decode(one.record), trials[one.trial].name
        if as_json:
            mark = b'{"judged_by":' + msgspec.json.encode(name) + b","
            sys.stdout.buffer.write((mark + one.record[1:] if several else one.record) + b"\n")
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
