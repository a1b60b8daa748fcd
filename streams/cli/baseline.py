"""``driftline baseline``: build, look at, check and name baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from drift import baseline as baselines
from drift.anchor import anchored
from drift.baseline import Baseline
from drift.errors import BaselineRefusedError, SettingsError
from drift.lens import Lens
from streams.archive import Archive
from streams.building import Progress, build_baseline
from streams.cli.card import baseline_card, described, moved, next_command, table
from streams.cli.common import Reading, bar, console, emit, open_meter, read, reading_options, say, settings_options
from streams.cli.diff import diff
from streams.cli.segments import chosen, first_calls, grouped
from streams.cli.sound import Examined, finding_fields, finding_lines, of_baseline, of_calls
from streams.cli.stored import Instant, as_json, save, whoami
from streams.cli.tags import at, tag_command, tags, tell_workers
from streams.evidence import instant
from streams.extent import Wanted
from streams.measure import Meter
from streams.measures import ArchivedMeter, Measures
from streams.privacy import private
from streams.records import Record
from streams.settings import Settings
from streams.shelf import ANCHOR, require_embedder
from streams.store import Move, Store


@click.group()
def baseline() -> None:
    """Build, look at, check and name baselines: what is normal for a segment, frozen.

    \b
      driftline baseline build calls.jsonl --tag prod
    """


@baseline.command()
@click.argument("source", metavar="FILE|-|kafka:[TOPIC]", required=False)
@click.option(
    "--from-archive", "archive", metavar="ADDRESS", help="Build it of an archive's panes: no call is read or embedded."
)
@click.option(
    "--measures",
    is_flag=True,
    help="With --from-archive: of the measures of calls that it keeps, not of panes; through any lens then.",
)
@click.option("--segment", "segments", multiple=True, metavar="SEGMENT", help="Only this segment. Repeatable.")
@click.option("--tag", "--name", "tag", metavar="TAG", help="Let SEGMENT@TAG name it, such as prod.")
@click.option(
    "--first", type=click.IntRange(1), help="Only the first whole ticks that reach this many calls a segment."
)
@click.option("--from", "start", type=Instant(), metavar="TIME", help="Only calls from this time on.")
@click.option("--to", "end", type=Instant(), metavar="TIME", help="Only calls before this time.")
@click.option(
    "--lens", "lens_name", metavar="default|ID", help="See calls through this lens.  [default: one of its own]"
)
@click.option(
    "--force", is_flag=True, help="Build it though many calls repeat, or they drift inside; this is recorded."
)
@click.option("-o", "--output", metavar="FILE", help="Write the baseline to this file as well.")
@click.option("--by", metavar="NAME", help="Who moves the tag.  [default: the user]")
@click.option("--why", default="", metavar="TEXT", help="Why the tag is moved; kept with the move.")
@at
@as_json
@reading_options
@settings_options("store", "embedder", "one_false_alarm_every", "tick_s", "slices", "scores", "texts")
def build(
    source: str | None,
    archive: str | None,
    measures: bool,
    segments: tuple[str, ...],
    tag: str | None,
    first: int | None,
    start: int | None,
    end: int | None,
    lens_name: str | None,
    force: bool,
    output: str | None,
    by: str | None,
    why: str,
    at: int | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Build a baseline of each segment of a source and store it.

    A source is a file, standard input (-) or a topic, which is read as far as it reaches now (kafka: that of the calls,
    kafka:TOPIC any other). With --first and --segment a topic is read no further than needed, and calls that come later
    than --lateness allows are left out, as the live service leaves them out.

    With --from-archive it is built of the panes of an archive ('driftline archive') instead, a month in seconds,
    through the lens that they were seen through; at least 1,000 calls must be left as a fair sample of all. With
    --measures it is built of the calls whose measures the archive keeps, through a lens of its own or any other: no
    text is read and nothing is embedded.

    Lines may be in any order. At least 200 calls of a segment are needed; 3,000 or more over a week or two serve best.
    Calls of which more than half repeat an input, or that drift much inside, are refused; 'driftline baseline check'
    says why and when, and builds nothing.

    \b
      driftline baseline build calls.jsonl --tag prod --why "first week after the launch"
      driftline baseline build calls.jsonl --segment support-bot/answer --first 3000 -o support.safetensors
      driftline baseline build kafka: --from 2026-01-05 --to 2026-01-12 --tag prod
      driftline baseline build --from-archive s3://bucket/archive --segment support-bot/answer --from 2026-01-01
      driftline baseline build --from-archive s3://bucket/archive --measures --segment support-bot/answer
    """
    out, store = console(), Store(settings.store)
    if (source is None) == (archive is None):
        raise SettingsError("name where the calls are, SOURCE, or --from-archive ADDRESS: one of them")
    if measures and archive is None:
        raise SettingsError("--measures are an archive's: name it by --from-archive")
    if archive is not None and not measures:
        if first:
            raise SettingsError("--first counts calls, an archive holds panes: choose a range by --from and --to")
        made = _of_archive(archive, segments, start, end, lens_name, force, output, store, settings, out)
        _finish(made, tag, output, by, why, at, as_json, store, settings, out)
        return
    meter: Meter
    facts: dict[str, Any]
    if archive is not None:
        source, meter = archive, _of_measures(archive, segments, start, end, settings)
        records, facts = iter(meter.records), {"source": f"measures of archive {archive}"}
    else:
        assert source is not None
        reading = replace(reading, wanted=Wanted(start, end, first, segments))
        records, facts = read(source, reading, out), {"source": reading.source(source)}
        meter = open_meter(settings)
    groups = chosen(grouped(records, start, end), segments, source)
    if output and len(groups) > 1:
        raise SettingsError(f"-o holds one baseline, {source} has {len(groups)} segments: choose one by --segment")
    lens = _lens(lens_name, store, meter)
    facts |= {"first": first} if first else {}

    def make(records: Sequence[Record], progress: Progress) -> Baseline:
        taken = first_calls(records, first, settings.clock) if first else records
        return build_baseline(
            meter,
            taken,
            lens=lens,
            clock=settings.clock,
            force=force,
            facts=facts,
            slices=settings.slices,
            scores=settings.scores,
            kept=store.calibrations,
            progress=progress,
        )

    _finish(_each(groups, make, out), tag, output, by, why, at, as_json, store, settings, out)


