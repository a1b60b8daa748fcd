"""``driftline archive``: keep panes for longer than a topic does, as Parquet files that other programs read too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import click

from drift.errors import SettingsError
from streams.archive import Added, Archive, Holding, gaps, told
from streams.arrow import arrow
from streams.cli.card import table
from streams.cli.common import (
    Reading,
    bar,
    console,
    emit,
    open_meter,
    quiet,
    read,
    reading_options,
    say,
    settings_options,
)
from streams.cli.stored import Instant, as_json
from streams.cluster import duration_ms
from streams.compaction import check_length, compact
from streams.evidence import instant
from streams.extent import Wanted
from streams.importing import bring
from streams.measure import segment_of
from streams.measures import Measures, contents
from streams.records import Record
from streams.settings import Settings

MEASURED = 50_000
"""Calls whose measures are written to one file."""

_start = click.option("--from", "start", type=Instant(), metavar="TIME", help="Only from this time on.")
_end = click.option("--to", "end", type=Instant(), metavar="TIME", help="Only before this time.")
_segments = click.option("--segment", "segments", multiple=True, metavar="SEGMENT", help="Only this one. Repeatable.")


class Duration(click.ParamType):
    """A duration on the command line, in milliseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``5m``, ``12h`` or ``7d``."""
        found = value if isinstance(value, int) else duration_ms(str(value))
        if found is None or found <= 0:
            self.fail(f"{value!r} is no duration: write 5m, 12h or 7d", param, ctx)
        return found


@click.group()
def archive() -> None:
    """Keep panes for longer than their topic does: Parquet files in a folder or at any address of fsspec.

    Columns, sizes and how DuckDB, pandas and Polars read them: docs/archive.md. Needs pip install 'driftline[archive]'.

    \b
      driftline archive export s3://bucket/archive
      driftline archive compact s3://bucket/archive --older-than 7d
      driftline archive show s3://bucket/archive
    """


@archive.command()
@click.argument("address")
@_segments
@_start
@_end
@click.option(
    "--measures", is_flag=True, help="Calls' measures instead of panes: embeddings, lengths, labels, no text."
)
@click.option(
    "--calls",
    "source",
    metavar="FILE|-|kafka:[TOPIC]",
    help="With --measures: where the calls are.  [default: kafka:, the topic of calls]",
)
@as_json
@reading_options
@settings_options("kafka_brokers", "embedder", "slices", "lateness_s")
def export(
    address: str,
    segments: tuple[str, ...],
    start: int | None,
    end: int | None,
    measures: bool,
    source: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Write closed ticks of the topic of panes to an archive, as far as the topic reaches now.

    Without --from, --to and --segment it goes on where the last export stopped. Exporting twice adds nothing twice, an
    export that was interrupted leaves whole files only, and no consumer group is touched: run it as often as you like,
    sooner than the topic forgets (kafka.topics.panes.retention).

    With --measures it keeps what was measured of each call instead, without texts (about 1.3 kB a call): a new lens
    of the same embedder then needs no texts and embeds nothing.

    \b
      driftline archive export s3://bucket/archive
      driftline archive export /data/archive --from 2026-01-01 --to 2026-02-01
      driftline archive export /data/archive --measures --calls calls.jsonl
    """
    arrow()
    if start is not None and end is not None and start >= end:
        raise SettingsError(f"--to {told(end)} is not after --from {told(start)}: turn them round")
    if source is not None and not measures:
        raise SettingsError("--calls names the calls that --measures measures: give --measures too, or leave it out")
    if measures:
        _export_measures(address, replace(reading, wanted=Wanted(start, end)), source or "kafka:", segments, settings)
        return
    from streams.kafka.export import Export  # an import of a while, for those who have a cluster

    quiet()
    out, place = console(), Archive(address, create=True)
    job = Export(
        settings.kafka,
        place,
        Wanted(start, end, segments=segments),
        settings.clock,
        warn=lambda text: say(out, text, style="yellow"),
    )
    with bar(out, 1.0) as step:
        added = job.run(lambda share: step("reading", share))
    topic = settings.kafka.topic("panes")
    if not added.added and not added.known and (not place.about.exports or segments or start or end):
        asked = f" of {', '.join(segments)}" if segments else ""
        between = " between --from and --to" if start is not None or end is not None else ""
        raise SettingsError(f"topic {topic} holds no closed ticks{asked}{between}: nothing was written")
    say(out, _added(added, address))
    if job.open:
        say(out, f"{job.open:,} panes are of ticks that are not complete yet: a later export takes them")
    if as_json:
        emit(_fields(added) | {"open": job.open})


def _export_measures(address: str, reading: Reading, source: str, segments: Sequence[str], settings: Settings) -> None:
    out, place, meter = console(), Archive(address, create=True), open_meter(settings)
    measures, wanted = Measures(place, meter.embedder), reading.wanted
    added, known = 0, 0

    def chosen() -> Iterator[Record]:
        for record in read(source, reading, out):
            if wanted.holds(record.event_time) and (not segments or segment_of(record) in segments):
                yield record

    records = chosen()
    while some := list(islice(records, MEASURED)):
        new, there = measures.add(meter, some, settings.slices)
        added, known = added + new, known + there
    if not added and not known:
        raise SettingsError(f"{source} holds no calls of these segments between --from and --to: nothing was written")
    say(out, f"added measures of {added:,} calls to {address}; {known:,} were there already")


