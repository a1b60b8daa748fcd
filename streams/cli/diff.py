"""``driftline baseline diff``: how two baselines of one lens differ, explained as an alert is."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Table
from rich.text import Text

from streams.baseline_diff import ALIKE, Apart, apart, fields
from streams.cli.card import table
from streams.cli.common import console, emit, plain, say, settings_options
from streams.cli.screen import ANSWERS
from streams.cli.stored import as_json
from streams.evidence import instant
from streams.privacy import private
from streams.settings import Settings
from streams.store import Store
from streams.wording import figure

SHOWN = 2


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@as_json
@settings_options("store", "texts")
def diff(a: str, b: str, as_json: bool, settings: Settings) -> None:
    """Say how baseline B differs from baseline A, in the words of an alert.

    Each is an id, its first six or more digits, SEGMENT@TAG or a file; both must be of one lens. Every detector of A
    looks at all calls of B at once. It says drift where the difference reaches the tolerance and is surely there,
    corrected for the number of detectors; effects stand with their 95 % intervals.

    \b
      driftline baseline diff support-bot/answer@prod 3f9c21
    """
    store, out = Store(settings.store), console()
    before, now = (private(store.baseline(name), settings.texts) for name in (a, b))
    found = apart(before, now, settings.budget, settings.all_tolerances)
    if as_json:
        for row in fields(before, now, found):
            emit(row)
        return
    rows = [("", "baseline", "segment", "calls", "from", "to (UTC)")]
    for name, side in (("A", before), ("B", now)):
        span = instant(side.pane.tick)[:16], instant(side.pane.end)[:16]
        rows.append((name, side.id, side.segment, f"{side.pane.n:,}", *span))
    say(out, *table(rows), "")
    out.print(_table(found))
    for one in found:
        if one.sentence:
            say(out, "", one.sentence, *_examples(one))
    if not any(one.sentence for one in found):
        say(out, "", ALIKE)


def _table(found: Sequence[Apart]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("kind", "detector", "answer", "difference", "95 % interval", "tolerance", "calls A / B"):
        made.add_column(column)
    for one in found:
        cells = ["", "", figure(one.tolerance), ""]
        if one.effect is not None:
            seen = one.effect
            cells[:2] = f"{figure(seen.estimate)} {seen.unit}", f"{figure(seen.low)} to {figure(seen.high)}"
            cells[3] = f"{seen.samples_baseline:,.0f} / {seen.samples:,.0f}"
        made.add_row(Text(one.kind), Text(plain(one.title)), ANSWERS[one.answer], *map(Text, cells))
    return made


def _examples(one: Apart) -> list[str]:
    shown = (one.evidence or {}).get("examples") or {}
    said = []
    for side, name in (("before", "A"), ("now", "B")):
        for pair in shown.get(side, ())[:SHOWN]:
            said.append(f"  {name}: {_cut(pair.get('input', ''))} → {_cut(pair.get('output', ''))}")
    return said


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:89]}…"