def _finish(
    every: Iterable[Baseline],
    tag: str | None,
    output: str | None,
    by: str | None,
    why: str,
    at: int | None,
    as_json: bool,
    store: Store,
    settings: Settings,
    out: Console,
) -> None:
    """Store baselines, name them and say what they are."""
    moves = list[Move]()
    for made in every:
        if output:
            save(output, baselines.encode(made))
        store.put_baseline(made)
        say(out, *baseline_card(made, settings.budget))
        move = store.tag(made.segment, tag, made.id, by=by or whoami(), why=why, effective=at) if tag else None
        if (anchor := anchored(made)) and anchor.name and not store.has_tag(made.segment, ANCHOR):
            why_anchor = "first baseline of the segment"
            moves.append(store.tag(made.segment, ANCHOR, made.id, by=by or whoami(), why=why_anchor))
            said = f"prompt version {anchor.name} is the anchor that later ones are compared with"
            say(out, f"{said} ({made.segment}@{ANCHOR}); it stays until that tag is moved")
        name = f"{made.segment}@{tag}" if tag else made.id
        moves += [move] if move else []
        say(out, *([moved(move)] if move else []), next_command(name), "")
        if as_json:
            emit(described(made, settings.budget) | ({"tag": name, "effective": move.effective} if move else {}))
    if tag and not tell_workers(out, store, moves, settings):
        raise click.exceptions.Exit(3)


def _of_archive(
    address: str,
    segments: Sequence[str],
    start: int | None,
    end: int | None,
    lens_name: str | None,
    force: bool,
    output: str | None,
    store: Store,
    settings: Settings,
    out: Console,
) -> Iterator[Baseline]:
    """Baselines of segments of an archive; all of them where none is named."""
    from streams import from_archive

    place = Archive(address)
    names = segments or sorted({one.segment for one in place.contents()})
    if output and len(names) > 1:
        raise SettingsError(f"-o holds one baseline, {address} has {len(names)} segments: choose one by --segment")
    wanted = open_meter(settings).default_lens().id if lens_name == "default" else lens_name or ""

    def make(name: str, progress: Progress) -> Baseline:
        return from_archive.of_segment(
            place,
            name,
            store,
            settings,
            start=start,
            end=end,
            lens=wanted,
            force=force,
            kept=store.calibrations,
            say=lambda text: say(out, text, style="yellow"),
            progress=progress,
        )

    return _each({name: name for name in names}, make, out)


def _of_measures(
    address: str, segments: Sequence[str], start: int | None, end: int | None, settings: Settings
) -> ArchivedMeter:
    """What an archive has measured of calls."""
    embedder = open_meter(settings).embedder
    return ArchivedMeter(embedder, Measures(Archive(address), embedder).calls(segments, start, end))


def _lens(name: str | None, store: Store, meter: Meter) -> Lens | None:
    if name is None:
        return None
    if name == "default":
        return meter.default_lens()
    lens = store.lens(name)
    require_embedder(meter, lens, f"lens {lens.id}")
    return lens