@archive.command("import")
@click.argument("source")
@click.argument("address")
@_segments
@_start
@_end
@as_json
def import_panes(
    source: str, address: str, segments: tuple[str, ...], start: int | None, end: int | None, as_json: bool
) -> None:
    """Copy panes of SOURCE, another archive, a folder of its files or one such file, into the archive at ADDRESS.

    Every pane is read, and what its row says of it is checked. Panes that are there already stay as they are.

    \b
      driftline archive import s3://elsewhere/archive /data/archive
      driftline archive import january.parquet /data/archive --segment support-bot/answer
    """
    out = console()
    place = Archive(address, create=True)
    with bar(out, 1.0) as step:
        added = bring(source, place, Wanted(start, end, segments=segments), progress=lambda x: step("reading", x))
    say(out, _added(added, address))
    if as_json:
        emit(_fields(added))


def _added(added: Added, address: str) -> str:
    there = f"; {added.known:,} were there already" if added.known else ""
    return f"added {added.added:,} panes of {added.calls:,} calls, {_size(added.bytes)}, to {address}{there}"


def _fields(added: Added) -> dict[str, int]:
    return added._asdict()


@archive.command("compact")
@click.argument("address")
@click.option("--older-than", "age", type=Duration(), required=True, metavar="7d", help="Only ticks as old as that.")
@click.option(
    "--into", type=Duration(), metavar="5m|1h", help="Sum up to ticks of this length too; it divides an hour evenly."
)
@as_json
def compact_panes(address: str, age: int, into: int | None, as_json: bool) -> None:
    """Sum up old panes, and join the files of a day.

    Without --into the panes of a tick's source partitions become one: every verdict stays the same to the byte. With
    --into ticks become longer: sums stay exact, verdicts on them come later and are not the live service's; commands
    that read them say so. There is no way back.

    \b
      driftline archive compact s3://bucket/archive --older-than 7d
      driftline archive compact s3://bucket/archive --older-than 90d --into 1h
    """
    if into is not None:
        check_length(into)
    out, place = console(), Archive(address)
    with bar(out, 1.0) as step:
        done = compact(place, time.time_ns() // 1_000_000 - age, into, progress=lambda x: step("compacting", x))
    if done.days:
        sizes = f"{_size(done.bytes)} became {_size(done.kept_bytes)}"
        say(out, f"{done.rows:,} panes of {done.days:,} days became {done.kept:,}; {sizes}")
    else:
        say(out, "nothing is old enough and still to be summed up")
    if as_json:
        emit({name: getattr(done, name) for name in ("days", "rows", "kept", "bytes", "kept_bytes")})


@archive.command()
@click.argument("address")
@_segments
@click.option("--lens", metavar="ID", default="", help="Only panes seen through this lens.")
@as_json
def show(address: str, segments: tuple[str, ...], lens: str, as_json: bool) -> None:
    """Show what an archive holds of each segment and lens: span, calls, panes, bytes, lengths of ticks, gaps.

    A gap is an hour or more without any call. Then what measures of calls it holds ('export --measures').

    \b
      driftline archive show s3://bucket/archive
    """
    place = Archive(address)
    every = place.contents()
    found = [one for one in every if (not segments or one.segment in segments) and lens in ("", one.lens)]
    if every and not found:
        if lens and lens not in {one.lens for one in every}:
            known = ", ".join(sorted({one.lens for one in every}))
            raise SettingsError(f"{address} holds no panes seen through lens {lens}; it holds those of {known}")
        raise SettingsError(f"{address} holds no panes of {', '.join(segments)}: it holds {_names(every)}")
    rows = [("segment", "lens", "tick", "from", "to (UTC)", "calls", "panes", "size", "gaps")]
    for one in found:
        holes = gaps([one])
        longest = max((end - start for start, end in holes), default=0)
        length = f"{one.resolution_s:g} s" + ("" if one.resolution_s == one.tick_s else f" (of {one.tick_s:g} s)")
        holed = f"{len(holes):,}, longest {longest / 3_600_000:.0f} h" if holes else ""
        counts = f"{one.calls:,}", f"{one.panes:,}", _size(one.bytes)
        rows.append((one.segment, one.lens, length, instant(one.start)[:16], instant(one.end)[:16], *counts, holed))
        if as_json:
            emit(_holding(one, holes))
    if not as_json:
        say(console(), *(table(rows) if found else [f"{address} holds no panes"]))
    _show_measures(place, segments, as_json=as_json)


def _show_measures(place: Archive, segments: Sequence[str], *, as_json: bool) -> None:
    kept, size = contents(place)
    kept = [one for one in kept if not segments or one.segment in segments]
    rows = [("measures of", "from", "to (UTC)", "calls", "measured by")]
    for one in kept:
        first, last = instant(one.first), instant(one.last)
        rows.append((one.segment, first[:16], last[:16], f"{one.calls:,}", one.embedder))
        if as_json:
            emit({"measures_of": one.segment, "from": first, "to": last, "calls": one.calls, "embedder": one.embedder})
    if kept and not as_json:
        say(console(), "", *table(rows), f"measures take {_size(size)}")


def _names(every: Sequence[Holding]) -> str:
    names = sorted({one.segment for one in every})
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _holding(one: Holding, holes: Sequence[tuple[int, int]]) -> dict[str, object]:
    return {
        "segment": one.segment,
        "lens": one.lens,
        "resolution_s": one.resolution_s,
        "tick_s": one.tick_s,
        "exact": one.resolution_s == one.tick_s,
        "from": instant(one.start),
        "to": instant(one.end),
        "calls": one.calls,
        "panes": one.panes,
        "bytes": one.bytes,
        "gaps": [{"from": instant(start), "to": instant(end)} for start, end in holes],
    }


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
