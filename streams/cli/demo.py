"""``driftline demo``: the main job on simulated traffic, explained against what was injected."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click
import msgspec
from rich.console import Console
from rich.table import Table

from drift.errors import StoppedError
from streams.alerts import Alert
from streams.alerts import encode as encoded
from streams.cli.common import bar, console, emit, open_meter, quiet, settings_options
from streams.cli.screen import verdict_table
from streams.cli.stored import save
from streams.embedded import Options, Watch
from streams.measure import Meter
from streams.records import Record, decode
from streams.settings import Settings
from streams.simulate import Injected, injected, simulate

AFTERMATH = timedelta(days=1.5)
"""Time after a change ends in which an alarm may still speak of it: the recent past still holds it."""


@click.command()
@click.option("--seed", default=0, show_default=True, help="Another seed, another three weeks.")
@click.option("--json", "as_json", is_flag=True, help="Alert records as JSON lines on standard output.")
@click.option("--traffic", metavar="FILE", help="Judge nothing: write the calls here as JSON lines, - for a pipe.")
@click.option("--live", "through_kafka", is_flag=True, help="Through a Kafka cluster too, in topics of its own.")
@settings_options("embedder", "one_false_alarm_every", "kafka_brokers")
def demo(seed: int, as_json: bool, traffic: str | None, through_kafka: bool, settings: Settings) -> None:
    """Three weeks of a simulated support assistant, judged for real.

    The traffic is made up by Driftline itself and its changes are known; embedding, panes, detectors, calibration and
    alerts are those of the real service. The first 3,000 calls are the baseline.

    \b
    The same calls for the commands that read a file, with the same verdicts:
      driftline demo --traffic calls.jsonl
      driftline watch calls.jsonl

    
    The same calls through the live service, whose verdicts are compared with those above, byte for byte:
      driftline demo --live --brokers localhost:9092
    """
    if traffic:
        if as_json:
            raise click.UsageError("--traffic judges nothing, so there are no alerts for --json: leave one of them out")
        _write(traffic, seed)
        return
    if through_kafka:
        settings.kafka.addresses()  # to say at once that none is named
    out, started = console(), time.monotonic()
    out.print("[bold]Driftline demo[/]: three weeks of a simulated support assistant, judged by the real detectors\n")
    records = _records(seed)
    options = Options(
        settings.budget, settings.clock, tolerances=settings.all_tolerances, clear_after=settings.clear_after
    )
    meter = open_meter(settings)
    watched = Watch(meter, options, warn=lambda text: out.print(text, style="dim", markup=False))
    alerts: list[Alert] = []
    with bar(out, len(records)) as step:
        for batch in _batches(records):
            alerts += watched.feed(batch)[0]
            step("judging", watched.counts["calls"])
        alerts += watched.finish()
    if as_json:
        for one in alerts:
            emit(one)
    _tell(out, alerts, records)
    out.print(verdict_table(list(watched.segments.values())))
    if through_kafka:
        _tell_live(out, settings, meter, seed, alerts)
    took = time.monotonic() - started
    out.print(f"\n{len(records):,} simulated calls in {took:.0f} s. Your own: driftline watch calls.jsonl")


def _tell_live(out: Console, settings: Settings, meter: Meter, seed: int, alerts: Sequence[Alert]) -> None:
    """Send the calls through the live service, and compare what it says with what was said of them above."""
    from streams.kafka.demo import live  # slow: it brings Faust

    quiet()
    lines = [msgspec.json.encode(call) for call in simulate(seed)]
    with bar(out, 1.0, "live: ") as step:
        found = asyncio.run(live(settings, meter, _records(seed), lines, step))
    wanted = {encoded(one) for one in alerts if not one.provisional}
    if wanted != set(map(encoded, found)):
        raise StoppedError(f"the live service said otherwise: {len(found)} alert records, above are {len(wanted)}")
    out.print(f"\nthe live service on Kafka says the same, byte for byte: {len(found)} alert records", style="green")


def _write(path: str, seed: int) -> None:
    lines = b"".join(msgspec.json.encode(call) + b"\n" for call in simulate(seed))
    if path == "-":
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    else:
        save(path, lines, "--traffic")


def _records(seed: int) -> list[Record]:
    now = int(datetime.now().timestamp() * 1000)
    found = [decode(msgspec.json.encode(call), now_ms=now) for call in simulate(seed)]
    return [record for record in found if isinstance(record, Record)]


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    left = iter(records)
    return iter(lambda: list(itertools.islice(left, 1000)), [])


def _tell(out: Console, alerts: Sequence[Alert], records: Sequence[Record]) -> None:
    """What was injected beside what was found, then everything that was found, in words."""
    table = Table(title="injected and found", title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in ("injected", "kind", "at", "found", "after", "dated"):
        table.add_column(name)
    left = [one for one in alerts if one.state == "firing" and not one.provisional]
    for change in injected():
        for kind in change.kinds:
            found = next((one for one in left if one.kind == kind and _belongs(one, change)), None)
            if found is not None:
                left.remove(found)
            table.add_row(change.what, kind, f"{change.at:%d %b %H:%M}", *_row(found, change, records))
    out.print()
    out.print(table)
    effects = [one for one in left if any(_belongs(one, change) for change in injected())]
    out.print(f"\nalso raised, as consequences of these changes: {_kinds(effects)}")
    out.print(f"raised without a change behind it: {_kinds([one for one in left if one not in effects])}\n")
    for one in alerts:
        mark, style = ("●", "bold red") if one.state == "firing" else ("○", "green")
        out.print(f"{mark} {one.kind.replace('_', ' ')}: {one.sentence}", style=style, markup=False)
    out.print()


def _kinds(alerts: Sequence[Alert]) -> str:
    return ", ".join(f"{one.kind} ({one.detector}, {one.raised_at[:10]})" for one in alerts) or "none"


def _belongs(one: Alert, change: Injected) -> bool:
    raised = datetime.fromisoformat(one.raised_at)
    return raised >= change.at and (change.until is None or raised <= change.until + AFTERMATH)


def _row(found: Alert | None, change: Injected, records: Sequence[Record]) -> tuple[str, str, str]:
    if found is None:
        return "[red]missed[/]", "", ""
    raised, dated = datetime.fromisoformat(found.raised_at), datetime.fromisoformat(found.since)
    at, until = change.at.timestamp() * 1000, raised.timestamp() * 1000
    calls = sum(at <= record.event_time < until for record in records)
    off = (dated - change.at).total_seconds() / 3600
    return "[green]found[/]", f"{calls:,} calls ({_hours(raised - change.at)})", f"{off:+.1f} h"


def _hours(delay: timedelta) -> str:
    return f"{delay.total_seconds() / 3600:.1f} h"
