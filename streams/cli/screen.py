"""What a person sees while calls are judged, and takes home after."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from drift.effects import SCORE, Effect
from drift.verdict import Verdict
from streams import sources
from streams.alerts import Alert, encode
from streams.cli.common import plain, say
from streams.embedded import Segment, Watch
from streams.settings import Settings
from streams.verdicts import not_alone, segment_verdict
from streams.wording import figure, percent, spelled_out

ANSWERS = {
    "drift": Text("drift", "bold red"),
    "no_drift": Text("no drift", "green"),
    "not_enough_data": Text("not enough data", "yellow"),
}
"""Text, like every cell of a live table: markup would show in frames drawn along with something printed without it."""


SENTENCES = 12
"""Segments whose verdict is told in a sentence."""


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

    def consumed(self, done: float) -> None:
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
            alarming = "yellow" if one.provisional else "bold red"
            say(
                self.out,
                f"{one.kind.replace('_', ' ')}: {one.sentence}",
                style=alarming if one.state == "firing" else "green",
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
            reason = not_alone(segment)
            reason += f"; provisional alarms: {len(early)}" if (early := segment.provisional.standing) else ""
            table.add_row(name, "", ANSWERS["not_enough_data"], "", Text(plain(reason)))
        for number, one in enumerate(segment.verdicts):
            share = f"{one.statistic:.1f} of {one.threshold:.1f}" if one.detector else ""
            kind, evidence, effect = Text(one.kind), Text(share), Text(spelled_out(_effect_now(one)))
            table.add_row(name if number == 0 else "", kind, ANSWERS[one.answer], evidence, effect)
    if len(segments) > most:
        table.caption = f"and {len(segments) - most:,} more segments"
    return table


def _effect_now(one: Verdict) -> str:
    """Why there is no answer, what else should be known, or the size of the effect."""
    if one.reason or one.note or one.effect is None:
        return one.reason or one.note
    return f"{one.effect.measure}: {_size(one.effect)}"


def _size(effect: Effect) -> str:
    if effect.baseline is None or effect.current is None:
        return f"{figure(effect.size)} {effect.unit}" if effect.size else "none beyond noise"
    if effect.unit != "points":
        sizes = f"{figure(effect.baseline)} → {figure(effect.current)}"
        return sizes if effect.unit == SCORE else f"{sizes} {effect.unit}"
    before, now = percent(effect.baseline), percent(effect.current)
    return now if before == now else f"{before} → {now}"


def summarise(out: Console, watched: Watch, alerts: Sequence[Alert], said: Sequence[str], settings: Settings) -> None:
    """What a person takes home: verdicts, how many alarms were told, and what was not judged."""
    judged = sum(segment.calls for segment in watched.segments.values())
    pending = [segment.state.pending for segment in watched.segments.values() if segment.state]
    left = sum(pane.n for pane in pending if pane)
    firing = [one for one in alerts if one.state == "firing" and not one.provisional]
    early = sum(one.state == "firing" and one.provisional for one in alerts)
    out.print()
    out.print(verdict_table(list(watched.segments.values())))
    out.print()
    say(
        out,
        f"{judged:,} calls judged in {len(watched.segments):,} segment{'s' * (len(watched.segments) != 1)}"
        f"{f' (the last {left:,} are too few to judge)' if left else ''}; "
        f"{len(firing) or 'no'} alarm{'s' * (len(firing) != 1)}; "
        f"{_promise(settings)}",
    )
    if early:
        say(
            out,
            f"{early:,} provisional alarm{'s' * (early != 1)} before there was a baseline, counted apart: without a "
            "promise about false alarms",
            style="yellow",
        )
    for segment in list(watched.segments.values())[:SENTENCES]:
        say(out, segment_verdict(segment).sentence)
    say(out, *said, *_left_out(watched.counts), *_broken(watched), style="yellow")


def _promise(settings: Settings) -> str:
    if (fleet := settings.shared) is None:
        return f"a segment may raise one false alarm every {settings.budget}"
    return f"{fleet.segments:,} segments together may raise one false alarm every {fleet.budget}"


def _broken(watched: Watch) -> Iterator[str]:
    """Rules of prompt versions that calls broke."""
    for segment in watched.segments.values():
        for rule, calls in (segment.state.prompts.broken if segment.state else {}).items():
            yield f"{segment.name}: {calls:,} calls broke a rule of prompt versions ({rule.replace('_', ' ')})"


def _left_out(counts: Mapping[str, int]) -> Iterator[str]:
    if counts["late"]:
        yield f"calls that came too late and were left out: {counts['late']:,}; raise --lateness"
    if counts["beyond"]:
        yield f"calls of further segments, left out: {counts['beyond']:,}; raise `segments`"
    if counts["duplicates"]:
        yield f"repeated call_ids inside a tick, counted once: {counts['duplicates']:,}"