def _each(groups: Mapping[str, Any], make: Callable[..., Baseline], out: Console) -> Iterator[Baseline]:
    """Baselines of the segments that can have one; the others are skipped with a word.

    Raises
    ------
    BaselineRefusedError
        No segment can.
    """
    refusals = []
    for name, records in groups.items():
        try:
            with bar(out, 1.0, f"{name}: ") as step:
                made = make(records, step)
        except BaselineRefusedError as refused:
            refusals.append(refused)
            if len(groups) > 1:
                say(out, f"skipped: {refused}", style="yellow")
            continue
        yield made
    if len(refusals) == len(groups):
        raise refusals[0] if len(groups) == 1 else BaselineRefusedError("no segment can have a baseline: see above")


@baseline.command("list")
@as_json
@settings_options("store")
def list_baselines(as_json: bool, settings: Settings) -> None:
    """List stored baselines.

    \b
      driftline baseline list
    """
    store = Store(settings.store)
    named: dict[str, list[str]] = {}
    for move in store.tags():
        named.setdefault(move.baseline, []).append(f"{move.segment}@{move.tag}")
    rows = [("baseline", "segment", "calls", "from", "to (UTC)", "lens", "tags")]
    for one in store.baselines():
        tags = named.get(one.id, [])
        start, end = instant(one.start), instant(one.end)
        rows.append((one.id, one.segment, f"{one.calls:,}", start[:16], end[:16], one.lens, ", ".join(tags)))
        if as_json:
            about = {"segment": one.segment, "calls": one.calls, "from": start, "to": end, "lens": one.lens}
            emit({"baseline": one.id} | about | {"facts": one.facts, "tags": tags})
    if not as_json:
        say(console(), *table(rows))


@baseline.command()
@click.argument("name")
@as_json
@settings_options("store", "one_false_alarm_every", "texts")
def show(name: str, as_json: bool, settings: Settings) -> None:
    """Show the card of a baseline. NAME is an id, its first six or more digits, SEGMENT@TAG or a file.

    \b
      driftline baseline show support-bot/answer@prod
    """
    found = private(Store(settings.store).baseline(name), settings.texts)
    say(console(), *baseline_card(found, settings.budget), next_command(name))
    if as_json:
        emit(described(found, settings.budget))


@baseline.command()
@click.argument("name", metavar="SOURCE|NAME")
@click.option("--from", "start", type=Instant(), metavar="TIME", help="Of a source: only calls from this time on.")
@click.option("--to", "end", type=Instant(), metavar="TIME", help="Of a source: only calls before this time.")
@click.option("--strict", is_flag=True, help="Exit 1 if there is any warning.")
@as_json
@reading_options
@settings_options("store", "embedder", "tick_s", "scores")
def check(
    name: str,
    start: int | None,
    end: int | None,
    strict: bool,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Say whether calls can serve as a baseline, or whether a stored one is sound.

    Looked at are: whether there are enough calls, over whole days and weeks; whether inputs, one user or one session
    repeat too much; and whether the calls drift inside, the first half against the second and at any change point, in
    topics, inputs, answers, lengths, durations, costs, scores and flags (corrected for all of them together: one sound
    baseline in a hundred is said to drift). Drift of four tolerances, of answers of ten, is refused, but in four hours
    to two days only that of answers: anything else may be a daily cycle.

    Exit status: 0 they can, 1 with --strict and a warning or a segment that cannot serve, 2 no segment can.

    \b
      driftline baseline check calls.jsonl
      driftline baseline check calls.jsonl --from 2026-01-05
      driftline baseline check kafka: --from 2026-01-05
      driftline baseline check support-bot/answer@prod --strict
    """
    out = console()
    findings = []
    for one in _examined(name, start, end, reading, settings, out):
        findings.append(finding_fields(one))
        for line, colour in finding_lines(one):
            say(out, line, style=colour)
        if as_json:
            emit(findings[-1])
    if all(found["refused"] for found in findings):
        raise click.exceptions.Exit(2)
    if strict and any(found["warnings"] or found["refused"] for found in findings):
        raise click.exceptions.Exit(1)


def _examined(
    name: str, start: int | None, end: int | None, reading: Reading, settings: Settings, out: Console
) -> Iterator[Examined]:
    """A stored baseline, or each segment of a source of calls, looked at."""
    calls = name == "-" or "://" in name or reading.topic(name) or Path(name).is_file()
    if name.endswith(".safetensors") or not calls:
        if start is not None or end is not None:
            raise SettingsError(f"--from and --to choose calls of a source, {name} is a baseline: leave them out")
        yield of_baseline(Store(settings.store).baseline(name))
        return
    reading = replace(reading, wanted=Wanted(start, end))
    groups = chosen(grouped(read(name, reading, out), start, end), (), name)
    meter = open_meter(settings)
    for records in groups.values():
        yield of_calls(meter, records, settings.clock, settings.scores)


baseline.add_command(diff)
baseline.add_command(tag_command)
baseline.add_command(tags)
