"""What a million calls take in an archive, and how long: ``python -m benchmarks.archive``.

Panes of simulated calls, all of them measured, through the default lens, at 10, 100 and 1,000 calls a pane, from one
and from eight source partitions. Their messages stand for the topic's, whose bytes are what a broker is sent; the
export is timed from them on, without Kafka. Baselines are of a month, for which the panes of some calls are repeated.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.pane_size import ticks
from benchmarks.report import describe_machine
from benchmarks.workloads import fill, lines, paced, read
from drift import pane as panes
from drift.call import NOTHING
from drift.lens import Lens
from drift.pane import Pane
from models.static import StaticEmbedder
from streams import wire
from streams.archive import BUFFER_BYTES, Archive
from streams.archive_rows import Row
from streams.compaction import compact
from streams.extent import Wanted
from streams.from_archive import build, summed
from streams.importing import bring
from streams.ledger import Ledger, Place
from streams.measure import Meter
from streams.measures import Measures
from streams.observe import Observer, Sight
from streams.wire import Mark, Sent

COUNTS = (10, 100, 1000)
TICK_MS, LATER = 10_000, 1 << 41
MILLION = 1_000_000


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--calls", type=int, default=100_000, help="calls of each measurement")
    asked.add_argument("--month", type=int, default=10_000_000, help="calls of the month of a baseline")
    given = asked.parse_args()
    describe_machine("benchmarks.archive")
    meter = Meter(StaticEmbedder())
    lens = meter.default_lens()
    print(f"\na million calls, measured on {given.calls:,}; the ratio is to the bytes of the panes' messages\n")
    head = ("calls a pane", "sources", "topic", "archive", "ratio", "merged", "ratio", "1h", "ratio")
    times = ("export", "again", "import", "merge", "read")
    print("".join(f"{one:>13}" for one in head) + "".join(f"{one:>9}" for one in times))
    for count in COUNTS:
        for sources in (1, 8):
            print(measured(messages(meter, lens, count, sources, given.calls), count, sources), flush=True)
    measures(meter, min(given.calls, 50_000))
    for count, calls in ((100, given.month // 10), (1000, given.month)):
        month(lens, ticks(meter, lens, count), count, calls)


def messages(meter: Meter, lens: Lens, count: int, sources: int, calls: int) -> list[bytes]:
    """Messages of the panes of so many calls, each tick from every source, with their marks."""
    records, found = paced(read(lines(calls)), count * sources), dict[int, list[Sent]]()
    for source in range(sources):
        observer = Observer(meter, lambda segment, tick: Sight(lens))
        fill(observer, records[source::sources])
        for pane in observer.finish():
            data = panes.encode(pane)
            one = Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, data)
            found.setdefault(pane.end, []).append(one)
    made = list[bytes]()
    for end, sent in sorted(found.items()):
        made += [wire.encode(one) for one in (*sent, *(Mark(source, sources, end, 0) for source in range(sources)))]
    return made


def at(pane: Pane, tick: int, number: int) -> Pane:
    """The same calls in another tick, with keys of their own: a sample of a month must not hold one call many times."""
    rows = pane.sample.rows.copy()
    below = (1 << 64) - 1 if pane.sample.tau is None else pane.sample.tau
    rows["at"] += tick - pane.tick
    rows["key"] = np.sort(np.random.default_rng(number).integers(0, below, len(rows), np.uint64))
    return replace(pane, tick=tick, end=tick + TICK_MS, sample=replace(pane.sample, rows=rows))


def export(sent: Sequence[bytes], archive: Archive) -> None:
    """What an export does of the messages that it was sent."""
    ledger, rows, held = Ledger(Place()), list[Row](), 0
    for offset, data in enumerate(sent):
        for closed in ledger.add(offset, wire.decode(data)):
            rows += [Row.of(one, 0, offset) for one in closed.panes]
            held += sum(len(one.pane) for one in closed.panes)
        if held >= BUFFER_BYTES:
            archive.add(rows)
            rows, held = [], 0
    archive.add(rows)


def measured(sent: Sequence[bytes], count: int, sources: int) -> str:
    """A line of the table."""
    calls = sum(one.calls for one in map(wire.decode, sent) if isinstance(one, Sent))
    topic, per = sum(map(len, sent)), MILLION / calls
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(f"{folder}/archive", create=True)
        spent = [timed(lambda: export(sent, archive)), timed(lambda: export(sent, archive))]
        sizes = [size(archive)]
        other = Archive(f"{folder}/other", create=True)
        spent.append(timed(lambda: bring(archive.address, other, Wanted())))
        spent.append(timed(lambda: compact(archive, LATER)))
        sizes.append(size(archive))
        spent.append(timed(lambda: sum(1 for _ in archive.closed())))
        compact(archive, LATER, 3_600_000)
        sizes.append(size(archive))
    cells = [f"{count:,}", f"{sources}", f"{topic * per / 1e6:,.1f} MB"]
    cells += [cell for one in sizes for cell in (f"{one * per / 1e6:,.1f} MB", f"{one / topic:.3f}")]
    return "".join(f"{one:>13}" for one in cells) + "".join(f"{one * per:>7.1f} s" for one in spent)


def measures(meter: Meter, calls: int) -> None:
    """Bytes and seconds of calls' measures."""
    records, data = paced(read(lines(calls)), 100), sum(map(len, lines(calls)))
    with tempfile.TemporaryDirectory() as folder:
        kept = Measures(Archive(f"{folder}/archive", create=True), meter.embedder)
        spent = timed(lambda: kept.add(meter, records))
        read_in = timed(lambda: sum(len(one.records) for one in kept.calls()))
        bytes_ = size(Archive(f"{folder}/archive"))
    per = MILLION / calls
    print(
        f"\nmeasures of a million calls, measured on {calls:,}: {bytes_ * per / 1e6:,.0f} MB "
        f"({bytes_ / data:.2f} of their JSON), written in {spent * per:.0f} s, read in {read_in * per:.0f} s"
    )


def month(lens: Lens, made: Sequence[Pane], count: int, calls: int) -> None:
    """Seconds of a baseline of a month."""
    with tempfile.TemporaryDirectory() as folder:
        archive, rows, number = Archive(f"{folder}/archive", create=True), list[Row](), 0
        step = 30 * 86_400_000 // (calls // count) // TICK_MS * TICK_MS
        for number in range(calls // count):
            pane = at(made[number % len(made)], number * step, number)
            rows.append(Row.of_pane(pane, panes.encode(pane, level=1), TICK_MS, (0,)))
            if len(rows) == 2000:
                archive.add(rows)
                rows = []
        archive.add(rows)
        segment = made[0].segment
        for name in ("as exported", "in hours"):
            begun = time.perf_counter()
            found = summed(archive, segment)
            summing = time.perf_counter() - begun
            build(found, lens, declared=NOTHING, force=True)
            whole = time.perf_counter() - begun
            print(
                f"baseline of {found.pane.n:,} calls of 30 days, {found.panes:,} panes {name}: {whole:.1f} s, of which "
                f"{summing:.1f} s read and sum them up, the rest calibrates"
            )
            compact(archive, LATER, 3_600_000)


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def size(archive: Archive) -> int:
    """Bytes of its files."""
    return sum(one.stat().st_size for one in Path(archive.address).rglob("*.parquet"))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
