"""What a person sees while calls are judged, and takes home after."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from drift.effects import Effect
from streams import sources
from streams.alerts import Alert, encode
from streams.cli.common import plain, say
from streams.embedded import Segment, Watch
from streams.settings import Settings
from streams.wording import figure, percent

ANSWERS = {
    "drift": "[bold red]drift[/]",
    "no_drift": "[green]no drift[/]",
    "not_enough_data": "[yellow]not enough data[/]",
}


class Screen:
    """What a person sees meanwhile: alerts as they come, and on a terminal progress and the present verdicts."""

    def __init__(self, out: Console, source: str, as_json: bool) -> None:
        """Prepare; nothing is drawn before it is entered."""
        self.out, self.as_json = out, as_json
        self.alerts: list[Alert] = []
        self._started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self._bars = Progress(*columns, console=out)
        self._reading = self._bars.add_task("reading", total=sources.size(source), note="")
        self._step = self._bars.add_task("", total=1.0, visible=False, note="")
        self._live = Live(self._bars, console=out, transient=True) if out.is_terminal else None

    def __enter__(self) -> Screen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Tell something that a person should know."""
        say(self.out, text, style="dim")

    def consumed(self, done: int) -> None:
        """Bytes read so far."""
        self._bars.update(self._reading, completed=done)

    def step(self, what: str, done: float) -> None:
        """Share done of a longer step."""
        self._bars.update(self._step, description=what, completed=done, visible=done < 1)

    def alert(self, alerts: Sequence[Alert]) -> None:
        """Tell alerts: sentences to people, records to programs."""
        for one in alerts:
            self.alerts.append(one)
            if self.as_json:
                sys.stdout.buffer.write(encode(one) + b"\n")
                sys.stdout.buffer.flush()
            say(
                self.out,
                f"{one.kind.replace('_', ' ')}: {one.sentence}",
                style="bold red" if one.state == "firing" else "green",
            )

    def show(self, watched: Watch) -> None:
        """Draw the present verdicts."""
        calls = watched.counts["calls"]
        rate = calls / max(time.monotonic() - self._started, 1e-6)
        self._bars.update(self._reading, note=f"{calls:,} calls, {rate:,.0f} calls/s")
        if self._live:
            self._live.update(Group(verdict_table(list(watched.segments.values())), self._bars))


def verdict_table(segments: Sequence[Segment], most: int = 12) -> Table:
    """The present answer for each segment and kind."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("segment", "kind", "answer", "evidence", "effect now"):
        table.add_column(column, justify="right" if column == "evidence" else "left")
    for segment in segments[:most]:
        name = Text(plain(segment.name))
        if not segment.verdicts:
            reason = segment.refused or f"{len(segment.waiting):,} calls towards its baseline"
            table.add_row(name, "", ANSWERS["not_enough_data"], "", Text(plain(reason)))
        for number, one in enumerate(segment.verdicts):
            share = f"{one.statistic:.1f} of {one.threshold:.1f}" if one.detector else ""
            effect = one.reason or one.note
            if one.effect and not effect:
                effect = f"{one.effect.measure}: {_size(one.effect)}"
            table.add_row(name if number == 0 else "", one.kind, ANSWERS[one.answer], share, effect)
    if len(segments) > most:
        table.caption = f"and {len(segments) - most:,} more segments"
    return table


def _size(effect: Effect) -> str:
    if effect.baseline is None or effect.current is None:
        return f"{figure(effect.size)} {effect.unit}"
    if effect.unit == "points":
        return f"{percent(effect.baseline)} → {percent(effect.current)}"
    return f"{figure(effect.baseline)} → {figure(effect.current)} {effect.unit}"


def summarise(out: Console, watched: Watch, alerts: Sequence[Alert], said: Sequence[str], settings: Settings) -> None:
    """What a person takes home: verdicts, how many alarms were told, and what was not judged."""
    judged = sum(segment.calls for segment in watched.segments.values())
    pending = [segment.state.pending for segment in watched.segments.values() if segment.state]
    left = sum(pane.n for pane in pending if pane)
    firing = [one for one in alerts if one.state == "firing"]
    out.print()
    out.print(verdict_table(list(watched.segments.values())))
    out.print()
    out.print(
        f"{judged:,} calls judged in {len(watched.segments):,} segment{'s' * (len(watched.segments) != 1)}"
        f"{f' (the last {left:,} are too few to judge)' if left else ''}; "
        f"{len(firing) or 'no'} alarm{'s' * (len(firing) != 1)}; "
        f"a segment may raise one false alarm every {settings.budget}"
    )
    for sentence in said:
        say(out, sentence, style="yellow")
    if watched.counts["late"]:
        out.print(
            f"[yellow]calls that came too late and were left out: {watched.counts['late']:,}; raise --lateness[/]"
        )
    if watched.counts["beyond"]:
        out.print(f"[yellow]calls of further segments, left out: {watched.counts['beyond']:,}; raise `segments`[/]")
    if watched.counts["duplicates"]:
        out.print(f"[yellow]repeated call_ids inside a tick, counted once: {watched.counts['duplicates']:,}[/]")
