"""``driftline watch``: judge a file or standard input of call records."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import click

from drift.baseline import Baseline
from drift.errors import BrokenOffError, SettingsError
from streams.cli.common import (
    SETTINGS,
    Entry,
    Reader,
    Reading,
    console,
    open_meter,
    reading_options,
    settings_options,
    spelled,
)
from streams.cli.screen import Screen, summarise
from streams.cli.stored import require_embedder, tagged_segment
from streams.embedded import Options, Watch
from streams.measure import Meter
from streams.settings import Settings
from streams.store import Store

BATCH = 1000
PATIENCE_S = 1.0


@click.command()
@click.argument("source", metavar="FILE|-")
@click.option(
    "--baseline", "names", multiple=True, metavar="NAME|FILE", help="Baseline: id, SEGMENT@TAG or file. Repeatable."
)
@click.option("--force", is_flag=True, help="Take the first calls as the baseline even if many repeat each other.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 if any drift was found.")
@click.option("--json", "as_json", is_flag=True, help="Alert records as JSON lines on standard output, nothing else.")
@reading_options
@settings_options(*SETTINGS)
def watch(
    source: str,
    names: tuple[str, ...],
    force: bool,
    fail_on: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Judge call records of a file (plain, gzip, zstd) or standard input.

    Each line is one call as JSON; app, event_time and an input or output are needed. Without --baseline each segment
    (app and prompt name) takes its own first calls.

    \b
      driftline watch calls.jsonl.gz
      driftline watch calls.jsonl --baseline support-bot@prod --fail-on drift
      tail -F calls.jsonl | driftline watch - --json
    """
    out = console()
    meter = open_meter(settings)
    known = _known(names, settings, meter)
    options = Options(
        settings.budget,
        clock=settings.clock,
        first=settings.first,
        tolerances=settings.all_tolerances,
        clear_after=settings.clear_after,
        segments=settings.segments,
        force=force,
        replay="" if source == "-" else _replay(source, names, known, force, reading, settings),
    )
    screen = Screen(out, source, as_json)
    watched = Watch(meter, options, known, warn=screen.say, progress=screen.step)
    if not known:
        out.print(f"no baseline given: each segment takes its first {options.first:,} calls as its own")
    reader = Reader(source, reading, out)
    try:
        broken = _run(reader, watched, screen)
    except KeyboardInterrupt:  # the usual end of a pipe: what was judged so far is told
        summarise(out, watched, screen.alerts, reader.summary(), settings)
        raise
    unseen = [
        f"baseline {one.id}: there are no calls of {name}"
        for name, one in known.items()
        if name not in watched.segments
    ]
    summarise(out, watched, screen.alerts, reader.summary() + unseen, settings)
    if broken is not None:
        raise broken
    if fail_on and any(one.state == "firing" for one in screen.alerts):
        sys.exit(1)


def _known(names: Sequence[str], settings: Settings, meter: Meter) -> dict[str, Baseline]:
    """The named baselines, by segment."""
    found: dict[str, Baseline] = {}
    for name in names:
        one = Store(settings.store).baseline(name)
        require_embedder(meter, one.lens, f"baseline {one.id}")
        segment = tagged_segment(name) or one.segment
        if segment in found:
            raise SettingsError(f"--baseline {name} is of segment {segment}, like one before it: give one of them")
        found[segment] = one
    return found


def _replay(
    source: str, names: Sequence[str], known: Mapping[str, Baseline], force: bool, reading: Reading, settings: Settings
) -> str:
    """The command that judges a file again as it is judged now."""
    command = ["driftline", "watch", source]
    for name, one in zip(names, known.values(), strict=True):  # a tag may move, an id stays
        command += ["--baseline", one.id if tagged_segment(name) == one.segment else name]
    command += ["--force"] if force else []
    for field, path in reading.field_map.items():
        command += ["--map", f"{field}={path}"]
    variables, flags = spelled(
        settings, always=("one_false_alarm_every",) if names else ("one_false_alarm_every", "first")
    )
    return " ".join([*variables, shlex.join(command + flags)])


def _run(reader: Reader, watched: Watch, screen: Screen) -> BrokenOffError | None:
    """Feed everything that can be read; the error that broke it off, if one did."""
    broken: BrokenOffError | None = None
    with screen:
        entries = reader.entries(screen.consumed)
        while broken is None:
            batch: list[Entry] = []
            try:
                for entry in _batch(entries):
                    batch.append(entry)  # one by one: what came before the source broke off is judged
            except BrokenOffError as error:
                broken = error
            if not batch:
                break
            _feed(reader, watched, screen, batch)
        screen.alert(watched.finish())
        screen.show(watched)
    return broken


def _feed(reader: Reader, watched: Watch, screen: Screen, batch: Sequence[Entry]) -> None:
    alerts, late = watched.feed([entry.record for entry in batch])
    lines = {id(entry.record): entry.line for entry in batch} if late else {}
    for record in late:
        line = lines[id(record)]
        detail = "event_time is further behind the newest call than --lateness allows"
        reader.letters.write(line.number, "late", "event_time", detail, line.data)
    screen.alert(alerts)
    screen.show(watched)


def _batch(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Up to 1,000 records, fewer if they come slowly: a pipe is judged as it speaks."""
    since = time.monotonic()
    for count, entry in enumerate(entries, 1):
        yield entry
        if count == BATCH or time.monotonic() - since > PATIENCE_S:
            return
